"""`p2pme leave`: a member says that it leaves, and the others go on without it."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.apart import require_apart
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import examples


@click.command(epilog=examples("p2pme leave --run lab-c/run --id 2 --key lab-c/lab.key --after 60"))
@click.option("--run", metavar="RUN", type=click.Path(path_type=Path), required=True, help="This lab's run folder.")
@click.option("--id", "peer", metavar="K", type=Whole(0), required=True, help="This lab's id.")
@click.option("--key", metavar="FILE", type=click.Path(path_type=Path), required=True, help="This lab's private key.")
@click.option("--after", metavar="N", type=Whole(1), required=True, help="It takes part in N rounds, and no more.")
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
    from p2pfl_me.atomic import write_whole
    from p2pfl_me.cli.adopt import hand_over, require_log
    from p2pfl_me.cli.approve import court_by_key, require_written
    from p2pfl_me.errors import ContractError
    from p2pfl_me.files import refusing
    from p2pfl_me.membership.agreed import approvals_due
    from p2pfl_me.membership.edits import without
    from p2pfl_me.membership.leaving import is_same_change
    from p2pfl_me.membership.views import as_text
    from p2pfl_me.peer.consent import proposal, standing_of
    from p2pfl_me.peer.view_store import FolderStore
    from p2pfl_me.run.events import Round
    from p2pfl_me.run.folder import RunFolder
    from p2pfl_me.run.reading import read_log

    require_apart(out, key, run / "contract.yaml")
    folder, standing, court = RunFolder(run), standing_of(run), court_by_key(run, peer, key)
    if out is None:
        require_log(folder)
        said_rounds = (each.event for each in read_log(folder, peer).events if isinstance(each.event, Round))
        done = max((each.round + 1 for each in said_rounds), default=0)
        if after <= done:
            raise ContractError(f"{done} rounds are behind this peer", where="--after", fix="name a later one")
    due = approvals_due(standing.contract, running=True)
    said, _ = proposal(run, without(standing.contract, peer), after)
    path, store = out or folder.leaving, FolderStore(run)
    before = store.approval(said.number)
    waits = before is not None and not is_same_change(before, said.statement)
    if waits and out:
        raise ContractError(
            f"another change was approved here as the {said.number}. of this run",
            where=str(folder.approved(said.number)),
            fix="leave out -o: the running peer says it once that one has come to be",
        )
    if not waits:
        require_written(store, said, before, run)
        said = court.approved(standing, said)
    with refusing(ContractError, path, "name another file with --out" if out else "free some space, then try again"):
        write_whole(path, as_text(said), public=out is not None, sync=True)
    if waits:
        click.echo("another change comes first, of which this lab has approved; then its peer says that it leaves")
        click.echo(f"`p2pme status {run}` says how that stands")
    elif out:
        click.echo(f"{out}: any lab that runs hands it on (`p2pme adopt {out} --run RUN`); {due} approve by themselves")
    else:
        hand_over(said, path, run)
