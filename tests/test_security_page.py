"""What docs/security.md promises is a test's name, and the test is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_promise_names_a_test_that_is_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) > 20
    missing = [
        f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]
    assert not missing
    for row in (
        line for line in page.splitlines() if line.startswith("|") and not re.match(r"\|(---|\s*promise)", line)
    ):
        assert "tests/" in row, f"a promise without a test: {row}"
