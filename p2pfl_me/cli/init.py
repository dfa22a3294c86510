"""`p2pme init`: a laboratory's folder with its key and card, and what to type next."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import overriding

EXAMPLES = """\b
Two labs on one machine, to try it out:
  p2pme init lab-a --labs 2 --id 0
  p2pme init lab-b --labs 2 --id 1
  p2pme members add lab-a lab-b/cards/lab-1.card
  p2pme members add lab-b lab-a/cards/lab-0.card
  p2pme peer --id 0 --topology lab-a/contract.yaml --key lab-a/lab.key --out lab-a/run &
  p2pme peer --id 1 --topology lab-b/contract.yaml --key lab-b/lab.key --out lab-b/run
"""


@click.command(epilog=EXAMPLES)
@click.argument("folder", metavar="[FOLDER]", type=click.Path(path_type=Path), default=Path("lab"))
@click.option("--labs", metavar="N", type=Whole(min=2), default=3, show_default=True, help="How many there are.")
@click.option("--id", "lab", metavar="K", type=Whole(min=0), default=0, show_default=True, help="Which is yours.")
@click.option("--address", metavar="tcp://HOST:PORT", help="Where the others reach it (default: this machine alone).")
@click.option("--dial-only", is_flag=True, help="Nobody can call it (a firewall): it calls all its neighbours.")
@click.option("--kind", metavar="KIND", default="ring", show_default=True, help="Kind of graph: `p2pme topology list`.")
@click.option("--name", default="federation", show_default=True, help="Name of the contract.")
@overriding("Set the contract: training.local_epochs=2.", "Of training.")
def init(
    folder: Path,
    labs: int,
    lab: int,
    address: str | None,
    dial_only: bool,
    kind: str,
    name: str,
    overrides: tuple[str, ...],
) -> None:
    """Make a laboratory's FOLDER: a private key, a card for the other labs, and, once all cards are in, the contract.

    All labs type the same --labs, --kind, --name, --rounds and --set, and each its own --id and --address; or
    --dial-only where no other lab can call it: its card says so, and no two such labs are neighbours in the contract,
    where that can be. No YAML is typed.
    """
    from p2pfl_me.cli.members import say_next
    from p2pfl_me.federation.folder import Draft, found

    if dial_only and address:
        raise click.UsageError("--address says where the others call this lab, and --dial-only that they cannot")
    made = found(folder, Draft(kind, labs, name, overrides), lab, address or "", dial_only=dial_only)
    click.echo(f"private key   {made.key} (keep it here, and secret)")
    click.echo(f"card          {made.card_path(lab)} (send it to the other labs)")
    if address is None and not dial_only:
        click.echo("address       this machine alone, to try it out; --address tcp://HOST:PORT lets other machines in")
    say_next(made)
