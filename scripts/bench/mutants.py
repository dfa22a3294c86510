"""Does a room's test suite notice small changes? Seeded mutants, each run against the tests that reach its line.

    python scripts/bench/mutants.py --rooms evaluate report --count 20 --seed 1

The tree is copied to a scratch folder; nothing is changed in place. There the room's tests run once, and coverage says
which tests reach which line. Then, one after the other, a mutant is written, those tests run (`-x`, with a time-out),
and the file is put back. A mutant on a line that no test reaches is unnoticed without running anything. Kinds:
comparisons flipped, `and`/`or`, `+`/`-` and `*`/`/` exchanged, operands swapped, constants one off or doubled,
statements deleted. Left out is what only looks: how thick a line or how large a letter is (`LOOKS`), and annotations.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "gossip": ("tests/gossip",),
    "topology": ("tests/topology",),
    "compression": ("tests/compression",),
    "evaluate": ("tests/evaluate",),
    "report": ("tests/report", "tests/compare", "tests/topology/test_picture.py"),
    "wire": ("tests/wire",),
}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
}
LOOKS = {
    *(
        "alpha",
        "aspect",
        "figsize",
        "fontsize",
        "gap",
        "height",
        "labelsize",
        "linestyle",
        "linestyles",
        "linewidth",
        "linewidths",
    ),
    *("markeredgewidth", "markersize", "nbins", "numticks", "pad", "shrink", "steps", "width", "xytext", "zorder"),
    *("eq", "slots", "frozen", "repr", "dpi", "indent", "clip_on"),
}
"""Keyword arguments whose numbers say how a figure or a text looks, or how a value class is made."""
SLACK_S = 30.0


@dataclass(frozen=True)
class Mutant:
    """`place` numbers the node among `ast.walk` of its file, `how` the change that is made to it."""

    file: Path
    line: int
    place: int
    how: str

    def __str__(self) -> str:
        return f"{self.file.relative_to('p2pfl_me')}:{self.line} {self.how}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--count", type=int, default=20, help="mutants a room")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", action="store_true", help="with the tests of real processes, too")
    options = parser.parse_args()
    total = noticed = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = scratch(Path(folder))
        for room in options.rooms:
            suite = Suite(tree, ROOMS[room], real=options.processes)
            for mutant in chosen(tree / "p2pfl_me" / room, options.count, f"{options.seed} {room}", tree):
                verdict = suite.verdict(mutant)
                total, noticed = total + 1, noticed + (verdict != "UNNOTICED")
                print(f"{verdict:9} {mutant}", flush=True)
    print(f"{noticed} of {total} noticed, seed {options.seed}")


def scratch(folder: Path) -> Path:
    """The files of this tree that git does not ignore, as they are now."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def chosen(room: Path, count: int, seed: str, tree: Path) -> list[Mutant]:
    found = [
        each for path in sorted(room.rglob("*.py")) for each in mutants_of(path.relative_to(tree), path.read_text())
    ]
    return sorted(random.Random(seed).sample(found, min(count, len(found))), key=str)


def mutants_of(file: Path, text: str) -> Iterator[Mutant]:
    tree = ast.parse(text)
    silent = {id(part) for node in ast.walk(tree) for part in unread(node)}
    for place, node in enumerate(ast.walk(tree)):
        if id(node) not in silent:
            for how in changes(node):
                yield Mutant(file, node.lineno, place, how)  # type: ignore[attr-defined]


def unread(node: ast.AST) -> Iterator[ast.AST]:
    """What changes nothing that runs, or only how it looks."""
    annotations = [getattr(node, name, None) for name in ("annotation", "returns")]
    for annotation in filter(None, annotations):
        yield from ast.walk(annotation)
    if isinstance(node, ast.keyword) and node.arg in LOOKS:
        yield from ast.walk(node.value)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield from (node, node.value)
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        yield from ast.walk(node)


def changes(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            yield f"comparison {type(op).__name__} -> {COMPARISONS[type(op)].__name__}"
        case ast.BoolOp(op=op):
            yield f"{type(op).__name__} -> {'Or' if isinstance(op, ast.And) else 'And'}"
        case ast.BinOp(op=op, left=left) if type(op) in OPERATORS and not isinstance(left, ast.JoinedStr):
            yield f"operator {type(op).__name__} -> {OPERATORS[type(op)].__name__}"
            if isinstance(op, ast.Sub | ast.Div):
                yield "operands swapped"
        case ast.Constant(value=bool() as value):
            yield f"{value} -> {not value}"
        case ast.Constant(value=int() as value):
            yield f"{value} -> {value + 1}"
        case ast.Constant(value=float() as value) if value:
            yield f"{value} -> {2 * value}"
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield f"deleted: {ast.unparse(node)[:60]}"
        case ast.If(body=[ast.Raise() | ast.Return() | ast.Continue()], orelse=[]):
            yield f"deleted: {ast.unparse(node).splitlines()[0][:60]}"


def changed(text: str, mutant: Mutant) -> str:
    tree = copy.deepcopy(ast.parse(text))
    parents = {id(child): parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    for place, node in enumerate(ast.walk(tree)):
        if place == mutant.place:
            change(node, parents[id(node)], mutant.how)
            break
    return ast.unparse(ast.fix_missing_locations(tree))


def change(node: ast.AST, parent: ast.AST, how: str) -> None:
    if how.startswith("deleted"):
        for _, statements in ast.iter_fields(parent):
            if isinstance(statements, list) and node in statements:
                statements[statements.index(node)] = ast.Pass()
    elif isinstance(node, ast.Compare):
        node.ops = [COMPARISONS[type(node.ops[0])]()]
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.BinOp) and how == "operands swapped":
        node.left, node.right = node.right, node.left
    elif isinstance(node, ast.BinOp):
        node.op = OPERATORS[type(node.op)]()
    elif isinstance(node, ast.Constant):
        value = node.value
        assert isinstance(value, int | float)
        node.value = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else 2 * value


class Suite:
    """A room's tests in the scratch tree, and which of them reach which line."""

    def __init__(self, tree: Path, paths: tuple[str, ...], *, real: bool) -> None:
        self._tree, self._marks, self._said = tree, [] if real else ["-m", "not processes"], ""
        report = tree / ".coverage"
        report.unlink(missing_ok=True)
        code = self._pytest(["--cov=p2pfl_me", "--cov-report=", "--cov-context=test", *self._marks, *paths], None)
        if code:
            sys.exit(f"the tests of {', '.join(paths)} fail without any change:\n{self._said[-3000:]}")
        self._reached = CoverageData(str(report))
        self._reached.read()

    def verdict(self, mutant: Mutant) -> str:
        path = self._tree / mutant.file
        before = path.read_text()
        tests = self._tests_of(str(path), mutant.line)
        if not tests:
            return "UNNOTICED"
        path.write_text(changed(before, mutant))
        listed = self._tree / "tests.txt"
        listed.write_text("\n".join(tests) + "\n")
        try:
            return (
                "noticed"
                if self._pytest(["-x", *self._marks, f"@{listed}"], 60 + SLACK_S * len(tests))
                else "UNNOTICED"
            )
        finally:
            path.write_text(before)

    def _tests_of(self, path: str, line: int) -> list[str]:
        """By node id; of a line that runs when its module is imported, all tests of the room that reach the module."""
        contexts = self._reached.contexts_by_lineno(path)
        found = {each.rpartition("|")[0] for each in contexts.get(line, ()) if each}
        if not found and line in contexts:
            found = {each.rpartition("|")[0] for every in contexts.values() for each in every if each}
        return sorted(found)

    def _pytest(self, arguments: list[str], timeout_s: float | None) -> int:
        environment = {**os.environ, "PYTHONPATH": str(self._tree), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        try:
            done = subprocess.run(
                command, cwd=self._tree, env=environment, capture_output=True, timeout=timeout_s, check=False, text=True
            )
        except subprocess.TimeoutExpired:
            return 1
        self._said = done.stdout
        return done.returncode


if __name__ == "__main__":
    main()
