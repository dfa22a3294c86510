"""Runs every cell of a comparison that is not finished yet, then writes the page."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from p2pfl_me.atomic import gone_if_refused, write_whole
from p2pfl_me.cluster.hands import require_answer
from p2pfl_me.cluster.processes import Processes
from p2pfl_me.compare.audited import audit_cells, protected
from p2pfl_me.compare.cells import claim, has_begun, is_finished, json_object
from p2pfl_me.compare.elsewhere import codes_elsewhere
from p2pfl_me.compare.grid import Grid, Group, make_grid
from p2pfl_me.compare.one import Cell, run_cell
from p2pfl_me.compare.page import cell_folder, methods_of, settings_of, write_page
from p2pfl_me.compare.request import Request
from p2pfl_me.compare.resilience import resilience_lines
from p2pfl_me.compare.shared import Dealt, deal_once, fill_here, prepare, run_baselines, shared_key
from p2pfl_me.compare.skew import AS_WRITTEN
from p2pfl_me.console.lines import Console
from p2pfl_me.counting import many
from p2pfl_me.data.classes import names_classes, read_for_all
from p2pfl_me.engines import ENGINES
from p2pfl_me.errors import RunError
from p2pfl_me.exits import Exit
from p2pfl_me.files import read_regular, refusing
from p2pfl_me.home import home
from p2pfl_me.report.claims import as_lines as score_lines
from p2pfl_me.report.comparison_protection import protection_lines
from p2pfl_me.report.methods import Protected
from p2pfl_me.report.paired import power_words
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.results import read_average


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison that has run: `code` is 0, 1 where a cell failed, 130 when stopped.

    `done` are the finished cells in the order of the grid, seed by seed.
    """

    code: int
    out: Path
    grid: Grid = field(repr=False)
    done: tuple[Cell, ...] = field(default=(), repr=False)
    page: Path | None = None
    protections: tuple[Protected, ...] = field(default=(), repr=False)


def compare(request: Request, console: Console) -> Compared:
    """Run what is missing and write DIR/report.html.

    Raises
    ------
    ContractError, DataError, RunError
        Before any swarm starts; later only where the disk or a baseline fails.
    """
    grid = _with_clips(make_grid(request), request, console)
    for note in grid.notes:
        console.say(note)
    first = grid.groups[0]
    side_by_side = sum(not group.condition and group.setting == first.setting for group in grid.groups)
    if words := power_words(len(grid.seeds), side_by_side):
        console.say(words)
    for condition, reason in grid.refused:
        console.say(f"stress `{condition.name}` is left out: {reason}")
    cells = [(group, seed) for seed in grid.seeds for group in grid.groups]
    try:
        with gone_if_refused(request.out, unless=partial(has_begun, request.out)):
            claim(request.out, {"seeds": grid.seeds, "groups": [group.folder for group in grid.groups]})
            done = _run_cells(request, cells, console)
        unplayed = _play(request, done, console)
    except KeyboardInterrupt:
        done = None
    if done is None:
        console.say(f"stopped; every run in {request.out / 'cells'} can be read by itself with `p2pme report`")
        console.say(f"give the same command again with --out {request.out} to go on: finished cells are kept")
        return Compared(Exit.STOPPED, request.out, grid)
    console.say("writing the page")
    methods = methods_of(grid, request.out, done)
    protections = protected(grid, request.out, methods, request.games) if request.protections else ()
    page = write_page(grid, request.out, methods, request.target, protections)
    for line in score_lines(settings_of(grid, methods, request.target)):
        console.say(line)
    for line in protection_lines(protections) if protections else ():
        console.say(line)
    for line in resilience_lines(grid, request.out, done):
        console.say(line)
    console.say(f"report: {page}" if page else "no cell finished, so there is no page")
    if len(done) < len(cells):
        failed = f"{len(cells) - len(done)} of {len(cells)} cells failed"
        console.say(f"{failed}; the same command with --out {request.out} runs them again")
    if unplayed:
        console.say(
            f"what a neighbour would learn was not measured in {many(unplayed, 'cell')}; the reasons stand above"
        )
    code = int(len(done) < len(cells) or unplayed > 0)
    return Compared(code, request.out, grid, tuple(done), page, protections)


def _play(request: Request, done: Sequence[Cell] | None, console: Console) -> int:
    """The games of the undisturbed cells; how many could not be played."""
    if not request.protections or done is None:
        return 0
    return audit_cells(request, [(group, seed) for group, seed in done if not group.condition], console)


def _with_clips(grid: Grid, request: Request, console: Console) -> Grid:
    """The grid with the user's clips, read once, and their labels, where those are others than the contracts'."""
    contracts = [group.contract for group in grid.groups]
    chosen = names_classes([*request.overrides, *request.varied])
    found = read_for_all(contracts, request.data, console.say, chosen=chosen, rules=request.rules)
    groups = [
        replace(group, contract=contract, read=read) for group, (contract, read) in zip(grid.groups, found, strict=True)
    ]
    return replace(grid, groups=tuple(groups))


def _run_cells(request: Request, cells: Sequence[Cell], console: Console) -> list[Cell] | None:
    """The cells that are finished in the end, in their order; None when stopped."""
    dealt = _deal(request, cells, console)
    done = [
        (group, seed)
        for group, seed in cells
        if is_finished(
            cell_folder(request.out, group, seed),
            group.of_seed(seed),
            dealt[_shared(request, group, seed)].digest,
            group.lies,
        )
    ]
    waiting = [cell for cell in cells if cell not in done]
    if done:
        console.say(f"{len(done)} of {len(cells)} cells are finished already")
    if waiting:
        require_answer(request.place)
    if request.place.here and (free := ENGINES[request.engine].free):
        for group, seed in waiting:
            free(group.of_seed(seed))  # its cell would ask, too, after minutes of features and baselines
    filled = _baselines(request, cells, dealt, console) if request.baselines else set()
    if request.place.here:
        _fill(request, waiting, dealt, filled)
    for cell in done:
        _lend_baselines(request, *cell)
    begun, told = time.monotonic(), len(done)
    for cell, code in _codes(request, waiting, dealt):
        if code == Exit.STOPPED:
            return None
        told += 1
        if code == 0:
            done.append(cell)
            _lend_baselines(request, *cell)
        each = (time.monotonic() - begun) / (told - len(cells) + len(waiting))
        left = f"about {_readable(each * (len(cells) - told))} left" if told < len(cells) else "the last one"
        console.say(
            f"{told}/{len(cells)}  {_title(cell)}  {_outcome(request, cell, code)}, {each:.1f} s a cell, {left}"
        )
    return [cell for cell in cells if cell in done]


def _deal(request: Request, cells: Sequence[Cell], console: Console) -> dict[Path, Dealt]:
    """The clips by shared folder; all are split and dealt before any swarm starts."""
    console.say(f"dealing clips for {many(len(cells), 'cell')}")
    found: dict[Path, Dealt] = {}
    for group, seed in cells:
        folder = _shared(request, group, seed)
        if folder not in found:
            found[folder] = deal_once(group.of_seed(seed), request.data, group.read, home(), folder)
    return found


def _fill(request: Request, cells: Sequence[Cell], dealt: Mapping[Path, Dealt], filled: set[Path]) -> None:
    """Make the features of all cells' clips but the `filled` ones, and say of the clips what a user should know.

    Cells are quiet, and one that waited for features would foretell a like wait to all. What fails in a child here, the
    cell tells.
    """
    told = {folder.parent for folder in filled}
    for group, seed in cells:
        if (folder := _shared(request, group, seed)) in filled:
            continue
        contract, shards, tells = group.of_seed(seed), dealt[folder].shards, folder.parent not in told
        if (engine := ENGINES[request.engine]).in_process:
            fill_here(contract, home(), request.weights, shards, tells=tells)
        else:
            prepare(contract, home(), request.weights, shards, engine.module, tells=tells)
        filled.add(folder)
        told.add(folder.parent)


def _baselines(request: Request, cells: Sequence[Cell], dealt: Mapping[Path, Dealt], console: Console) -> set[Path]:
    """Once for every way of dealing and seed, whatever the topology; the folders of those that were trained now."""
    needed = {_shared(request, group, seed): group.of_seed(seed) for group, seed in cells}
    missing = {folder: each for folder, each in needed.items() if not json_object(RunFolder(folder).baselines)}
    told: set[Path] = set()
    for number, (folder, contract) in enumerate(missing.items(), start=1):
        console.say(f"baselines {number}/{len(missing)}, for all topologies of seed {contract.seed}")
        tells, module = folder.parent not in told, ENGINES[request.engine].module
        run_baselines(contract, folder, home(), request.weights, dealt[folder].shards, module, tells=tells)
        told.add(folder.parent)
    return set(missing)


def _lend_baselines(request: Request, group: Group, seed: int) -> None:
    shared = RunFolder(_shared(request, group, seed)).baselines
    if request.baselines:
        lent = RunFolder(cell_folder(request.out, group, seed)).baselines
        with refusing(RunError, lent, "free some space, or name another folder with --out"):
            write_whole(lent, read_regular(shared))


def _shared(request: Request, group: Group, seed: int) -> Path:
    """DIR/shared/KEY/seed-S, the same for all cells with the same clips, shards and training."""
    return request.out / "shared" / shared_key(group.contract)[:12] / f"seed-{seed}"


def _codes(request: Request, waiting: Sequence[Cell], dealt: Mapping[Path, Dealt]) -> Iterator[tuple[Cell, int]]:
    if not request.place.here:
        errands = {cell: dealt[_shared(request, *cell)].digest for cell in waiting}
        yield from codes_elsewhere(request, errands)
        return
    shared = (request, ENGINES[request.engine], home())
    hands = Processes(request.jobs, ENGINES[request.engine].module)
    yield from hands.do(run_cell, lambda cell: shared, waiting)


def _title(cell: Cell) -> str:
    group, seed = cell
    extra = [group.setting] if group.setting != AS_WRITTEN.name else []
    extra += [group.condition] if group.condition and group.condition not in extra else []
    return ", ".join([group.name, *extra, f"seed {seed}"])


def _outcome(request: Request, cell: Cell, code: int) -> str:
    if code:
        return f"failed with exit code {code}"
    scores = read_average(cell_folder(request.out, *cell))
    return "no test clips" if scores is None or scores.uf1 is None else f"UF1 {scores.uf1:.3f}"


def _readable(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
