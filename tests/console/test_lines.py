"""What a swarm shows, from the event logs alone: lines when piped, a table on a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from p2pfl_me.console.lines import Console
from p2pfl_me.console.table import Picture
from p2pfl_me.console.watch import Watch
from p2pfl_me.console.words import in_words
from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.progress import showing
from p2pfl_me.run.events import Finish, Link, LinkState, Misbehaviour, Reason, Traffic
from p2pfl_me.run.ledger import Sent, sent_line
from tests.run.making import a_round, log, start, trained


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


CONTRACT = contract_from_yaml(
    "version: 1\nname: duo\ntopology: {kind: ring}\npeers:\n  loopback: {count: 2}\ntraining: {rounds: 3}\n"
)


def test_a_pipe_gets_one_line_a_round_when_all_have_it(tmp_path: Path) -> None:
    out = io.StringIO()
    with Console(out).watching(CONTRACT, tmp_path) as watch:
        log(tmp_path, 0, start(), a_round(0, 0.2), a_round(1, 0.4))
        log(tmp_path, 1, start(), a_round(0, 0.1))
        watch.update()
        assert "round   1/3  2 peers" in out.getvalue() and "round   2/3" not in out.getvalue()
        assert "UF1 0.150 (worst 0.100)" in out.getvalue()
        log(tmp_path, 1, Finish(Reason.ERROR, None))
        watch.say("peer 1 ended with exit code 3; the others go on")
        watch.update()
    assert "round   2/3  1 peer" in out.getvalue()
    assert "peer 1 ended with exit code 3" in out.getvalue()


@pytest.mark.parametrize("kind", ["dumb", "unknown", "DUMB"])
def test_a_terminal_that_cannot_be_drawn_over_gets_lines(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table or a bar would show nothing there until the end."""
    monkeypatch.setenv("TERM", kind)
    out = Terminal()
    with Console(out).watching(CONTRACT, tmp_path) as watch:
        for peer in range(2):
            log(tmp_path, peer, start(), a_round(0, 0.2))
        watch.update()
        assert "round   1/3  2 peers" in out.getvalue()
    with showing("images of clips", stream=out) as (progress,):
        progress(1, 2)
        assert "images of clips: 1/2" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def lines(out: io.StringIO) -> list[str]:
    """What was said, without the clock."""
    return [line.partition("] ")[2] for line in out.getvalue().splitlines()]


def test_every_line_shows_its_own_round_however_many_passed_since_the_last_look(tmp_path: Path) -> None:
    out = io.StringIO()
    with Console(out).watching(CONTRACT, tmp_path) as watch:
        log(
            tmp_path,
            0,
            start(),
            *(a_round(each, 0.1 * (each + 1), loss=3.0 - each, bytes_sent=10**6 * (each + 1)) for each in range(3)),
            trained(9.0),
        )
        log(tmp_path, 1, start(), *(a_round(each, 0.5, loss=1.0, bytes_sent=10**6) for each in (0, 2)))
        watch.update()
        watch.update()
    assert [line.replace("accuracy 0.500 (worst 0.500)  ", "") for line in lines(out)[:3]] == [
        "round   1/3  2 peers  loss 2.000 (worst 3.000)  UF1 0.300 (worst 0.100)  2.0 MB out",
        "round   2/3  1 peer  loss 2.000 (worst 2.000)  UF1 0.200 (worst 0.200)  3.0 MB out",
        "round   3/3  2 peers  loss 1.000 (worst 1.000)  UF1 0.400 (worst 0.300)  4.0 MB out",
    ]


def test_a_round_that_all_jumped_over_has_no_line(tmp_path: Path) -> None:
    out = io.StringIO()
    with Console(out).watching(CONTRACT, tmp_path) as watch:
        for peer in range(2):
            log(tmp_path, peer, start(), a_round(0, 0.2), a_round(2, 0.4))
        watch.update()
    assert [line.split("/")[0] for line in lines(out)[:2]] == ["round   1", "round   3"]


def test_the_last_that_is_told_of_bytes_is_what_left(tmp_path: Path) -> None:
    out = io.StringIO()
    with Console(out).watching(CONTRACT, tmp_path) as watch:
        for peer in range(2):
            log(tmp_path, peer, start(), a_round(0, 0.2, bytes_sent=1_000))
        watch.update()
        log(tmp_path, 0, Traffic(1_100_000, 0), Finish(Reason.ROUNDS, 3))
        lines_of = "".join(sent_line(0, Sent(0, "offer", 1, wire)) + "\n" for wire in (900_000, 1_400_000))
        (tmp_path / "egress-1.jsonl").write_text(lines_of + '{"wi')  # killed
        watch.died(1)
    assert lines(out)[0].endswith("0.0 MB out")
    assert lines(out)[-1] == "all peers have ended  3.4 MB out"
    assert [view.sent for view in watch.peers.values()] == [1_100_000, 2_300_000]


def test_a_terminal_gets_a_table(tmp_path: Path) -> None:
    watch = Watch(CONTRACT, tmp_path)
    log(tmp_path, 0, Link(1, LinkState.UP), a_round(0, 0.2, {1: "deadline"}))
    log(tmp_path, 1, Finish(Reason.ROUNDS, 3))
    log(tmp_path, 0, Misbehaviour(0, {1: 3.26, 2: 0.6}, {1: ("no model in time",)}, (1,), (1,)))
    watch.update()
    watch.say("a note")
    out = io.StringIO()
    RichConsole(file=out, width=120, height=24).print(Picture(watch))
    assert [line.split() for line in out.getvalue().splitlines()[1:4]] == [
        ["peer", "state", "round", "loss", "accuracy", "UF1", "neighbours", "up", "missed", "suspects", "MB", "out"],
        ["0", "training", "1/3", "1.500", "0.500", "0.200", "1", "1", "1", "(3.3)", "2.0"],
        ["1", "done", "0/3", "0", "0.0"],
    ]
    assert "a note" in out.getvalue()
    assert "peer 0: neighbour 1 looks wrong (score 3.3: no model in time)" in out.getvalue()


def test_a_neighbour_that_left_has_left() -> None:
    """`is left` would say that it alone remains."""
    said = {state: in_words(Link(neighbour=3, state=state)) for state in LinkState}
    assert said[LinkState.LEFT] == "neighbour 3 has left"
    assert said[LinkState.UP] == "neighbour 3 is up"


@pytest.mark.parametrize("quiet", [True, False])
def test_progress_of_a_quiet_command_is_not_shown(quiet: bool) -> None:
    out = io.StringIO()
    with Console(out, quiet=quiet).showing("images", "features") as (images, features):
        images(1, 1)
        features(2, 2)
    assert out.getvalue().splitlines() == ([] if quiet else ["images: 1/1", "features: 2/2"])
