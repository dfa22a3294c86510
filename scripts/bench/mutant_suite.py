"""A room's tests, run against one change after the other as fast as they tell.

Each run is a fork of this process, which has imported what is large; `-x`, those files first that are quick for what
they have noticed so far, and processor time bounded by what the tests take without a change. What the tests that reach
the statement let pass meets all others that reach its file: what is cached, or made once for several tests, is reached
by the first of them only.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from enum import Enum
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from mutant_reach import First, Reach, probed, statement_at

LARGE = (
    "pytest",
    "hypothesis",
    "numpy",
    "scipy.optimize",
    "scipy.stats",
    "networkx",
    "zmq",
    "torch",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "pydantic.main",
    "cryptography.hazmat.primitives.serialization",
    "cryptography.hazmat.primitives.ciphers.aead",
    "asyncio",
    "cv2",
    "jinja2",
    "click",
    "msgpack",
    "yaml",
    "pywt",
)
"""Imported once: every run of tests is a fork, so none of them waits for these. Nothing of the tree is among them."""
ELSEWHERE = "not readme and not ray"
"""What needs a machine of its own. `-m` takes the place of the project's: what is `thorough` notices changes, too."""
SLACK_S, LOOK_S, SAID, FAILED, KNOWN = 4.0, 0.1, "said.txt", "failed.txt", ".known"
UNNOTICED = "UNNOTICED"
UNSHRUNK = "unshrunk"
"""Hypothesis' profile: one example that fails is enough, and looking for the smallest takes minutes."""


def import_large() -> None:
    os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="Agg")
    for name in LARGE:
        importlib.import_module(name)
    from hypothesis import Phase, settings

    settings.register_profile(UNSHRUNK, deadline=None, database=None, phases=(Phase.explicit, Phase.generate))


class Ended(Enum):
    """How tests end."""

    WELL = "well"
    BADLY = "noticed"
    LATE = "too long"
    """They took far longer than without a change."""


class Suite:
    """A room's tests in the scratch tree, and which of them reach which line."""

    def __init__(self, tree: Path, room: Path, paths: tuple[str, ...], *, real: bool) -> None:
        self._tree, self._marks = tree, ["-m", ELSEWHERE if real else f"not processes and {ELSEWHERE}"]
        known = tree / KNOWN / f"{_digest(tree, [*paths, *self._marks])}.json"
        if not known.exists():
            known.parent.mkdir(exist_ok=True)
            self._measure(room, paths, known)
        self._run(["--collect-only", "-q", *self._marks, *paths], None)  # compiles all that is imported, once
        found = json.loads(known.read_text())
        self._took: dict[str, float] = found["took"]
        self._tests: dict[str, list[str]] = found["tests"]
        self._order = {name: place for place, name in enumerate(self._took)}
        self._noticed = Counter[str]()

    def _measure(self, room: Path, paths: tuple[str, ...], known: Path) -> None:
        """Run all tests once, with a probe before each statement of the room."""
        before = {path: path.read_text() for path in sorted((self._tree / room).rglob("*.py"))}
        draft = known.with_suffix(".draft")
        try:
            for path, text in before.items():
                path.write_text(probed(text, str(path.relative_to(self._tree))))
            ended = self._run([*self._marks, *paths], None, Reach(draft))
        finally:
            for path, text in before.items():
                path.write_text(text)
        if ended is not Ended.WELL:
            said = (self._tree / SAID).read_text()[-3000:]
            sys.exit(f"the tests of {', '.join(paths)} fail without any change:\n{said}")
        draft.rename(known)

    def verdict(self, file: Path, line: int, mutant: str) -> str:
        path = self._tree / file
        before = path.read_text()
        at_line, in_file = self._tests_of(str(file), statement_at(before, line))
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()
        path.write_text(mutant)
        try:
            # What runs at import belongs to no test: any of the room's may ask for it without reaching the file again.
            # What no test reaches in this process, one may reach in a child of its own.
            others = set() if at_line else {*self._took} - in_file
            for tests in filter(None, (at_line, in_file - at_line, others)):
                usual_s = sum(map(self._took.__getitem__, tests))
                arguments = ["-x", f"--hypothesis-profile={UNSHRUNK}", *self._marks, *self._best_first(tests)]
                failed = self._tree / FAILED
                ended = self._run(arguments, usual_s, First(failed))
                if failed.exists():
                    self._noticed[_file(failed.read_text())] += 1
                if ended is not Ended.WELL:
                    return ended.value
            return UNNOTICED
        finally:
            path.write_text(before)

    def _tests_of(self, file: str, statement: int | None) -> tuple[set[str], set[str]]:
        """Those that reach the statement, and those that reach its file at all."""
        in_file = {test for place, tests in self._tests.items() if place.startswith(f"{file}:") for test in tests}
        return set(self._tests.get(f"{file}:{statement}", ())), in_file

    def _best_first(self, tests: set[str]) -> list[str]:
        """By whole files, so that what a file makes once is made once."""
        costs: dict[str, float] = dict.fromkeys(map(_file, tests), 0.0)
        for name in tests:
            costs[_file(name)] += self._took[name] / (1 + self._noticed[_file(name)])
        return sorted(tests, key=lambda name: (costs[_file(name)], _file(name), self._order[name]))

    def _run(self, arguments: list[str], usual_s: float | None, *plugins: object) -> Ended:
        """How the tests end that take `usual_s` seconds without a change."""
        context = multiprocessing.get_context("fork")
        child = context.Process(target=in_child, args=(self._tree, arguments, usual_s, plugins))
        child.start()
        if usual_s is None:
            child.join()
        else:
            _wait(child, usual_s + SLACK_S)
        is_late = child.is_alive()
        with suppress(ProcessLookupError):
            assert child.pid is not None
            os.killpg(child.pid, signal.SIGKILL)
        child.join()
        if is_late:
            return Ended.LATE
        return Ended.BADLY if child.exitcode else Ended.WELL


def _file(test: str) -> str:
    return test.partition("::")[0]


def _digest(tree: Path, asked: list[str]) -> str:
    """Of all that was copied, but for hidden files, which tests leave behind, too; and of which tests are asked for."""
    digest = hashlib.sha256("\n".join([str(tree), *asked]).encode())
    for path in sorted(tree.rglob("*")):
        own = path.relative_to(tree).parts
        if (
            path.is_file()
            and not own[0].startswith(".")
            and "__pycache__" not in own
            and path.name not in (SAID, FAILED)
        ):
            digest.update(str(path.relative_to(tree)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _wait(child: BaseProcess, usual_s: float) -> None:
    """Until it ends, or has taken twice the processor time, or six times the time, that is usual.

    No limit of the kernel's: under one some systems count processor time in coarse ticks, and tests that read it fail.
    """
    until = time.monotonic() + 6 * usual_s
    while child.is_alive() and time.monotonic() < until and _processor_s(child.pid) < 2 * usual_s:
        child.join(LOOK_S)


def _processor_s(pid: int | None) -> float:
    """What a process, and the children that it has waited for, took so far."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")


def in_child(tree: Path, arguments: list[str], usual_s: float | None, plugins: tuple[object, ...]) -> None:
    os.setsid()
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    os.environ["PYTHONPATH"] = str(tree)
    said = os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(said, stream)
    if usual_s is not None:
        sys.dont_write_bytecode = True
    sys.exit(pytest.main(["-p", "no:cacheprovider", "--no-header", *arguments], plugins))
