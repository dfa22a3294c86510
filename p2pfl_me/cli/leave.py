"""`p2pme leave`: a member says that it leaves, and the others go on without it."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.shared import examples


@click.command(epilog=examples("p2pme leave --run lab-c/run --id 2 --key lab-c/lab.key --after 60"))
@click.option("--run", metavar="RUN", type=click.Path(path_type=Path), required=True, help="This lab's run folder.")
@click.option("--id", "peer", metavar="K", type=int, required=True, help="This lab's id.")
@click.option("--key", metavar="FILE", type=click.Path(path_type=Path), required=True, help="This lab's private key.")
@click.option(
    "--after", metavar="N", type=click.IntRange(1), required=True, help="It takes part in N rounds, and no more."
)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the view there, to be carried to another lab by hand, and tell nobody.",
)
@click.pass_context
def leave(context: click.Context, run: Path, peer: int, key: Path, after: int, out: Path | None) -> None:
    """Say that this lab leaves once N rounds are over; the others go on without it, and nobody has to approve.

    This lab's key is enough: the others' peers approve by themselves, from 20 rounds before, of a change that takes its
    own signer out and does nothing else. Its id stays its own. The graph is made of those who stay; where a list of
    edges would fall apart, this lab's neighbours are joined in a ring. With -o the view lies in a file: any lab that
    runs hands it on (`p2pme adopt`). A lab that has to go at once just stops, and the others go on without its models.
    """
    from p2pfl_me.cli.adopt import hand_over
    from p2pfl_me.cli.approve import approve
    from p2pfl_me.cli.propose import propose
    from p2pfl_me.files import read_regular
    from p2pfl_me.membership.leaving import is_same_change
    from p2pfl_me.peer.consent import read_view
    from p2pfl_me.run.folder import RunFolder

    path = out or RunFolder(run).leaving
    context.invoke(propose, run=run, after=after, leaving=(peer,), out=path)
    said = read_view(path)
    approved = RunFolder(run).approved(said.number)
    if out is None and approved.exists() and not is_same_change(read_regular(approved, own=True), said.statement):
        click.echo(
            f"another change comes first, of which this lab has approved; then its peer says that peer {peer} leaves"
        )
        click.echo(f"`p2pme status {run}` says how that stands")
        return
    context.invoke(approve, view=path, run=run, peer_id=peer, key=key)
    if out is None:
        hand_over(read_view(path), path, run)
