"""`p2pme adopt`: an approved change for a running peer, which tells the others."""

from __future__ import annotations

import time
from pathlib import Path

import click

from p2pfl_me.cli.shared import examples

WAIT_S = 10.0


@click.command(epilog=examples("p2pme adopt view.json --run lab-a/run"))
@click.argument("view", metavar="VIEW", type=click.Path(path_type=Path))
@click.option("--run", metavar="RUN", type=click.Path(path_type=Path), required=True, help="A running peer's folder.")
def adopt(view: Path, run: Path) -> None:
    """Hand an approved change to the peer that runs in RUN; it tells the others, and all change in the named round.

    One lab of the federation does it once. Each peer counts the approvals for itself. Says what the peer made of it.
    """
    from p2pfl_me.errors import ContractError
    from p2pfl_me.files import refusing, write_whole
    from p2pfl_me.membership.agreed import contract_in, proposed
    from p2pfl_me.membership.views import as_text
    from p2pfl_me.peer.consent import read_view, standing_of
    from p2pfl_me.run import events
    from p2pfl_me.run.folder import RunFolder
    from p2pfl_me.run.reading import read_log

    folder, given, standing = RunFolder(run), read_view(view), standing_of(run)
    contract = contract_in(given, str(view))
    if given.number <= standing.number:
        raise ContractError(
            f"is change {given.number}, and {standing.number} are behind this run",
            where=str(view),
            fix="propose it anew if it is still wanted",
        )
    if not given.round:
        raise ContractError(
            "names no round: it is for peers that start with it", where=str(view), fix="propose it with --after"
        )
    if proposed(standing, contract, given.round).statement != given.statement:
        raise ContractError("is the change of another run", where=str(view), fix="name the folder of its run")
    with refusing(ContractError, folder.offer, "name the folder of a run of yours"):
        write_whole(folder.offer, as_text(given), sync=True)
    until = time.monotonic() + WAIT_S
    while folder.offer.exists() and time.monotonic() < until:
        time.sleep(0.05)
    if folder.offer.exists():
        click.echo(f"no peer runs in {run} now; the next one that does will look at it")
        raise SystemExit(1)
    if not folder.view(given.number).exists():
        peers = folder.log.all()
        said = [each.event for peer in peers for each in read_log(folder, peer).events]
        refused = [each.reason for each in said if isinstance(each, events.Refused)]
        raise ContractError(
            f"the peer has refused it: {refused[-1] if refused else 'its log says why'}",
            where=str(view),
            fix="see its log",
        )
    click.echo(f"change {given.number} is agreed: after {given.round} rounds all go on under it")
