"""`p2pme approve`: one member's approval of a proposed change of contract."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.shared import examples


@click.command(epilog=examples("p2pme approve view.json six-labs.yaml --run lab-b/run --id 1 --key lab-b/lab.key"))
@click.argument("view", metavar="VIEW", type=click.Path(path_type=Path))
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path))
@click.option("--run", metavar="RUN", type=click.Path(path_type=Path), required=True, help="This lab's run folder.")
@click.option("--id", "peer_id", metavar="K", type=int, required=True, help="This lab's id in the contract of RUN.")
@click.option("--key", metavar="FILE", type=click.Path(path_type=Path), required=True, help="This lab's private key.")
def approve(view: Path, new: Path, run: Path, peer_id: int, key: Path) -> None:
    """Approve that the run in RUN goes on under the contract NEW, in the file VIEW, which goes on to the next lab.

    It says what changes. Read NEW before.
    """
    from p2pfl_me.contract import changes, load_contract
    from p2pfl_me.errors import ContractError
    from p2pfl_me.files import refusing, write_whole
    from p2pfl_me.membership.views import as_text, needed
    from p2pfl_me.peer.consent import keys_of, proposal, read_view
    from p2pfl_me.wire.identity import load_identity

    contract, given = load_contract(new), read_view(view)
    wanted, now = proposal(run, contract)
    if (given.number, given.before, given.after) != (wanted.number, wanted.before, wanted.after):
        raise ContractError("is not the view of this change", where=str(view), fix="compare NEW with who proposed it")
    identity, keys = load_identity(key), keys_of(now)
    if keys.get(peer_id) != identity.public:
        raise ContractError(
            f"this key is not that of member {peer_id} in {run}",
            where=str(key),
            fix="give your own with --key and --id",
        )
    made = given.approved(peer_id, identity.private, {*keys.values(), *keys_of(contract).values()})
    with refusing(ContractError, view, "copy it to where you may write"):
        write_whole(view, as_text(made), public=True)
    found = sorted(made.approvers(identity.private, keys))
    many = "" if now.peers.approve is None else f" of {needed(now.peers.approve, len(keys))} that it takes"
    click.echo(
        f"approved by {', '.join(map(str, found))}: {len(found)}{many}; changes {', '.join(changes(now, contract))}"
    )
