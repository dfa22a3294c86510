"""The live table of a swarm on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from p2pfl_me.console.watch import Watch


class _Picture:
    """Drawn anew at every refresh from what the watch knows then."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __rich__(self) -> RenderableType:
        watch = self._watch
        table = Table(title=f"{watch.contract.name}: {len(watch.peers)} peers", title_justify="left")
        for name in (
            "peer",
            "state",
            "round",
            "loss",
            "accuracy",
            "UF1",
            "neighbours up",
            "missed",
            "suspects",
            "MB out",
        ):
            table.add_column(name, justify="left" if name == "state" else "right")
        for peer, view in watch.peers.items():
            table.add_row(
                str(peer),
                f"{view.state}, lies" if peer in watch.liars else view.state,
                f"{view.round}/{watch.contract.training.rounds}",
                _number(view.loss),
                _number(view.scores.accuracy),
                _number(view.scores.uf1),
                str(len(view.up)),
                str(view.missed or ""),
                _suspects(view.suspects),
                f"{view.sent / 1e6:.1f}",
            )
        return Group(table, *(Text(note) for note in watch.notes[-5:]))


@contextmanager
def live_table(watch: Watch, stream: TextIO) -> Iterator[None]:
    """Show the table until the block ends; its last state stays on the screen."""
    with Live(_Picture(watch), console=RichConsole(file=stream), refresh_per_second=4):
        yield


def _suspects(scores: Mapping[int, float]) -> str:
    """`7 (4.2)`, the worst first."""
    return ", ".join(f"{peer} ({scores[peer]:.1f})" for peer in sorted(scores, key=lambda peer: -scores[peer]))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
