"""One run of an engine, or several seeds of it, and what is said of them: what `p2pme swarm` and `run` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.engines import DEFAULT, ENGINES
from p2pfl_me.exits import Exit
from p2pfl_me.options import RunOptions
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.latest import RUNS, dated, mark_latest

if TYPE_CHECKING:
    from p2pfl_me.report.summary import SwarmObject


def new_run_folder(contract: Contract) -> Path:
    """runs/NAME-TIME, below the working directory."""
    return dated(RUNS, contract.name)


def run_seeds(
    contract: Contract, options: RunOptions, console: Console, *, engine: str = DEFAULT, seeds: int = 1
) -> tuple[int, list[Path]]:
    """Run one swarm or several seeds of it in `options.run`: the worst exit code, and the runs to report on.

    One seed runs in the folder itself, several in folder/seed-S each, from the contract's seed on. A stopped swarm ends
    the others. `runs/latest` leads to the folder (`run.latest`).
    """
    code, runs = 0, []
    for seed in range(contract.seed, contract.seed + seeds):
        run = options.run / f"seed-{seed}" if seeds > 1 else options.run
        if seeds > 1:
            console.say(f"seed {seed}")
        of_seed = contract.model_copy(update={"seed": seed})
        exit_code = ENGINES[engine].run(of_seed, replace(options, run=run), console)
        runs.append(run)
        code = max(code, exit_code)
        if exit_code == Exit.STOPPED:
            break
    runs = [run for run in runs if RunFolder(run).log.all()]
    if runs:
        mark_latest(options.run)
    return code, runs


def sum_up(
    runs: Sequence[Path],
    folder: Path,
    code: int,
    console: Console,
    *,
    report: bool,
    tell: Callable[[SwarmObject], object] | None = None,
) -> None:
    """Write folder/report and say the scores; what a stopped swarm has left is reported all the same.

    The numbers go to `tell`, as docs/json.md has them.
    """
    page = None
    if code == Exit.STOPPED and not runs:
        console.say("stopped before any peer began")
    if report and runs:
        from p2pfl_me.report import write_report

        console.say("writing the report")
        page = write_report(runs, folder / "report")
    if runs:
        from p2pfl_me.report.run import read_runs
        from p2pfl_me.report.summary import as_lines, as_object

        read = read_runs(runs)
        for line in as_lines(read):
            console.say(line)
        if tell:
            tell({"exit_code": code, "report": str(page) if page else None, **as_object(read)})
    console.say(f"report: {page}" if page else f"run folder: {folder}")
