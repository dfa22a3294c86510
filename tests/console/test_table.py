"""The live table fits its terminal: columns are left out and rows counted, never cut; trouble is red and on top."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from p2pfl_me.console.table import Picture, in_trouble
from p2pfl_me.console.watch import Watch
from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.run.events import Finish, Handed, HandsOut, Joined, Reason, Scores

RED = "\x1b[1;31m"


def a_watch(folder: Path, count: int) -> Watch:
    watch = Watch(
        contract_from_yaml(
            f"version: 1\nname: many\ntopology: {{kind: ring}}\npeers:\n  loopback: {{count: {count}}}\n"
            "training: {rounds: 60}\n"
        ),
        folder,
    )
    for peer, view in watch.peers.items():
        view.state, view.round, view.loss, view.sent = "training", 12, 1.5, 123_456_789
        view.scores, view.up = Scores(accuracy=0.7, uf1=0.5 + peer / 1000), {0, 1}
    return watch


def shown(picture: Picture, width: int, height: int, *, colours: bool = False) -> list[str]:
    out = io.StringIO()
    console = RichConsole(
        file=out, width=width, height=height, force_terminal=colours, color_system="standard" if colours else None
    )
    console.print(picture)
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("count", "width", "height"), [(24, 80, 24), (10, 40, 15), (100, 60, 20), (2, 20, 6), (3, 200, 50)]
)
def test_it_fits_and_nothing_in_it_is_cut(tmp_path: Path, count: int, width: int, height: int) -> None:
    watch = a_watch(tmp_path, count)
    watch.peers[count - 1].state = "dead"
    lines = shown(Picture(watch), width, height)
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    heading = lines[1].split()
    assert heading[:2] == ["peer", "state"][: len(heading)]
    assert lines[2].split()[:2] == [str(count - 1), "dead"]  # on top, at once
    peers = sum(line.split()[0].isdigit() for line in lines[2:])
    others = [int(line.split()[2]) for line in lines if line.startswith("... and ")]
    assert peers + sum(others) == count
    assert any(line.startswith(("all: round 12/60", "all: 12/60")) for line in lines)
    if width >= 40:
        assert any("(worst 0.500)" in line for line in lines), "the mean and the worst are there on a narrow one, too"


def test_more_room_shows_more_columns_and_the_least_telling_go_first(tmp_path: Path) -> None:
    watch = a_watch(tmp_path, 10)
    headings = [shown(Picture(watch), width, 30)[1].split() for width in (20, 40, 60, 80, 120)]
    for narrow, wide in pairwise(headings):
        assert set(narrow) <= set(wide)
    assert "UF1" in headings[1] and "accuracy" not in headings[1]
    assert headings[-1][-2:] == ["MB", "out"]


def test_who_ended_badly_is_red_and_who_is_done_is_not(tmp_path: Path) -> None:
    watch = a_watch(tmp_path, 4)
    watch.peers[2].state, watch.peers[3].state = "diverged", "done"
    lines = shown(Picture(watch), 100, 24, colours=True)
    red = [line for line in lines if RED in line]
    assert len(red) == 1 and "diverged" in red[0]
    assert lines.index(red[0]) == 2


BY_THE_CONTRACT = {Reason.ROUNDS, Reason.TIME, Reason.WORK, Reason.PATIENCE, Reason.HANDED, Reason.LEFT}


@pytest.mark.parametrize("reason", Reason)
def test_only_an_end_that_no_contract_asks_for_is_trouble(tmp_path: Path, reason: Reason) -> None:
    view = a_watch(tmp_path, 1).peers[0]
    for event in (Joined(3, 1, "00"), Handed(4, (1,), None, None), HandsOut(60)):
        view.take(event)
        assert not in_trouble(view), view.state
    view.take(Finish(reason, 60))
    assert in_trouble(view) == (reason not in BY_THE_CONTRACT)


def test_with_too_many_the_worst_are_seen(tmp_path: Path) -> None:
    watch = a_watch(tmp_path, 40)
    watch.peers[30].scores = Scores(accuracy=0.1, uf1=0.01)
    lines = shown(Picture(watch), 80, 14)
    assert lines[2].split()[0] == "30"
    assert "worst 0.010" in "\n".join(lines)
    everything = Picture(watch)
    everything.whole = True
    assert sum(line.split()[0].isdigit() for line in shown(everything, 80, 14)[2:]) == 40


def test_its_last_state_holds_every_note_to_its_end(tmp_path: Path) -> None:
    """A note is cut to its line while the table is drawn over, and what to do next stands at its end."""
    watch = a_watch(tmp_path, 3)
    for number in range(5):
        watch.say(f"peer {number} was killed by a signal; the others go on, and what it said is in peer-{number}.log")
    picture = Picture(watch)
    assert not any(".log" in line for line in shown(picture, 60, 24))
    picture.whole = True
    words = " ".join(" ".join(shown(picture, 60, 24)).split())
    assert all(f"is in peer-{number}.log" in words for number in range(5))


def test_time_left_follows_the_rounds_that_were_seen(tmp_path: Path) -> None:
    now = 0.0
    clock: Callable[[], float] = lambda: now  # noqa: E731
    watch = a_watch(tmp_path, 2)
    picture = Picture(watch, clock)
    assert not any("left" in line for line in shown(picture, 120, 24))
    now = 30.0
    for view in watch.peers.values():
        view.round = 15  # three rounds in thirty seconds, forty-five to go
    assert any("8 min left" in line for line in shown(picture, 120, 24))
    for view in watch.peers.values():
        view.state = "done"
    assert not any("left" in line for line in shown(picture, 120, 24))
