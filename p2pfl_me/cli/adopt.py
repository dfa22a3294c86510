"""`p2pme adopt`: an approved change for a running peer, which tells the others."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.shared import examples

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract
    from p2pfl_me.membership.views import View
    from p2pfl_me.run.folder import RunFolder

WAIT_S = 10.0


@click.command(epilog=examples("p2pme adopt view.json --run lab-a/run"))
@click.argument("view", metavar="VIEW", type=click.Path(path_type=Path))
@click.option("--run", metavar="RUN", type=click.Path(path_type=Path), required=True, help="A running peer's folder.")
def adopt(view: Path, run: Path) -> None:
    """Hand an approved change to the peer that runs in RUN; it tells the others, and all change in the named round.

    One lab of the federation does it once. Each peer counts the approvals for itself. Says what the peer made of it.
    """
    from p2pfl_me.peer.consent import read_view

    hand_over(read_view(view), view, run)


def hand_over(given: View, view: Path, run: Path) -> None:
    """Lay a view into the folder of a running peer, and say what the peer makes of it.

    Raises
    ------
    ContractError
        It is no change of that run, or the peer refuses it.
    SystemExit
        Nobody runs there now, or too few approve by now: it may come to something later.
    """
    from p2pfl_me.atomic import write_whole
    from p2pfl_me.errors import ContractError
    from p2pfl_me.files import refusing
    from p2pfl_me.membership.agreed import contract_in, proposed
    from p2pfl_me.membership.leaving import is_same_change
    from p2pfl_me.membership.views import as_text
    from p2pfl_me.peer.consent import standing_of
    from p2pfl_me.peer.view_store import FolderStore
    from p2pfl_me.run import events
    from p2pfl_me.run.folder import RunFolder
    from p2pfl_me.run.reading import read_log

    folder, standing = RunFolder(run), standing_of(run)
    require_log(folder)
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

    def refused() -> list[str]:
        said = (each.event for peer in folder.log.all() for each in read_log(folder, peer).events)
        return [each.reason for each in said if isinstance(each, events.Refused) and each.neighbour is None]

    before = len(refused())
    with refusing(ContractError, folder.offer, "name the folder of a run of yours"):
        write_whole(folder.offer, as_text(given), sync=True)
    until = time.monotonic() + WAIT_S
    while folder.offer.exists() and time.monotonic() < until:
        time.sleep(0.05)
    if folder.offer.exists():
        click.echo(f"no peer runs in {run} now; the next one that does will look at it")
        raise SystemExit(1)
    leaver, why = _leaver(standing.contract, contract), refused()[before:]
    while leaver is not None and not why and not folder.view(given.number).exists() and time.monotonic() < until:
        time.sleep(0.05)
    if not folder.view(given.number).exists():
        if leaver is not None and not why:
            click.echo(f"peer {leaver} has said that it leaves after {given.round} rounds, and too few approve by now:")
            click.echo(
                "the others' peers do by themselves, once they hear of it and are 20 rounds before that one at most"
            )
            raise SystemExit(1)
        raise ContractError(
            f"the peer has refused it: {why[-1] if why else 'its log says why'}",
            where=str(view),
            fix="see its log",
        )
    kept = FolderStore(run).kept(given.number)
    if kept is None or not is_same_change(kept.statement, given.statement):
        if leaver is None:
            raise ContractError(
                f"another change was agreed to as the {given.number}. of this run",
                where=str(folder.view(given.number)),
                fix="propose this one anew if it is still wanted",
            )
        click.echo(f"another change is agreed to as the {given.number}.; after that the peer says anew that it leaves")
        click.echo(f"`p2pme status {run}` says how that stands")
        return
    click.echo(f"change {kept.number} is agreed: after {kept.round} rounds all go on under it")


def require_log(folder: RunFolder) -> None:
    """See that a peer has run there: a lab's own folder, beside its run's, has a contract too.

    Raises
    ------
    ContractError
        None has.
    """
    from p2pfl_me.errors import ContractError

    if not folder.log.all():
        raise ContractError("no peer has run there", where=str(folder.path), fix="name the folder of its --out")


def _leaver(now: Contract, new: Contract) -> int | None:
    """Who leaves by a change by which nobody else does; None where it is another."""
    gone = set(now.peers.present) - set(new.peers.present)
    return gone.pop() if len(gone) == 1 else None
