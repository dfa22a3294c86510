"""A room's tests, run against one change after the other as fast as they tell.

Each run is a fork of this process, which has imported what is large; `-x`, the quick files first, and processor time
bounded by what the tests take without a change. What the tests that reach the line let pass meets all others that reach
its file: what is cached, or made once for several tests, is reached by the first of them only.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from enum import Enum
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from coverage import CoverageData

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
DEAR = "not thorough and not readme and not ray"
"""What the whole suite leaves out, too: `-m` takes the place of the project's own."""
SLACK_S, LOOK_S, SAID, KNOWN = 4.0, 0.1, "said.txt", ".known"
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


class Times:
    """A plugin of pytest that writes down how long each test took, with its fixtures."""

    def __init__(self, path: Path) -> None:
        self._path, self._took = path, Counter[str]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._took[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(json.dumps(self._took))


class Suite:
    """A room's tests in the scratch tree, and which of them reach which line."""

    def __init__(self, tree: Path, paths: tuple[str, ...], *, real: bool) -> None:
        self._tree, self._marks = tree, ["-m", DEAR if real else f"not processes and {DEAR}"]
        known = tree / KNOWN / _digest(tree, [*paths, *self._marks])
        report, times = tree / ".coverage", tree / "times.json"
        if not known.exists():
            report.unlink(missing_ok=True)
            coverage = ["--cov=p2pfl_me", "--cov-report=", "--cov-context=test"]
            if self._run([*coverage, *self._marks, *paths], None, Times(times)) is not Ended.WELL:
                said = (tree / SAID).read_text()[-3000:]
                sys.exit(f"the tests of {', '.join(paths)} fail without any change:\n{said}")
            (tree / KNOWN).mkdir(exist_ok=True)
            draft = known.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            for each in (report, times):
                shutil.move(each, draft / each.name)
            draft.rename(known)
        else:
            self._run(["--collect-only", "-q", *self._marks, *paths], None)  # compiles all that is imported, once
        self._took: dict[str, float] = json.loads((known / times.name).read_text())
        self._order = {name: place for place, name in enumerate(self._took)}
        self._reached = CoverageData(str(known / report.name))
        self._reached.read()

    def verdict(self, file: Path, line: int, mutant: str) -> str:
        path = self._tree / file
        at_line, in_file = self._tests_of(str(path), line)
        before = path.read_text()
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()
        path.write_text(mutant)
        try:
            # What runs at import belongs to no test: any of the room's may ask for it without reaching the file again.
            others = set() if at_line else {*self._took} - in_file
            for tests in filter(None, (at_line, in_file - at_line, others)):
                usual_s = sum(map(self._took.__getitem__, tests))
                ended = self._run(
                    ["-x", f"--hypothesis-profile={UNSHRUNK}", *self._marks, *self._quick_first(tests)], usual_s
                )
                if ended is not Ended.WELL:
                    return ended.value
            return UNNOTICED
        finally:
            path.write_text(before)

    def _tests_of(self, path: str, line: int) -> tuple[set[str], set[str]]:
        """Those that reach the line, and those that reach its file at all; what runs at import, all the latter."""
        contexts = self._reached.contexts_by_lineno(path)
        found = {at: {name.rpartition("|")[0] for name in names if name} for at, names in contexts.items()}
        return found.get(line, set()), set().union(*found.values()) if line in contexts else set()

    def _quick_first(self, tests: set[str]) -> list[str]:
        """By whole files, so that what a file makes once is made once."""
        files = Counter[str]()
        for name in tests:
            files[name.partition("::")[0]] += self._took[name]  # type: ignore[assignment]
        return sorted(
            tests, key=lambda name: (files[name.partition("::")[0]], name.partition("::")[0], self._order[name])
        )

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


def _digest(tree: Path, asked: list[str]) -> str:
    """Of all that was copied, but for hidden files, which tests leave behind, too; and of which tests are asked for."""
    digest = hashlib.sha256("\n".join([str(tree), *asked]).encode())
    for path in sorted(tree.rglob("*")):
        own = path.relative_to(tree).parts
        if path.is_file() and not own[0].startswith(".") and "__pycache__" not in own and path.name != SAID:
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
