"""Workers share arrays, answer in order, hand on errors, and end with whoever hired them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from multiprocessing import active_children

import numpy as np
import pytest

from p2pfl_me.errors import DataError, PeerError
from p2pfl_me.simulation.crew import Crew, shared


@pytest.mark.few(3)
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_every_item_is_done_once_and_answered_in_order(size: int, count: int) -> None:
    done = shared((count,))

    def job(item: int, more: int) -> int:
        done[item] += 1
        return item + more

    before = set(active_children())
    with Crew({"job": job}, size) as crew:
        assert len(set(active_children()) - before) == (size if size > 1 else 0)
        assert crew.map("job", [(item, 7) for item in range(count)]) == [item + 7 for item in range(count)]
        crew.map("job", [(item, 0) for item in range(count)])
    np.testing.assert_array_equal(done, 2)
    assert not set(active_children()) - before


def test_a_worker_sees_what_was_written_since_it_was_hired() -> None:
    array = shared((2, 2))
    with Crew({"read": lambda: float(array[1, 1])}, 2) as crew:
        array[1, 1] = 5
        assert crew.map("read", [()]) == [5.0]


@pytest.mark.parametrize("size", [1, 2])
def test_what_a_job_raises_is_raised_here(size: int) -> None:
    def job(item: int) -> None:
        if item == 3:
            raise DataError("no three", fix="take four")

    with Crew({"job": job}, size) as crew, pytest.raises(DataError, match="no three"):
        crew.map("job", [(item,) for item in range(5)])


def test_a_killed_worker_is_named_instead_of_waited_for() -> None:
    with (
        Crew({"die": lambda: os.kill(os.getpid(), signal.SIGKILL)}, 2) as crew,
        pytest.raises(PeerError, match="was killed"),
    ):
        crew.map("die", [(), ()])


@pytest.mark.thorough
def test_workers_end_with_a_parent_that_is_killed() -> None:
    script = """
import os, signal
from p2pfl_me.simulation.crew import Crew
crew = Crew({"pid": os.getpid}, 2)
print(*{pid for pid in crew.map("pid", [()] * 64)}, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    # The workers inherited the pipe: reading to its end waits for theirs.
    found = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert found.returncode == -signal.SIGKILL and found.stdout.split()
