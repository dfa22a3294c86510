"""One swarm or several seeds of it, with a report: what `p2pme swarm` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.networks.code import Given
from p2pfl_me.run.latest import RUNS, mark_latest
from p2pfl_me.swarm.sweep import sweep

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies


def new_run_folder(contract: Contract) -> Path:
    """runs/NAME-TIME, below the working directory."""
    return RUNS / f"{contract.name}-{datetime.now():%Y%m%d-%H%M%S}"


def sweep_and_report(
    contract: Contract,
    folder: Path,
    *,
    seeds: int = 1,
    data: Path | None = None,
    weights: Path | None = None,
    device: str = "auto",
    baselines: bool = False,
    record: bool = False,
    lies: Lies | None = None,
    report: bool = True,
    network: Given | None = None,
    trained: Sequence[str] = (),
    chosen: bool = False,
    rules: IdentityRules = ASK,
    console: Console | None = None,
    tell: Callable[[dict[str, Any]], object] | None = None,
) -> int:
    """Run one swarm or several seeds of it in `folder`, then write folder/report; the worst exit code.

    What a stopped swarm has left is reported all the same; `runs/latest` leads there (`run.latest`). `chosen` classes
    stay, whatever the labels of the clips.
    With `lies` some of the peers lie, and scores are those of the others. The numbers go to `tell`, as docs/json.md has
    them.
    """
    console = console or Console()
    code, runs = sweep(
        contract,
        folder,
        seeds=seeds,
        data=data,
        weights=weights,
        device=device,
        baselines=baselines,
        record=record,
        lies=lies,
        network=network,
        trained=trained,
        chosen=chosen,
        rules=rules,
        console=console,
    )
    if runs:
        mark_latest(folder)
    page = None
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
            tell({"exit_code": code, "report": page and str(page), **as_object(read)})
    console.say(f"report: {page}" if page else f"run folder: {folder}")
    return code
