"""How far a long piece of work has come: a bar on a terminal, one line at each tenth on a pipe or a dumb one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from p2pfl_me.output import put, redraws

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


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
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(file=stream)) as bars:

        def bar(text: str) -> Progress:
            task = bars.add_task(text, total=None, visible=False)
            return lambda done, total: bars.update(task, completed=done, total=total, visible=True)

        yield tuple(bar(each) for each in what)


def _lines(what: str, stream: TextIO) -> Progress:
    told = -1

    def line(done: int, total: int) -> None:
        nonlocal told
        if (tenth := 10 * done // total) != told:
            told = tenth
            put(f"{what}: {done}/{total}", stream)

    return line
