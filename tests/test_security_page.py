"""What docs/security.md promises is a test's name, and the test is there."""

from __future__ import annotations

import ast
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
        tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert tests, f"a promise without a test: {row}"
        assert any(runs(source[path], name) for path, name in tests), f"a promise that the suite does not test: {row}"


def runs(source: str, name: str) -> bool:
    """Whether the suite runs a test, by its marks and its file's: what is thorough is run once a week."""
    tree = ast.parse(source)
    marks = [
        ast.unparse(each) for each in tree.body if isinstance(each, ast.Assign) and "pytestmark" in ast.unparse(each)
    ]
    (test,) = (each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name)
    decorators = map(ast.unparse, test.decorator_list)
    marks += [each for each in decorators if not each.startswith("pytest.mark.parametrize")]
    return not any("thorough" in mark for mark in marks)
