"""`p2pme ticket`: what a newcomer needs to join a run on its way."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.apart import require_apart
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import examples


@click.command(epilog=examples("p2pme ticket view.json --run lab-a/run --id 0 --for 5 -o lab-f.ticket"))
@click.argument("view", metavar="VIEW", type=click.Path(path_type=Path))
@click.option("--run", metavar="RUN", type=click.Path(path_type=Path), required=True, help="This lab's run folder.")
@click.option("--id", "by", metavar="K", type=Whole(0), required=True, help="This lab's id.")
@click.option("--for", "peer", metavar="K", type=Whole(0), required=True, help="The id of the newcomer.")
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The ticket.")
def ticket(view: Path, run: Path, by: int, peer: int, out: Path) -> None:
    """Write a ticket for the new member that the approved change in VIEW lets in.

    It holds contract, addresses, keys and approvals, and nothing secret.
    """
    from p2pfl_me.atomic import write_whole
    from p2pfl_me.errors import ContractError
    from p2pfl_me.federation.words import as_words
    from p2pfl_me.files import refusing
    from p2pfl_me.membership.agreed import keys_of
    from p2pfl_me.peer.consent import read_view, standing_of
    from p2pfl_me.peer.joining import ticket_for
    from p2pfl_me.wire.identity import fingerprint

    require_apart(out, view, run / "contract.yaml")
    made = ticket_for(standing_of(run), read_view(view), peer, by)
    with refusing(ContractError, out, "name another file with --out"):
        write_whole(out, str(made), public=True)
    click.echo(f"{out}: with it, peer {peer} joins by `p2pme join {out} --key ITS.key --data ITS.clips --out ITS.run`")
    click.echo(f"this lab's key, to compare by phone: {as_words(fingerprint(keys_of(made.before)[by]))}")
