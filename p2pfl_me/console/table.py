"""The live table of a swarm on a terminal, made to fit it.

Columns are left out, the least telling first, before any is cut. Where not all peers have room, those in trouble and
the worst are shown and the others are counted. The last line is of all: mean and worst, bytes, time left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, TextIO

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from p2pfl_me.console.watch import GOING, WELL, PeerView
from p2pfl_me.counting import many

if TYPE_CHECKING:
    from p2pfl_me.console.watch import Watch

NOTES = 3
"""The newest notes that are shown, where there is room."""
GAP = 2
"""Columns between two of the table's."""


@dataclass(frozen=True)
class _Column:
    """`rank`: the highest is the first to go where a terminal is narrow."""

    title: str
    rank: int
    cell: Callable[[PeerView], str]
    left: bool = False


def _columns(rounds: int) -> tuple[_Column, ...]:
    return (
        _Column("state", 1, lambda view: view.state, left=True),
        _Column("round", 2, lambda view: f"{view.round}/{rounds}"),
        _Column("loss", 5, lambda view: _number(view.loss)),
        _Column("accuracy", 7, lambda view: _number(view.scores.accuracy)),
        _Column("UF1", 3, lambda view: _number(view.scores.uf1)),
        _Column("neighbours up", 8, lambda view: str(len(view.up))),
        _Column("missed", 6, lambda view: str(view.missed or "")),
        _Column("suspects", 4, lambda view: _suspects(view.suspects)),
        _Column("MB out", 9, lambda view: f"{view.sent / 1e6:.1f}"),
    )


class Picture:
    """Drawn anew at every refresh from what the watch knows; `whole`: all rows and notes, however many and long."""

    def __init__(self, watch: Watch, clock: Callable[[], float] = time.monotonic) -> None:
        self.whole = False
        self._watch, self._pace = watch, _Pace(clock)

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        watch, height = self._watch, options.size.height
        # Title, heading and the line of all; one line stays free, or the terminal scrolls.
        room = max(1, height - 4)
        some = watch.notes[-min(NOTES, max(0, room // 4)) :] if room >= 4 else []
        notes = watch.notes if self.whole else some
        shown = list(watch.peers) if self.whole else _shown(watch.peers, room - len(notes))
        yield _line(f"{watch.contract.name}: {many(len(watch.peers), 'peer')}", "bold")
        yield self._table(shown, options.max_width)
        if len(shown) < len(watch.peers):
            yield _line(_others([view for peer, view in watch.peers.items() if peer not in shown]), "dim")
        yield _line(self._all(options.max_width))
        yield from (Text(note, "yellow") if self.whole else _line(note, "yellow") for note in notes)

    def _table(self, peers: Sequence[int], width: int) -> Table:
        views = {peer: self._watch.peers[peer] for peer in peers}
        first = {peer: f"{peer}, lies" if peer in self._watch.liars else str(peer) for peer in peers}
        columns = _fitting(_columns(self._watch.contract.training.rounds), first, views, width)
        table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, show_edge=False)
        table.add_column("peer", justify="right", no_wrap=True)
        for column in columns:
            table.add_column(column.title, justify="left" if column.left else "right", no_wrap=True)
        for peer, view in views.items():
            style = "bold red" if in_trouble(view) else "yellow" if view.suspects else ""
            table.add_row(first[peer], *(column.cell(view) for column in columns), style=style)
        return table

    def _all(self, width: int) -> str:
        """The line of all peers, with as many of its parts as there is room for, the most telling first."""
        watch = self._watch
        honest = [view for peer, view in watch.peers.items() if peer not in watch.liars]
        going = [view.round for view in honest if view.state in GOING]
        rounds = watch.contract.training.rounds
        reached = min(going) if going else max((view.round for view in honest), default=0)
        parts = [f"all: round {reached}/{rounds}"]
        if uf1 := [view.scores.uf1 for view in honest if view.scores.uf1 is not None]:
            parts.append(f"UF1 {fmean(uf1):.3f} (worst {min(uf1):.3f})")
        if going and (left := self._pace.left(reached, rounds)) is not None:
            parts.append(f"{_duration(left)} left")
        parts.append(f"{sum(view.sent for view in watch.peers.values()) / 1e6:.1f} MB out")
        if losses := [view.loss for view in honest if view.loss is not None]:
            parts.append(f"loss {fmean(losses):.3f} (worst {max(losses):.3f})")
        if len("  ".join(parts[:2])) > width:  # the mean and the worst tell more than a word
            parts[0] = f"all: {reached}/{rounds}"
        while len(parts) > 1 and len("  ".join(parts)) > width:
            parts.pop()
        return "  ".join(parts)


class _Pace:
    """Seconds left, by the rounds that were seen to end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._first: tuple[int, float] | None = None
        self._last: tuple[int, float] | None = None

    def left(self, reached: int, rounds: int) -> float | None:
        """None as long as no round has ended while one looked."""
        now = self._clock()
        if self._first is None:
            self._first = self._last = (reached, now)
        if self._last and reached > self._last[0]:
            self._last = (reached, now)
        (begun, since), (come, at) = self._first, self._last or self._first
        if come <= begun:
            return None
        return max(0.0, (rounds - come) * (at - since) / (come - begun) - (now - at))


def in_trouble(view: PeerView) -> bool:
    """Whether a peer has ended otherwise than by its contract."""
    return view.state not in GOING | WELL


def _shown(peers: Mapping[int, PeerView], room: int) -> list[int]:
    """Those in trouble first; where there is no room for all, then the worst, with one line less for the others."""
    trouble = [peer for peer, view in peers.items() if in_trouble(view)]
    fine = [peer for peer in peers if peer not in trouble]
    if len(peers) > room:
        fine.sort(key=lambda peer: (uf1 := peers[peer].scores.uf1) is not None and uf1)
        return (trouble + fine)[: max(1, room - 1)]
    return trouble + fine


def _others(views: Sequence[PeerView]) -> str:
    trouble = sum(map(in_trouble, views))
    bad = f", {trouble} of them in trouble" if trouble else ""
    rounds = [view.round for view in views]
    reached = f"round {max(rounds)}" if len({*rounds}) == 1 else f"rounds {min(rounds)} to {max(rounds)}"
    return f"... and {len(views)} more{bad}, at {reached}"


def _fitting(
    columns: Sequence[_Column], first: Mapping[int, str], views: Mapping[int, PeerView], width: int
) -> list[_Column]:
    """The columns that fit beside the peers' ids, in their order. Those without a word in them go first of all."""
    spent = max(len("peer"), *map(len, first.values()))
    kept: list[_Column] = []
    for column in _by_worth(columns, views.values()):
        spent += GAP + max(len(column.title), *(len(column.cell(view)) for view in views.values()))
        if spent > width:
            break
        kept.append(column)
    return [column for column in columns if column in kept]


def _by_worth(columns: Sequence[_Column], views: Collection[PeerView]) -> list[_Column]:
    return sorted(columns, key=lambda column: (not any(column.cell(view) for view in views), column.rank))


@contextmanager
def live_table(watch: Watch, stream: TextIO) -> Iterator[None]:
    """Show the table until the block ends; its last state stays on the screen, with all rows and notes."""
    picture = Picture(watch)
    with Live(picture, console=RichConsole(file=stream), refresh_per_second=4):
        yield
        picture.whole = True


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _suspects(scores: Mapping[int, float]) -> str:
    """`7 (4.2)`, the worst first."""
    return ", ".join(f"{peer} ({scores[peer]:.1f})" for peer in sorted(scores, key=lambda peer: -scores[peer]))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _duration(seconds: float) -> str:
    """`40 s`, `3 min`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
