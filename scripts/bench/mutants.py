"""Does a room's test suite notice small changes? Seeded mutants, each run against the tests that reach its line.

    python scripts/bench/mutants.py --rooms evaluate report --count 20 --seed 1 2 3
    python scripts/bench/mutants.py --rooms wire --count 20 --only wire/pace.py    # out of one file
    python scripts/bench/mutants.py --rooms wire --only wire/pace.py:61 wire/noise.py:128    # or of these lines

The tree is copied to a scratch folder; nothing is changed in place. There the room's tests run once, and probes
(`mutant_reach.py`) say which tests reach which statement. Then, one after the other, a mutant is written, those tests
run (`mutant_suite.py`), and the file is put back; what no test reaches, or runs at import, meets all of them. Kinds:
comparisons flipped, `and`/`or`, `+`/`-` and `*`/`/` exchanged, operands swapped, constants one off or doubled,
statements deleted. Left out is what only looks: how thick a line or how large a letter is (`LOOKS`), annotations,
whether an own id that is compared with another's may be equal to it, and the order of a difference of which only the
size counts.

Whatever nobody notices is listed at the end with its line, unless `equal_mutants.txt` says why it changes nothing that
anybody could notice; the exit code is 1 then. Where the tests with a change took twice as long as without, that is
noticed, and told: `too long`. With `--keep FOLDER` which test reaches which line is measured once for the same tree.
"""

from __future__ import annotations

import argparse
import ast
import copy
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutant_suite import KNOWN, UNNOTICED, Suite, import_large

ROOT = Path(__file__).resolve().parents[2]
UNFINISHED = "tests/choice/test_unfinished.py"
"""What is declared and not carried out, of the rooms that have choices."""
ROOMS = {
    "gossip": (
        *("tests/gossip", UNFINISHED),
        *(f"tests/privacy/test_{name}.py" for name in ("masks", "zero_sum", "masked_runs")),
        "tests/simulation/test_view_trials.py",
    ),
    "topology": ("tests/topology", UNFINISHED),
    "compression": ("tests/compression", UNFINISHED),
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
SWAPPED = "operands swapped"
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
    *("eq", "slots", "frozen", "repr", "dpi", "indent", "clip_on", "maxsize", "strict"),
}
"""Keyword arguments that say how a figure or a text looks, how a value class is made, what a cache holds, and that two
lists which the program itself has made of one length (`zip`) are so: a guard against its own faults."""


@dataclass(frozen=True)
class Mutant:
    """`place` numbers the node among `ast.walk` of its file, `how` is the change that is made to it, `nth` of those of
    one line that are called the same."""

    file: Path
    line: int
    place: int
    how: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.file.relative_to('p2pfl_me')}:{self.line} {self._called}"

    def key(self, line: str) -> str:
        """Which mutant it is wherever its line has moved to."""
        return f"{self.file.relative_to('p2pfl_me')} {self._called}\n{line}"

    @property
    def _called(self) -> str:
        return self.how if self.nth == 1 else f"{self.how} (number {self.nth})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--count", type=int, default=20, help="mutants a room")
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--only", nargs="+", default=[""], help="of files, or lines of files, whose path holds this")
    parser.add_argument("--processes", action="store_true", help="with the tests of real processes, too")
    parser.add_argument("--keep", type=Path, help="a folder for the copied tree and what was measured on it")
    options = parser.parse_args()
    import_large()
    unnoticed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = scratch(options.keep.absolute() / "mutants" if options.keep else Path(folder))
        for room in options.rooms:
            suite = Suite(tree, Path("p2pfl_me", room), ROOMS[room], real=options.processes)
            for seed in options.seed:
                mutants = chosen(tree / "p2pfl_me" / room, options.count, f"{seed} {room}", tree, options.only)
                missed = list(filter(None, (tried(each, tree, suite) for each in mutants)))
                unnoticed += missed
                print(
                    f"{room}, seed {seed}: {len(mutants) - len(missed)} of {len(mutants)} noticed or equal", flush=True
                )
    print(*unnoticed, sep="\n")
    return 1 if unnoticed else 0


def tried(mutant: Mutant, tree: Path, suite: Suite) -> str:
    """Which it is and its line, if nobody notices it."""
    begun, text = time.monotonic(), (tree / mutant.file).read_text()
    line = text.splitlines()[mutant.line - 1].strip()
    equal = mutant.key(line) in argued()
    verdict = "equal" if equal else suite.verdict(mutant.file, mutant.line, changed(text, mutant))
    print(f"{verdict:9} {time.monotonic() - begun:5.1f} s  {mutant}", flush=True)
    return f"{mutant}\n    {line}" if verdict == UNNOTICED else ""


def argued() -> set[str]:
    """Blocks of three lines: the file and the change, the line as it stands, why nobody could notice."""
    blocks = (Path(__file__).parent / "equal_mutants.txt").read_text().strip().split("\n\n")
    return {"\n".join(part.strip() for part in block.splitlines()[:2]) for block in blocks}


def scratch(folder: Path) -> Path:
    """The files of this tree that git does not ignore, as they are now; what lay there before goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.name != KNOWN:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def chosen(room: Path, count: int, seed: str, tree: Path, only: list[str]) -> list[Mutant]:
    files = [path for path in sorted(room.rglob("*.py")) if any(each.partition(":")[0] in str(path) for each in only)]
    found = [each for path in files for each in mutants_of(path.relative_to(tree), path.read_text())]
    found = [each for each in found if any(where in f"{each.file}:{each.line}" for where in only)]
    return sorted(random.Random(seed).sample(found, min(count, len(found))), key=str)


def mutants_of(file: Path, text: str) -> Iterator[Mutant]:
    tree = ast.parse(text)
    silent = {id(part) for node in ast.walk(tree) for part in unread(node)}
    even = {id(part) for node in ast.walk(tree) for part in without_sign(node)}
    named = Counter[tuple[int, str]]()
    for place, node in enumerate(ast.walk(tree)):
        if id(node) not in silent:
            for how in changes(node):
                if how == SWAPPED and id(node) in even:
                    continue
                line: int = node.lineno  # type: ignore[attr-defined]
                named[line, how] += 1
                yield Mutant(file, line, place, how, named[line, how])


def unread(node: ast.AST) -> Iterator[ast.AST]:
    """What changes nothing that runs, or only how it looks."""
    annotations = [getattr(node, name, None) for name in ("annotation", "returns")]
    for annotation in filter(None, annotations):
        yield from ast.walk(annotation)
    if isinstance(node, ast.keyword) and node.arg in LOOKS:
        yield from ast.walk(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reshape":
        for size in node.args:  # NumPy takes any negative number for the one that it works out
            yield from ast.walk(size) if isinstance(size, ast.UnaryOp) else ()
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield from (node, node.value)
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        yield from ast.walk(node)


def without_sign(node: ast.AST) -> Iterator[ast.AST]:
    """Differences of which only the size is asked for: of swapped ones it is the same to the last bit."""
    match node:
        case ast.Call(
            func=ast.Name(id="abs") | ast.Attribute(attr="abs" | "norm" | "square"),
            args=[ast.BinOp(op=ast.Sub()) as difference, *_],
        ):
            yield difference
        case ast.BinOp(left=ast.BinOp(op=ast.Sub()) as difference, op=ast.Pow(), right=ast.Constant(value=2)):
            yield difference


def changes(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Compare(ops=[op], left=left, comparators=[right]) if type(op) in COMPARISONS:
            if isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) and any(map(is_own_id, (left, right))):
                return
            yield f"comparison {type(op).__name__} -> {COMPARISONS[type(op)].__name__}"
        case ast.BoolOp(op=op):
            yield f"{type(op).__name__} -> {'Or' if isinstance(op, ast.And) else 'And'}"
        case ast.BinOp(op=op, left=left) if type(op) in OPERATORS and not isinstance(left, ast.JoinedStr):
            yield f"operator {type(op).__name__} -> {OPERATORS[type(op)].__name__}"
            if isinstance(op, ast.Sub | ast.Div):
                yield SWAPPED
        case ast.Constant(value=bool() as value):
            yield f"{value} -> {not value}"
        case ast.Constant(value=int() as value):
            yield f"{value} -> {value + 1}"
        case ast.Constant(value=float() as value) if value:
            yield f"{value} -> {2 * value}"
        case ast.Expr(value=ast.Call(func=ast.Name(id="assert_never"))):
            return  # the type checker's: nothing gets there
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield f"deleted: {ast.unparse(node)[:60]}"
        case ast.If(body=[ast.Raise() | ast.Return() | ast.Continue()], orelse=[]):
            yield f"deleted: {ast.unparse(node).splitlines()[0][:60]}"


def is_own_id(node: ast.expr) -> bool:
    """Whether it is this peer's own id, which is never that of the other end: less is less or equal then."""
    return ast.unparse(node) in {"me", "self.me", "self._me"}


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
    elif isinstance(node, ast.BinOp) and how == SWAPPED:
        node.left, node.right = node.right, node.left
    elif isinstance(node, ast.BinOp):
        node.op = OPERATORS[type(node.op)]()
    elif isinstance(node, ast.Constant):
        value = node.value
        assert isinstance(value, int | float)
        node.value = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else 2 * value


if __name__ == "__main__":
    sys.exit(main())
