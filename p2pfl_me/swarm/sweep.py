"""One swarm, or the same swarm under several seeds, and the report on all of it."""

from __future__ import annotations

from pathlib import Path

from p2pfl_me.contract import Contract
from p2pfl_me.home import home
from p2pfl_me.swarm.console import Console
from p2pfl_me.swarm.launcher import STOPPED, SwarmOptions, launch


def sweep(
    contract: Contract,
    folder: Path,
    *,
    seeds: int = 1,
    data: Path | None = None,
    weights: Path | None = None,
    device: str = "auto",
    baselines: bool = False,
    report: bool = True,
    console: Console | None = None,
) -> int:
    """Run `seeds` swarms, seeds contract.seed, contract.seed + 1, ..., and write the report; the worst exit code.

    One seed runs in `folder` itself, several in folder/seed-S each. A stopped swarm ends the sweep; what there is is
    reported all the same.
    """
    console = console or Console()
    code, runs = 0, []
    for seed in range(contract.seed, contract.seed + seeds):
        run = folder / f"seed-{seed}" if seeds > 1 else folder
        if seeds > 1:
            console.say(f"seed {seed}")
        options = SwarmOptions(home=home(), run=run, data=data, weights=weights, device=device, baselines=baselines)
        exit_code = launch(contract.model_copy(update={"seed": seed}), options, console)
        runs.append(run)
        code = max(code, exit_code)
        if exit_code == STOPPED:
            break
    if report and any(list(run.glob("peer-*.jsonl")) for run in runs):
        from p2pfl_me.report import write_report

        console.say("writing the report")
        page = write_report([run for run in runs if list(run.glob("peer-*.jsonl"))], folder / "report")
        console.say(f"report: {page}")
    else:
        console.say(f"run folder: {folder}")
    return code
