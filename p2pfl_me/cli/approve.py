"""`p2pme approve`: one member's approval of a proposed change of contract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import examples

if TYPE_CHECKING:
    from p2pfl_me.membership.views import View
    from p2pfl_me.peer.court import KeyCourt
    from p2pfl_me.peer.view_store import FolderStore


@click.command(epilog=examples("p2pme approve view.json --run lab-b/run --id 1 --key lab-b/lab.key"))
@click.argument("view", metavar="VIEW", type=click.Path(path_type=Path))
@click.argument("new", metavar="[NEW]", type=click.Path(path_type=Path), required=False)
@click.option("--run", metavar="RUN", type=click.Path(path_type=Path), required=True, help="This lab's run folder.")
@click.option(
    "--id", "peer_id", metavar="K", type=Whole(0), required=True, help="This lab's id in the contract of RUN."
)
@click.option("--key", metavar="FILE", type=click.Path(path_type=Path), required=True, help="This lab's private key.")
@click.option("--instead", is_flag=True, help="Approve of this one although another was approved under its number.")
def approve(view: Path, new: Path | None, run: Path, peer_id: int, key: Path, instead: bool) -> None:
    """Approve of the change in the file VIEW for the run in RUN; VIEW goes on to the next lab.

    It says what changes. The contract is in VIEW; with NEW it is compared with that file. A lab approves of one change
    under each number: whoever approves of two could bring about that some go on under the one and some under the other.
    """
    from p2pfl_me.atomic import write_whole
    from p2pfl_me.contract import changes, load_contract
    from p2pfl_me.errors import ContractError
    from p2pfl_me.files import refusing
    from p2pfl_me.membership.agreed import approvals_due, contract_in
    from p2pfl_me.membership.leaving import is_same_change
    from p2pfl_me.membership.views import as_text
    from p2pfl_me.peer.consent import proposal, read_view, standing_of
    from p2pfl_me.peer.view_store import FolderStore
    from p2pfl_me.run.folder import RunFolder

    given = read_view(view)
    contract = load_contract(new) if new else contract_in(given, str(view))
    wanted, now = proposal(run, contract, given.round)
    if given.statement != wanted.statement:
        raise ContractError("is not the view of this change", where=str(view), fix="compare NEW with who proposed it")
    court = court_by_key(run, peer_id, key)
    store = FolderStore(run)
    before = store.approval(given.number)
    if before is not None and not is_same_change(before, given.statement) and not instead:
        raise ContractError(
            f"another change was approved here as the {given.number}. of this run",
            where=str(RunFolder(run).approved(given.number)),
            fix="if that has come to nothing at every lab, say --instead",
        )
    standing = standing_of(run)
    made = court.approved(standing, given)
    require_written(store, given, before, run)
    with refusing(ContractError, view, "copy it to where you may write"):
        write_whole(view, as_text(made), public=True)
    found = sorted(court.approvers(standing, made))
    due = approvals_due(now, running=bool(given.round))
    many = f" of {due} that it takes" if due else ""
    click.echo(
        f"approved by {', '.join(map(str, found))}: {len(found)}{many}; changes {', '.join(changes(now, contract))}"
    )
    if given.round and len(found) >= due:
        click.echo(f"once any lab says `p2pme adopt {view} --run RUN`, all go on under it after {given.round} rounds")


WAITS_S = 10.0
"""How long a command waits for another process that decides of what this lab approves."""


def require_written(store: FolderStore, view: View, before: bytes | None, run: Path) -> None:
    """Write down that this lab approves of a view, where its operator saw what it had approved `before`.

    Raises
    ------
    ContractError
        Another process has approved of something in that moment, or is about to.
    """
    from p2pfl_me.errors import ContractError
    from p2pfl_me.run.folder import RunFolder

    if not store.approve(view, before, wait_s=WAITS_S):
        raise ContractError(
            f"another process decides at this moment what this lab approves as the {view.number}. of this run",
            where=str(RunFolder(run).approved(view.number)),
            fix="give the same command again",
        )


def court_by_key(run: Path, peer: int, key: Path) -> KeyCourt:
    """What member `peer` of the run thinks of views, and its approval, by its private key.

    Raises
    ------
    ContractError
        The key is another's.
    """
    from p2pfl_me.errors import ContractError
    from p2pfl_me.home import home
    from p2pfl_me.membership.agreed import keys_of
    from p2pfl_me.peer.consent import standing_of
    from p2pfl_me.peer.court import KeyCourt
    from p2pfl_me.peer.trust import Trust
    from p2pfl_me.wire.identity import earlier_identities, load_identity

    trust, mine = Trust(home()), (load_identity(key), *earlier_identities(key))
    stated = keys_of(standing_of(run).contract).get(peer)
    if stated is None or mine[0].public not in trust.good(stated):
        raise ContractError(
            f"this key is not that of member {peer} in {run}",
            where=str(key),
            fix="give your own with --key and --id",
        )
    by_name = next((each.private for each in mine if each.public == stated), None)
    return KeyCourt(peer, tuple(each.private for each in mine), by_name, trust)
