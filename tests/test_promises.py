"""Each protection that docs/security.md promises is missed by a test that the page names, when it is switched off."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")

from tests.switches import SWITCHES

ROOT = Path(__file__).parent.parent

NO_SWITCH = ("a member holds one connection an edge, to the neighbour",)
"""Promises, by how they begin, that no switch takes away: what keeps them is the whole of a relay's bookkeeping."""


def named(test: str) -> str:
    """A test's name without the case of it that is run."""
    return test.partition("[")[0]


def test_the_page_names_every_test_that_a_switch_is_noticed_by() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    tests = [test for switch in SWITCHES for test in switch.tests]
    assert len({switch.name for switch in SWITCHES}) == len(SWITCHES) > 20
    assert not [test for test in tests if f"`{named(test)}`" not in page]


def test_every_promise_has_a_switch_or_is_said_to_have_none() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    switched = {named(test) for switch in SWITCHES for test in switch.tests}
    rows = re.findall(r"^\| (?!promise).*$", page, flags=re.MULTILINE)
    bare = [row[2:] for row in rows if not switched & {*re.findall(r"`(tests/[\w/]+\.py::\w+)`", row)}]
    assert len(rows) > 60 and [row for row in bare if not row.startswith(NO_SWITCH)] == []
    assert all(any(row.startswith(begin) for row in bare) for begin in NO_SWITCH), "it has one by now"


@pytest.mark.thorough
def test_whatever_is_switched_off_is_missed() -> None:
    """All in one process: what is imported once is imported for all. A switch that changes nothing, or a test that
    passes without the mechanism it is named for, fails here."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.switches"], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
    )
    lines = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    assert done.returncode == 0 and [name for name, *_ in lines] == [each.name for each in SWITCHES], done.stderr
    assert not [name for name, verdict, _ in lines if verdict != "noticed"]
