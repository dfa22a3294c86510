"""Which test reaches which statement, told by the statements themselves: only the room's own files are slower for it.

A tracer (`coverage`) is asked about every call of every library, which makes pages and swarms two to three times as
dear. Here each statement within a function is preceded by a probe that puts its place into a set. What stands outside
of functions runs at import and belongs to no test.
"""

from __future__ import annotations

import ast
import builtins
import json
from collections import defaultdict
from pathlib import Path

PLACES = "places_that_were_reached"
HEADING = f"__reached__ = getattr(__import__('builtins'), {PLACES!r}, set())"
"""Processes that the tests start have no such set: theirs is nobody's."""
BLOCKS = ("body", "orelse", "finalbody")


def probed(text: str, file: str) -> str:
    """The same program with probes; `file` names it."""
    tree = ast.parse(text)
    _outside(tree.body, file)
    # After the docstring and what has to be first.
    start = next((at for at, each in enumerate(tree.body) if not _is_first(each)), len(tree.body))
    tree.body[start:start] = ast.parse(HEADING).body
    return ast.unparse(ast.fix_missing_locations(tree))


def statement_at(text: str, line: int) -> int | None:
    """Where the innermost statement begins that has a probe and covers the line; None of what runs at import."""
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = (part for function in functions for each in function.body for part in ast.walk(each))
    spans = [(part.lineno, part.end_lineno or 0) for part in inside if isinstance(part, ast.stmt)]
    return max((begin for begin, end in spans if begin <= line <= end), default=None)


def _outside(body: list[ast.stmt], file: str) -> None:
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            statement.body = _inside(statement.body, file)
        else:
            for block in _blocks(statement):
                _outside(block, file)


def _inside(body: list[ast.stmt], file: str) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for place, statement in enumerate(body):
        if place or not _is_first(statement):
            found += ast.parse(f"__reached__.add('{file}:{statement.lineno}')").body
        for block in _blocks(statement):
            block[:] = _inside(block, file)
        found.append(statement)
    return found


def _blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    parts = [statement, *getattr(statement, "handlers", []), *getattr(statement, "cases", [])]
    return [block for part in parts for name in BLOCKS if (block := getattr(part, name, None))]


def _is_first(statement: ast.stmt) -> bool:
    """A docstring, or an import from `__future__`."""
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__"
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


class Reach:
    """A plugin of pytest that writes down which test reaches which places, and how long it takes with its fixtures."""

    def __init__(self, path: Path) -> None:
        self._path, self._here = path, set[str]()
        setattr(builtins, PLACES, self._here)
        self._tests: dict[str, list[str]] = defaultdict(list)
        self._took: dict[str, float] = defaultdict(float)

    def pytest_runtest_logstart(self) -> None:
        self._here.clear()

    def pytest_runtest_logreport(self, report: object) -> None:
        self._took[report.nodeid] += report.duration  # type: ignore[attr-defined]

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        for place in tuple(self._here):
            self._tests[place].append(nodeid)

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(json.dumps({"took": self._took, "tests": self._tests}))


class First:
    """A plugin of pytest that writes down which test fails first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)

    def pytest_runtest_logreport(self, report: object) -> None:
        if report.failed and not self._path.exists():  # type: ignore[attr-defined]
            self._path.write_text(report.nodeid)  # type: ignore[attr-defined]
