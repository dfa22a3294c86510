"""`p2pme leave`: a member proposes that the others go on without it."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.shared import examples


@click.command(epilog=examples("p2pme leave --run lab-c/run --id 2 --key lab-c/lab.key --after 60 -o leave.json"))
@click.option("--run", metavar="RUN", type=click.Path(path_type=Path), required=True, help="This lab's run folder.")
@click.option("--id", "peer", metavar="K", type=int, required=True, help="This lab's id.")
@click.option("--key", metavar="FILE", type=click.Path(path_type=Path), required=True, help="This lab's private key.")
@click.option(
    "--after", metavar="N", type=click.IntRange(1), required=True, help="It takes part in N rounds, and no more."
)
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The view.")
@click.pass_context
def leave(context: click.Context, run: Path, peer: int, key: Path, after: int, out: Path) -> None:
    """Propose that the run goes on without this lab once N rounds are over, and approve of it.

    Its id stays its own. The graph is made of those who stay; where a list of edges would fall apart, this lab's
    neighbours are joined in a ring. The others approve (`p2pme approve`), and any lab adopts (`p2pme adopt`): until
    then nothing has changed. A lab that has to go at once just stops, and the others go on without its models.
    """
    from p2pfl_me.cli.approve import approve
    from p2pfl_me.cli.propose import propose

    context.invoke(propose, run=run, after=after, leaving=(peer,), out=out)
    context.invoke(approve, view=out, run=run, peer_id=peer, key=key)
