"""What a neighbour would learn under each protection: games of membership on the clips of the finished cells.

What was found lies in the cell's run folder, with what it was found for; so a comparison that was stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from p2pfl_me.atomic import write_whole
from p2pfl_me.cluster.processes import Processes
from p2pfl_me.compare.cells import json_object
from p2pfl_me.compare.grid import Grid, Group
from p2pfl_me.compare.one import Cell
from p2pfl_me.compare.page import cell_folder
from p2pfl_me.compare.request import Request
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import digest
from p2pfl_me.errors import P2pmeError, RunError
from p2pfl_me.files import refusing
from p2pfl_me.home import home
from p2pfl_me.report.methods import Method, Protected, Told

FILE = "membership.json"


def audit_cells(request: Request, done: Sequence[Cell], console: Console) -> int:
    """Play what has not been played yet; how many cells could not be.

    Raises
    ------
    RunError
        A folder cannot be written.
    """
    waiting = [cell for cell in done if _told(request.out, *cell, request.games) is None]
    hands = Processes(request.jobs, __name__)
    failed = 0
    for number, (cell, fault) in enumerate(hands.do(_audit, lambda cell: (request, home()), waiting), start=1):
        group, seed = cell
        failed += bool(fault)
        words = f"not played: {fault}" if fault else "played"
        console.say(f"membership {number}/{len(waiting)}  {group.name}, seed {seed}  {words}")
    return failed


def protected(grid: Grid, out: Path, methods: dict[str, Method], games: int) -> tuple[Protected, ...]:
    """The rows of the page, of those set-ups that have a run."""
    rows = []
    for group in grid.groups:
        if (method := methods.get(group.folder)) is not None and not group.condition:
            told = {seed: found for seed in grid.seeds if (found := _told(out, group, seed, games)) is not None}
            rows.append(Protected(method, told, games))
    return tuple(rows)


def _audit(request: Request, home: Path, cell: Cell) -> str:
    """Play one cell; why it could not be played, empty if it was."""
    from p2pfl_me.privacy.budget import Unit
    from p2pfl_me.privacy_audit.audit import audit_run

    group, seed = cell
    run = cell_folder(request.out, group, seed)
    try:
        (found,) = audit_run(
            run, home, games=request.games, units=(Unit.CLIP,), weights=request.weights, inversion=False
        ).findings
    except P2pmeError as error:
        return str(error)
    told = {"contract_digest": digest(group.of_seed(seed)).hex(), "games": request.games, "lira": asdict(found.lira)}
    told["luck"] = found.luck
    with refusing(RunError, run, "free some space, or name another folder with --out"):
        write_whole(run / FILE, json.dumps(told, indent=1) + "\n")
    return ""


def _told(out: Path, group: Group, seed: int, games: int) -> Told | None:
    """What stands there for this contract and so many games."""
    found = json_object(cell_folder(out, group, seed) / FILE)
    if found.get("games") != games or found.get("contract_digest") != digest(group.of_seed(seed)).hex():
        return None
    if "luck" not in found:
        return None  # of a version that did not ask
    return Told(float(found["lira"]["advantage"]), float(found["lira"]["auc"]), found["luck"])
