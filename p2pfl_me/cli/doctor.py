"""`p2pme doctor`: what would keep a peer from its run, before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.json_output import say_object, short_json_option
from p2pfl_me.cli.numbers import Number
from p2pfl_me.cli.one_peer import peer_options
from p2pfl_me.cli.shared import examples, own_network, require_network

if TYPE_CHECKING:
    from p2pfl_me.data.identity_rules import IdentityRules


@click.command(
    epilog=examples(
        "p2pme doctor --id 0 --topology lab-a/contract.yaml --key lab-a/lab.key --data /films",
        "p2pme doctor --id 3 --topology ring --wait 1 --json",
    )
)
@peer_options
@own_network
@click.option(
    "--wait",
    "patience",
    metavar="S",
    type=Number(0.1, 3600),
    default=10.0,
    show_default=True,
    help="How long neighbours have to answer.",
)
@click.option(
    "--mbit",
    metavar="R",
    type=Number(0.001, 1e6),
    help="Reckon with so many Mbit/s where no line can be measured.",
)
@short_json_option
def doctor(
    peer_id: int,
    topology: Path,
    data: Path | None,
    test: Path | None,
    key: Path | None,
    weights: Path | None,
    out: Path | None,
    device: str,
    listen: str | None,
    record: bool,
    patience: float,
    mbit: float | None,
    as_json: bool,
    overrides: tuple[str, ...],
    rules: IdentityRules,
    network: str | None,
    trained: tuple[str, ...],
) -> None:
    """Look for what would keep this peer from its run, and say what to do.

    Give it the options of `p2pme peer`. It reads contract, key and clips, takes the port for a moment, calls the
    neighbours and measures the lines to those that answer (`p2pme doctor` or `p2pme peer` there), and weighs them
    against the model's size and the deadline. It trains and sends nothing. Exit code 0: nothing stands in the way; 1:
    something does; 4: something could not be tried now.
    """
    import sys

    from p2pfl_me.contract.ready import read_contract
    from p2pfl_me.doctor.examine import examine
    from p2pfl_me.doctor.finding import exit_of
    from p2pfl_me.doctor.say import as_lines, as_object
    from p2pfl_me.home import home
    from p2pfl_me.peer.settings import PeerSettings

    require_network(network, trained)
    contract = read_contract(topology, overrides, another_network=network is not None)
    if network:
        from p2pfl_me.learning.own import with_network

        contract = with_network(contract, network, trained=trained)
    settings = PeerSettings(
        peer=peer_id,
        contract=contract,
        run=out or Path("runs") / contract.name,
        home=home(),
        data=data,
        test=test,
        key=key,
        weights=weights,
        device=device,
        listen=listen,
        record=record,
        rules=rules,
    )
    findings = examine(settings, patience, mbit * 1e6 if mbit else None)
    if as_json:
        say_object(as_object(findings))
    else:
        for line in as_lines(findings):
            click.echo(line)
    sys.stdout.flush()
    sys.exit(exit_of(findings))
