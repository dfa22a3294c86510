"""One swarm, or the same swarm under several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.data.classes import read_with_classes
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.exits import Exit
from p2pfl_me.home import home
from p2pfl_me.networks.code import Given
from p2pfl_me.options import RunOptions
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.swarm.launcher import launch

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies


def sweep(
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
    network: Given | None = None,
    trained: Sequence[str] = (),
    chosen: bool = False,
    rules: IdentityRules = ASK,
    console: Console,
) -> tuple[int, list[Path]]:
    """Run `seeds` swarms, seeds contract.seed, contract.seed + 1, ...: the worst exit code, and the runs to report on.

    One seed runs in `folder` itself, several in folder/seed-S each. A stopped swarm ends the sweep. `chosen` classes
    stay, as in `with_classes_of`. `network` and `trained` are the user's own, as in `learning.own.with_network`.
    """
    contract, read = read_with_classes(contract, data, console.say, chosen=chosen, rules=rules)
    if network is not None:  # after the classes, of which it needs the number
        from p2pfl_me.learning.own import with_network

        contract = with_network(contract, network, trained=trained)
    contract.model.backbone.require()
    code, runs = 0, []
    for seed in range(contract.seed, contract.seed + seeds):
        run = folder / f"seed-{seed}" if seeds > 1 else folder
        if seeds > 1:
            console.say(f"seed {seed}")
        options = RunOptions(
            home=home(),
            run=run,
            data=data,
            weights=weights,
            device=device,
            baselines=baselines,
            record=record,
            rules=rules,
            read=read,
            lies=lies,
        )
        exit_code = launch(contract.model_copy(update={"seed": seed}), options, console)
        runs.append(run)
        code = max(code, exit_code)
        if exit_code == Exit.STOPPED:
            break
    return code, [run for run in runs if RunFolder(run).log.all()]
