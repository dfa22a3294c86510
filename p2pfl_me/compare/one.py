"""One cell: a contract under a seed, run from its beginning by an engine."""

from __future__ import annotations

import sys
from pathlib import Path

from p2pfl_me.compare.cells import clear
from p2pfl_me.compare.grid import Group
from p2pfl_me.compare.page import cell_folder
from p2pfl_me.compare.request import Request
from p2pfl_me.console.lines import Console
from p2pfl_me.engines import Engine
from p2pfl_me.options import RunOptions

Cell = tuple[Group, int]
"""A group and a seed."""


def run_cell(request: Request, engine: Engine, home: Path, cell: Cell, command: str = "") -> int:
    """Run one cell from its beginning; the engine's exit code. `command` is what was typed, if not in this process."""
    group, seed = cell
    run = cell_folder(request.out, group, seed)
    clear(run)
    options = RunOptions(
        home=home,
        run=run,
        data=request.data,
        weights=request.weights,
        command=command or " ".join(sys.argv),
        rules=request.rules,
        read=group.read,
        lies=group.lies,
        tells=False,
    )
    launch = engine.run if group.faults is None or engine.faulty is None else engine.faulty(group.faults)
    return launch(group.of_seed(seed), options, Console(quiet=True))
