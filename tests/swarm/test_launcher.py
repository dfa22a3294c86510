"""What the launcher says and leaves when peers end otherwise than they should; the processes here are pretended."""

from __future__ import annotations

import io
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.data.shards import Shards
from p2pfl_me.options import RunOptions
from p2pfl_me.swarm.launcher import _Interrupts, _NotBegun, _run_peers
from tests.console.test_lines import lines
from tests.run.making import a_round, log, start, trained

CONTRACT = contract_from_yaml(
    "version: 1\nname: trio\ntopology: {kind: mesh}\npeers:\n  loopback: {count: 3}\ntraining: {rounds: 3}\n"
)
KILLED = -signal.SIGKILL
TRAINED = trained()


class Process:
    """Shows its exit codes one after the other, a code a look of the launcher; stays at the last."""

    def __init__(self, codes: Sequence[int | None], when_stopped: int = 130) -> None:
        self._codes, self._when_stopped = list(codes), when_stopped

    @property
    def exitcode(self) -> int | None:
        return self._codes[0]

    def look(self) -> None:
        self._codes = self._codes[1:] or self._codes

    def terminate(self) -> None:
        self._codes = [self._when_stopped]

    def join(self, timeout: float | None = None) -> None:
        """Nothing to wait for."""


class Children:
    def __init__(self, *processes: Process) -> None:
        self._processes = iter(processes)

    def start(self, job: Any) -> Process:
        return next(self._processes)


class Interrupts:
    """Nobody stops the swarm; the processes go on while the launcher waits."""

    count = 0

    def __init__(self, *processes: Process) -> None:
        self._processes = processes

    def wait(self, seconds: float) -> bool:
        for process in self._processes:
            process.look()
        return False


def run_peers(run: Path, *processes: Process) -> tuple[dict[int, int | None], list[str]]:
    out = io.StringIO()
    options: Any = RunOptions(home=run / "home", run=run)
    children: Any = Children(*processes)
    interrupts: Any = Interrupts(*processes)
    exits = _run_peers(CONTRACT, options, Shards(((),) * CONTRACT.peers.count, ()), children, Console(out), interrupts)
    return exits, [line for line in lines(out) if line.startswith("peer")]


def test_peers_that_all_die_at_once_are_named_each(tmp_path: Path) -> None:
    for peer in range(3):
        log(tmp_path, peer, start(), TRAINED, a_round(0, 0.2))
    exits, said = run_peers(tmp_path, *(Process([None, KILLED]) for _ in range(3)))
    assert exits == dict.fromkeys(range(3), KILLED)
    assert said == [f"peer {peer} was killed by SIGKILL" for peer in range(3)]


def test_the_last_to_die_is_named_and_nobody_goes_on_without_it(tmp_path: Path) -> None:
    for peer in range(3):
        log(tmp_path, peer, start(), TRAINED, a_round(0, 0.2))
    _, said = run_peers(tmp_path, Process([None, 3]), Process([None, None, 0]), Process([None, None, -signal.SIGSEGV]))
    assert said == ["peer 0 ended with exit code 3; the others go on", "peer 2 was killed by SIGSEGV"]


def test_peers_that_the_launcher_itself_stopped_are_not_named(tmp_path: Path) -> None:
    log(tmp_path, 0, start())
    log(tmp_path, 1, start(), TRAINED, a_round(0, 0.2))
    stopped = Process([None], when_stopped=130), Process([None], when_stopped=-signal.SIGTERM)
    _, said = run_peers(tmp_path, Process([None, 3]), *stopped)
    assert said == ["peer 0 ended with exit code 3", "peer 0 could not begin, so the swarm is stopped"]


def test_a_swarm_counts_as_not_begun_where_peers_said_why_and_none_concluded_a_round(tmp_path: Path) -> None:
    with pytest.raises(_NotBegun):
        run_peers(tmp_path, Process([None, 3]), Process([None]), Process([None]))
    exits, _ = run_peers(tmp_path, Process([None, 70]), Process([None]), Process([None]))
    assert exits == {0: 70, 1: 130, 2: 130}, "a bug's log is to be reported, so it stays"


def test_a_killed_peer_holds_up_no_line_of_the_others(tmp_path: Path) -> None:
    out = io.StringIO()
    with Console(out).watching(CONTRACT, tmp_path) as watch:
        for peer in range(3):
            log(tmp_path, peer, start(), *(a_round(each, 0.2) for each in range(1 if peer == 1 else 3)))
        watch.update()
        watch.died(1)
        watch.update()
    assert [line.partition("  loss")[0] for line in lines(out)[:3]] == [
        "round   1/3  3 peers",
        "round   2/3  2 peers",
        "round   3/3  2 peers",
    ]


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C as a terminal's shell leaves it: whoever started the tests, or a test before, may have had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_ends_the_dealing_of_clips_at_once_and_is_counted_elsewhere() -> None:
    with _Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt), interrupts.at_once():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert interrupts.count == 2
        with pytest.raises(KeyboardInterrupt), interrupts.at_once():
            raise AssertionError("what came before counts, too")
