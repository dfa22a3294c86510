"""What docs/security.md promises is a test's name, and the test is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_promise_names_a_test_that_is_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) > 20
    source = {path: (ROOT / path).read_text(encoding="utf-8") for path, _ in named}
    assert not [f"{path}::{name}" for path, name in named if f"def {name}(" not in source[path]]
    for row in re.findall(r"^\|(?!---| promise).*$", page, flags=re.MULTILINE):
        assert "tests/" in row, f"a promise without a test: {row}"
