"""Tests in forks are told of as if one process had run them; who dies and what was not run fails them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

MIXED = """
import warnings
import pytest

@pytest.fixture
def left():
    yield
    raise RuntimeError("put away badly")

def test_passes():
    print("nobody asks")

def test_fails():
    print("said before")
    assert [1, 2] == [1, 3]

@pytest.mark.skip(reason="another day")
def test_skipped():
    pass

def test_leaves(left):
    warnings.warn("mind the gap")
"""
DIES = """
import os, signal

def test_first():
    pass

def test_dies():
    os.kill(os.getpid(), signal.SIGKILL)

def test_never():
    pass
"""
SHARES = """
import os
import pytest

@pytest.fixture(scope="module")
def made(tmp_path_factory):
    yield os.getpid()
    assert os.getpid() == PARENT[1]

PARENT = [os.getpid()]

def test_one(made):
    PARENT.append(made)
    assert made != PARENT[0]

def test_other(made):
    assert PARENT[1:] == [made]
"""
ROOM = """
import os
import pytest

@pytest.fixture(scope="session")
def costly(tmp_path_factory):
    return os.getpid(), str(tmp_path_factory.mktemp("costly"))
"""
OF_A_ROOM = """
import os

def test_it_is_made_once(costly):
    assert costly[0] == os.getpid()
    open("{told}", "a").write(costly[1] + "\\n")
"""


def _run(folder: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-p", "tests.forked", "-p", "no:cacheprovider", "--workers", "2", *words]
    done = subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def test_all_that_a_test_says_is_told_and_whoever_dies_fails_what_it_was_at_and_the_run(tmp_path: Path) -> None:
    for name, words in {"mixed": MIXED, "dies": DIES, "shares": SHARES}.items():
        (tmp_path / f"test_{name}.py").write_text(words)
    code, said = _run(tmp_path, "-rs")
    assert code == 1
    assert re.search(r"2 failed, 5 passed, 1 skipped, 1 warning, 1 error in", said)
    for words in ("assert [1, 2] == [1, 3]", "said before", "put away badly", "another day", "mind the gap"):
        assert words in said
    assert "nobody asks" not in said
    assert "a process of the tests has ended with -9" in said
    assert re.search(r"1 tests were not run, the first of them .*test_dies.py::test_never", said)


@pytest.mark.thorough
def test_a_run_ends_with_0_or_at_the_first_failure_where_that_is_asked_and_makes_once_what_a_room_shares(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_shares.py").write_text(SHARES)
    room, told = tmp_path / "tests" / "room", tmp_path / "told"
    room.mkdir(parents=True)
    (room / "conftest.py").write_text(ROOM)
    for name in ("one", "other", "third"):
        (room / f"test_{name}.py").write_text(OF_A_ROOM.format(told=told))
    code, said = _run(tmp_path, "-o", "tmp_path_retention_policy=failed")  # as in this project
    assert code == 0 and re.search(r"5 passed in", said)
    (made,) = set(told.read_text().split())
    assert not Path(made).exists(), "what passing tests had written is taken away"
    (tmp_path / "test_mixed.py").write_text(MIXED)
    code, said = _run(tmp_path, "-x")
    assert code == 1 and re.search(r"1 failed, .*in", said)
