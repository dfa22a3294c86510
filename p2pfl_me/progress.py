"""How far a long piece of work has come: a bar on a terminal, one line at each tenth on a pipe or a dumb one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from p2pfl_me.output import put, redraws

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, Task

Progress = Callable[[int, int], None]
"""Called with (done, total)."""
IMAGES, FEATURES = "images of clips", "features of samples"
"""What most commands wait for, the first time."""
BAR, LEAST_BAR = 40, 8
"""Columns that a bar takes at most; where there is room for less than the second, there is none."""


@contextmanager
def showing(*what: str, stream: TextIO | None = None) -> Iterator[tuple[Progress, ...]]:
    """Show the progress of each `what`, as "images of clips"; nothing is shown where nothing has to be done.

    Several are the bars of one display: two displays would write over one another's line. What is piped holds whole
    lines only: no bar breaks a log.
    """
    stream = stream or sys.stdout
    if not redraws(stream):
        yield tuple(_lines(each, stream) for each in what)
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    # Nothing is drawn until something is to be done: a display that stays empty hides the cursor all the same.
    bars = Bars(console=Console(file=stream))

    def bar(text: str) -> Progress:
        task = bars.add_task(text, total=None, visible=False)

        def show(done: int, total: int) -> None:
            if total:
                bars.update(task, completed=done, total=total, visible=True)
                bars.columns = _fitting([each for each in bars.tasks if each.visible], bars.console.width)
                bars.start()

        return show

    try:
        yield tuple(map(bar, what))
    finally:
        bars.stop()


def _fitting(tasks: Sequence[Task], width: int) -> tuple[ProgressColumn, ...]:
    """The columns there is room for: the bar goes first, then the time left, and never the numbers."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    what = TextColumn("{task.description}", table_column=Column())  # wrapped where it is too long
    numbers = MofNCompleteColumn(table_column=Column(no_wrap=True))
    left = TimeRemainingColumn(table_column=Column(no_wrap=True))
    room = width - max(len(each.description) for each in tasks)
    room -= max(len(f" {each.total:.0f}/{each.total:.0f}") for each in tasks)
    if room < len(" 0:00:00"):
        return what, numbers
    room -= len(" 0:00:00") + len(" ")
    return (what, BarColumn(min(room, BAR)), numbers, left) if room >= LEAST_BAR else (what, numbers, left)


def _lines(what: str, stream: TextIO) -> Progress:
    told = -1

    def line(done: int, total: int) -> None:
        nonlocal told
        if total and (tenth := 10 * done // total) != told:
            told = tenth
            put(f"{what}: {done}/{total}", stream)

    return line
