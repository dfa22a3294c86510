"""`p2pme propose`: a view of a change of contract, for the members to approve."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.shared import examples


@click.command(epilog=examples("p2pme propose six-labs.yaml --run lab-a/run -o view.json"))
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path))
@click.option("--run", metavar="RUN", type=click.Path(path_type=Path), required=True, help="A folder of the run.")
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The view.")
def propose(new: Path, run: Path, out: Path) -> None:
    """Propose that a run goes on under the contract NEW, and write a view for the members to approve.

    With `peers.approve: 0.5` in its contract, a run goes on under a changed one only once half of the members have
    approved (`p2pme approve`). The view is small and secret to nobody; it travels by hand, with NEW.
    """
    from p2pfl_me.contract import changes, load_contract
    from p2pfl_me.errors import ContractError
    from p2pfl_me.files import refusing, write_whole
    from p2pfl_me.membership.views import as_text
    from p2pfl_me.peer.consent import proposal

    contract = load_contract(new)
    view, now = proposal(run, contract)
    with refusing(ContractError, out, "name another file with --out"):
        write_whole(out, as_text(view), public=True)
    click.echo(f"change {view.number} of this run: {', '.join(changes(now, contract))}")
    click.echo(f"{out}: to be approved with `p2pme approve {out} {new} --run RUN --id K --key FILE`")
