"""`p2pme swarm`: all peers of a contract on this machine, to a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import data_option, examples, out_option, overriding, own_network, require_network

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies
    from p2pfl_me.data.identity_rules import IdentityRules


@click.command(
    epilog=examples(
        "p2pme swarm ring",
        "p2pme swarm small --data FOLDER --baselines --seeds 3",
        "p2pme swarm torus --rounds 20 --attack sign_flip --liars 2",
    )
)
@click.argument("topology", metavar="TOPOLOGY", type=click.Path(path_type=Path))
@data_option("Your clips: a manifest or its folder.")
@overriding("Override the contract: training.local_epochs=2.")
@out_option("Run folder (default: runs/NAME-TIME; runs/latest leads to the newest).")
@click.option("--baselines", is_flag=True, help="Also train isolated, pooled and with star FedAvg.")
@click.option("--seeds", metavar="N", type=Whole(1), default=1, help="Repeat with N seeds, one joint report.")
@click.option("--weights", metavar="FILE", type=click.Path(path_type=Path), help="The backbone file of the contract.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--record", is_flag=True, help="Keep what the peers are fed, for `p2pme replay` (a model a peer and round)."
)
@click.option("--attack", metavar="NAME", help="Some peers lie: sign_flip, noise, alie, ... (docs/robust.md).")
@click.option("--liars", metavar="N", type=Whole(1), help="How many of them (default: 1, with --attack).")
@own_network
@json_option
@click.option("--no-report", is_flag=True, help="Leave the report out; `p2pme report RUN` writes it later.")
@identity_options
def swarm(
    topology: Path,
    data: Path | None,
    overrides: tuple[str, ...],
    out: Path | None,
    baselines: bool,
    seeds: int,
    weights: Path | None,
    device: str,
    record: bool,
    attack: str | None,
    liars: int | None,
    network: str | None,
    trained: tuple[str, ...],
    as_json: bool,
    no_report: bool,
    rules: IdentityRules,
) -> None:
    """Run every peer of the contract TOPOLOGY as a real process on this machine.

    Real keys, real encryption, loopback sockets: what `p2pme peer` does on each laboratory's machine. Without
    --data the peers learn from built-in drawn faces. Ctrl-C stops all peers; the run folder stays readable.

    With --attack some of the peers lie, to see how the others stand it; scores are those of the others.
    """
    from p2pfl_me.swarm.ahead import begin_ahead

    begin_ahead()
    from p2pfl_me.api.ready import make_ready
    from p2pfl_me.api.swarms import new_run_folder, run_seeds, sum_up
    from p2pfl_me.console.lines import Console
    from p2pfl_me.contract.ready import read_contract
    from p2pfl_me.data.classes import names_classes
    from p2pfl_me.home import home
    from p2pfl_me.options import RunOptions

    require_network(network, trained)
    chosen = names_classes(overrides)
    contract = read_contract(topology, overrides, another_network=network is not None)
    lies = _lies_of(attack, liars)
    with set_aside(as_json) as tell:
        console = Console()
        ready = make_ready(
            contract, data, rules=rules, network=network, trained=trained, chosen=chosen, say=console.say
        )
        options = RunOptions(
            home=home(),
            run=out or new_run_folder(contract),
            data=data,
            weights=weights,
            device=device,
            baselines=baselines,
            record=record,
            rules=rules,
            read=ready.read,
            lies=lies,
        )
        code, runs = run_seeds(ready.contract, options, console, seeds=seeds)
        sum_up(runs, options.run, code, console, report=not no_report, tell=tell)
    raise SystemExit(code)


def _lies_of(attack: str | None, liars: int | None) -> Lies | None:
    """What `--attack` and `--liars` say together; None where nobody lies.

    Raises
    ------
    click.UsageError
        `--liars` without an attack.
    ContractError
        No such attack.
    """
    if attack is None:
        if liars is not None:
            raise click.UsageError("--liars needs --attack NAME: what do they do?")
        return None
    from p2pfl_me.adversary import parse_lies

    return parse_lies(attack, liars or 1)
