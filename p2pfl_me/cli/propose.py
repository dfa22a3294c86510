"""`p2pme propose`: a view of a change of contract, for the members to approve."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.apart import require_apart
from p2pfl_me.cli.numbers import Whole, wholes
from p2pfl_me.cli.shared import examples, overriding
from p2pfl_me.digits import whole


def _ids(_: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...]:
    return wholes(text, 0)


@click.command(
    epilog=examples(
        "p2pme propose six-labs.yaml --run lab-a/run -o view.json",
        "p2pme propose --run lab-a/run --after 60 --address 2=tcp://new.lab-c.example:27100 -o view.json",
        "p2pme propose --run lab-a/run --after 60 --join tcp://lab-f.example:27100=KEY -o view.json",
    )
)
@click.argument("new", metavar="[NEW]", type=click.Path(path_type=Path), required=False)
@click.option("--run", metavar="RUN", type=click.Path(path_type=Path), required=True, help="A folder of the run.")
@click.option("--after", metavar="N", type=Whole(1), help="It holds once N rounds are over, in the running peers.")
@click.option("--address", "addresses", metavar="K=ADDRESS", multiple=True, help="Peer K is called there from then on.")
@click.option("--key", "keys", metavar="K=KEY", multiple=True, help="Peer K has this public key from then on.")
@click.option(
    "--join",
    "joining",
    metavar="ADDRESS=KEY",
    multiple=True,
    help="A new member, with the next id; dial-only=KEY if nobody can call it.",
)
@click.option("--meets", metavar="K,...", callback=_ids, help="Its neighbours, where the contract lists edges.")
@click.option("--leave", "leaving", metavar="K", type=Whole(0), multiple=True, help="Peer K takes part no more.")
@overriding("As gossip.deadline.min_s=30.", "It goes on to round N.")
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The view.")
def propose(
    new: Path | None,
    run: Path,
    after: int | None,
    addresses: tuple[str, ...],
    keys: tuple[str, ...],
    joining: tuple[str, ...],
    meets: tuple[int, ...],
    leaving: tuple[int, ...],
    overrides: tuple[str, ...],
    out: Path,
) -> None:
    """Propose that a run goes on under another contract, and write a view for the members to approve.

    The contract is NEW, or the run's own with what the options change. With `peers.approve: 0.5` in its contract, a run
    goes on under a changed one only once half of the members have approved (`p2pme approve`); with --after, which needs
    more than half, the running peers change by themselves in that round (`p2pme adopt`).
    """
    from p2pfl_me.atomic import write_whole
    from p2pfl_me.contract import changes, load_contract
    from p2pfl_me.errors import ContractError
    from p2pfl_me.files import refusing
    from p2pfl_me.membership.agreed import approvals_due, keys_of
    from p2pfl_me.membership.edits import with_changed, with_member, with_set, without
    from p2pfl_me.membership.views import as_text
    from p2pfl_me.peer.consent import proposal, standing_of

    require_apart(out, new, run / "contract.yaml")
    contract = load_contract(new) if new else standing_of(run).contract
    for peer in leaving:
        contract = without(contract, peer)
    for option, key, given in (("--address", "address", addresses), ("--key", "public_key", keys)):
        for each in given:
            number, value = _pair(each, option, "K=VALUE")
            if (numbered := whole(number)) is None:
                raise ContractError(f"`{number}` is no id", where=option, fix="write K=VALUE, as 2=...")
            contract = with_changed(contract, numbered, {key: value})
    for each in joining:
        contract = with_member(contract, *_pair(each, "--join", "ADDRESS=KEY"), meets)
    if overrides:
        contract = with_set(contract, overrides)
    view, now = proposal(run, contract, after or 0)
    due = approvals_due(now, running=bool(after))
    with refusing(ContractError, out, "name another file with --out"):
        write_whole(out, as_text(view), public=True)
    click.echo(f"change {view.number} of this run: {', '.join(changes(now, contract))}")
    if due:
        click.echo(f"{due} of {len(keys_of(now))} members must approve, each with")
    click.echo(f"{out}: to be approved with `p2pme approve {out} --run RUN --id K --key FILE`")


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    from p2pfl_me.errors import ContractError

    before, equals, after = text.partition("=")
    if not equals or not before or not after:
        raise ContractError(f"cannot read `{text}`", where=option, fix=f"write {form}")
    return before, after
