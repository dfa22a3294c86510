"""How a run stands, read from its folder: states with names, why, since when; as lines, JSON and OpenMetrics."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli.status import status
from p2pfl_me.console.status import Neighbour, as_json, as_lines, as_openmetrics, status_of
from p2pfl_me.console.words import in_words
from p2pfl_me.contract import contract_from_yaml, dump_contract
from p2pfl_me.errors import RunError
from p2pfl_me.gossip.misses import NEEDS_MORE, NOT_AWAITED
from p2pfl_me.run.events import (
    AnyEvent,
    Finish,
    Link,
    LinkState,
    Misbehaviour,
    Reason,
    Refused,
    Sighted,
    Starved,
    Unreachable,
)
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.wire.complaints import HUNG_UP, NOT_CALLED, NOT_COME
from p2pfl_me.wire.handshake import contracts_differ
from p2pfl_me.wire.multiplexer import TWICE
from tests.report.fixture import write_run
from tests.run.making import a_round, log, start, trained

CONTRACT = contract_from_yaml(
    "version: 1\nname: trio\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\ntraining: {rounds: 4}\n"
)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path)
    folder.contract.write_text(dump_contract(CONTRACT))
    log(tmp_path, 0, start(), Link(1, LinkState.UP), Link(2, LinkState.UP), t=100)
    log(tmp_path, 0, trained(), a_round(0, 0.25, {1: "deadline", 2: "down"}, bytes_sent=500), t=150)
    log(tmp_path, 0, Link(2, LinkState.DOWN, "silent for 20 s"), Misbehaviour(0, {1: 4.0}, {}, (1,), (1,)), t=200)
    log(tmp_path, 1, start(1), Finish(Reason.DIVERGED, None, "loss 1e9"), t=170)
    return folder


def test_each_peer_and_neighbour_has_a_state_with_its_reason_and_time(run: RunFolder) -> None:
    zero, one, two = status_of(run, CONTRACT)
    assert (zero.state, zero.round, zero.rounds, zero.seen, zero.alone, zero.bytes_sent) == (
        "training",
        1,
        4,
        200,
        1,
        500,
    )
    assert zero.neighbours == (Neighbour(1, "suspect", 100), Neighbour(2, "gone", 200, "silent for 20 s"))
    assert (one.state, one.round, two.state, two.seen) == ("diverged", 0, "absent", None)


def last_said(folder: RunFolder, *said: AnyEvent) -> dict[int, tuple[str, float, str]]:
    log(folder.path, 0, *said, t=300)
    return {each.peer: (each.state, each.since, each.why) for each in status_of(folder, CONTRACT)[0].neighbours}


@pytest.mark.parametrize("why", ["deadline", NOT_AWAITED, NEEDS_MORE])
def test_who_is_waited_for_in_vain_is_slow_until_its_model_comes(run: RunFolder, why: str) -> None:
    log(run.path, 0, Link(2, LinkState.UP), Misbehaviour(0, {}, {}, (), ()), t=210)
    assert last_said(run, a_round(1, 0.25, {1: why, 2: "left"}))[1] == ("slow", 150, why), "since the first such round"
    assert last_said(run, a_round(2, 0.25, {}))[1] == ("up", 100, "")


def test_who_said_goodbye_has_left_and_is_not_gone(run: RunFolder) -> None:
    assert last_said(run, Link(1, LinkState.LEFT), Link(1, LinkState.DOWN, "connection lost"))[1] == ("left", 300, "")
    assert last_said(run, Link(1, LinkState.UP))[1][0] == "suspect"


def test_who_has_another_contract_is_refused_with_the_section(run: RunFolder) -> None:
    why = contracts_differ(2, ["training"])
    assert last_said(run, Refused(None, why))[2] == ("refused", 300, why)
    assert last_said(run, Refused(None, contracts_differ(1, ["x"])))[1][0] == "suspect", "its link is up"
    assert last_said(run, Refused(2, f"view 1: 3 of 5 members must approve; {why}"))[2][0] == "refused"
    down = Link(2, LinkState.UP), Link(2, LinkState.DOWN, "lost")
    assert last_said(run, *down, Refused(2, "peer 2 sends what no frame is"))[2][0] == "gone", "that is no contract"
    assert last_said(run, Link(2, LinkState.UP))[2][0] == "up"


def test_whom_no_neighbour_takes_is_told_so_and_since_when(run: RunFolder) -> None:
    why = "peer {} at tcp://lab:1 knows this peer by another key"
    log(run.path, 2, start(2), Refused(None, why.format(1)), Link(3, LinkState.UP), t=300)
    said = "no neighbour takes this peer as it is"
    assert not any(said in line for line in as_lines([status_of(run, CONTRACT)[2]], now=300)), "one does"
    log(run.path, 2, Link(3, LinkState.DOWN, "gone"), Refused(None, why.format(3)), t=310)
    log(run.path, 2, Refused(None, why.format(1)), Refused(None, why.format(3)), t=370)
    log(run.path, 2, Unreachable(3, "tcp://c:1: no handshake"), t=371)
    two = status_of(run, CONTRACT)[2]
    assert [(each.state, each.since) for each in two.neighbours] == [("refused", 300), ("refused", 310)]
    assert two.neighbours[1].why == why.format(3), "why there was no handshake"
    assert any(said in line and "p2pme doctor" in line for line in as_lines([two], now=400))


def test_who_does_not_reach_this_peer_or_is_not_reached_has_refused_nothing(run: RunFolder) -> None:
    """`no neighbour takes this peer` was said of one that knows it and calls it at a wrong address, and of names."""
    log(run.path, 2, start(2), Refused(None, contracts_differ(3, ["training"])), t=300)
    for why in (NOT_CALLED, f"the name lab cannot be looked up (no such name){NOT_COME}"):
        for where in ("tcp://lab:1", "the relay tcp://lab:1"):
            log(run.path, 2, Refused(None, said := f"peer 3 at {where}: {why}"), t=310)
            two = status_of(run, CONTRACT)[2]
            assert two.neighbours == (Neighbour(3, "gone", 310, said),), "what was said last"
            assert not any("takes this peer" in line for line in as_lines([two], now=400))
            assert in_words(Refused(None, said)) == said
    assert in_words(Refused(None, f"peer 3 at tcp://lab:1 {HUNG_UP}")) == f"refused: peer 3 at tcp://lab:1 {HUNG_UP}"


def test_who_falls_silent_is_suspect_with_what_others_see_until_it_is_heard_again(run: RunFolder) -> None:
    log(run.path, 0, Misbehaviour(0, {}, {}, (), ()), Sighted(1, True, {2: "up"}), t=290)
    assert last_said(run)[1] == ("suspect", 290, "nothing is heard of it")
    (line,) = (each for each in as_lines(status_of(run, CONTRACT), now=300) if "neighbour 1" in each)
    assert line.endswith("neighbour 1 suspect, 10 s ago: nothing is heard of it; peer 2 sees it up")
    assert last_said(run, Sighted(1, False, {}))[1][0] == "slow", "as before"


def test_who_is_gone_here_may_be_seen_by_others_and_one_that_never_came_is_named(run: RunFolder) -> None:
    log(run.path, 0, Sighted(2, False, {1: "up", 3: "gone", 4: "up"}), t=300)
    zero = status_of(run, CONTRACT)[0]
    (line,) = (each for each in as_lines([zero], now=300) if "neighbour 2" in each)
    assert line.endswith(": silent for 20 s; peers 1, 4 see it up; peer 3 sees it gone")
    log(run.path, 2, start(2), Unreachable(1, "tcp://b:1: refused"), Starved(7.25), t=300)
    two = status_of(run, CONTRACT)[2]
    assert two.neighbours == (Neighbour(1, "gone", 300, "tcp://b:1: refused"),) and two.starved == 7.25
    assert "starved for 7 s" in next(iter(as_lines([two], now=300)))
    log(run.path, 2, Link(1, LinkState.UP), t=310)
    assert status_of(run, CONTRACT)[2].neighbours == (Neighbour(1, "up", 310),)


def test_a_key_in_two_processes_is_told_of_a_neighbour_and_of_this_peer_itself(run: RunFolder) -> None:
    log(run.path, 0, Refused(None, f"peer 1 is there twice: {TWICE}"), t=210)
    log(run.path, 0, Refused(None, f"peer 1 has seen peer 0, this one, twice: {TWICE} (and 2 more)"), t=230)
    zero, *_ = status_of(run, CONTRACT)
    assert zero.twice == 230 and [each.twice for each in zero.neighbours] == [210, None]
    assert zero.neighbours[0].state == "suspect", "which is another thing"
    lines = list(as_lines([zero], 240))
    assert "    another process runs with this peer's key, seen 10 s ago: stop one of the two" in lines
    assert any("neighbour 1" in line and "two processes run with its key, seen 30 s ago" in line for line in lines)
    assert '"twice": 210' in as_json([zero])
    log(run.path, 0, start(), t=250)
    assert status_of(run, CONTRACT)[0].twice is None


def test_lines_of_a_newer_version_are_named_and_not_passed_over_in_silence(run: RunFolder) -> None:
    """A lab that was upgraded and downgraded: `round 0/4` alone would be false."""
    with run.log(0).open("a") as file:
        file.write('{"t":300,"event":"round","v":9}\n{"t":300,"event":"new"}\n{"t":300,"event":"rou\n')
    zero, one, _ = status_of(run, CONTRACT)
    assert (zero.newer, one.newer) == (2, 0)
    told = list(as_lines([zero, one], now=300))
    assert told[1] == "    2 lines of its log are not counted: a newer version of p2pme wrote them"
    assert sum("newer" in line for line in told) == 1 and json.loads(as_json([zero]))["peers"][0]["newer"] == 2


def test_it_is_told_in_lines_json_and_openmetrics(run: RunFolder) -> None:
    peers = status_of(run, CONTRACT)
    lines = list(as_lines(peers, now=260))
    assert lines[0] == "peer 0  training  round 1/4  loss 1.500  UF1 0.250  alone in 1  last line 60 s ago"
    assert "    neighbour 2 gone, 60 s ago: silent for 20 s" in lines and lines[-1] == "peer 2  no log here  round 0/4"
    assert "last line 0 s ago" in next(as_lines(peers, now=0)), "a clock that was set back"
    told = json.loads(as_json(peers))["peers"]
    assert told[0]["neighbours"][1] == {
        "peer": 2,
        "state": "gone",
        "since": 200,
        "why": "silent for 20 s",
        "others": {},
        "twice": None,
    }
    text = as_openmetrics(peers)
    assert text.endswith("# EOF\n") and 'p2pme_round{peer="0"} 1\n' in text and 'peer="2"' not in text.split("neigh")[0]
    assert 'p2pme_neighbour_up{peer="0",neighbour="2"} 0\n' in text
    assert 'p2pme_neighbour_up{peer="0",neighbour="1"} 1\n' in text


def test_the_command_reads_a_folder_or_says_what_it_is(run: RunFolder, tmp_path: Path) -> None:
    for form in ([], ["--json"], ["--openmetrics"]):
        done = CliRunner().invoke(status, [str(run.path), *form])
        assert done.exit_code == 0 and done.output, done
    done = CliRunner().invoke(status, [str(tmp_path / "absent")])
    assert isinstance(done.exception, RunError)


def test_of_a_run_that_has_ended_it_says_the_scores_and_nothing_of_links(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", count=3, rounds=2, classes=("a", "b"), support=(5, 5))
    said = CliRunner().invoke(status, [str(run)], catch_exceptions=False).output.splitlines()
    assert said[0].startswith("peer 0  done  round 2/2  loss ") and "neighbour" not in "".join(said)
    assert said[4].startswith("Gossip peers: UF1 0.") and said[-1] == "no measure of recognition: drawn faces"
    log(run, 0, start(), trained(number=2))
    again = CliRunner().invoke(status, [str(run)], catch_exceptions=False).output
    assert "Gossip peers" not in again, "it goes on"
