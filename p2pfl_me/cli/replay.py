"""`p2pme replay`: a recorded peer's life again, on a desk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.json_output import say_object, short_json_option
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import examples

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Replays


@click.command(
    epilog=examples(
        "p2pme swarm ring --rounds 5 --record",
        "p2pme replay runs/latest",
        "p2pme replay runs/latest --peer 3 --json",
    )
)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--peer", "peers", metavar="K", type=Whole(0), multiple=True, help="Only this peer (may stand several times)."
)
@short_json_option
def replay(run: Path, peers: tuple[int, ...], as_json: bool) -> None:
    """Feed a core what the peers of the run folder RUN were fed, and see that it answers as they did.

    RUN must have been recorded (`p2pme swarm --record`, `p2pme peer --record`). Neither data nor network is needed: the
    record holds messages, timers, training results and links, kills and returns included. The first answer that
    differs is named; then the exit code is 1.
    """
    from p2pfl_me import __version__
    from p2pfl_me.peer.replay import Replayed, recorded_peers, replay

    differs, told = False, list[Replayed]()
    for peer in peers or recorded_peers(run):
        found = replay(run, peer)
        if as_json:
            differs = differs or found.difference is not None
            told.append(found)
            continue
        if found.version != __version__:
            click.echo(f"peer {peer}: recorded by p2pme {found.version}, replayed by {__version__}", err=True)
        counts = f"{found.lives} {'life' if found.lives == 1 else 'lives'}, {found.inputs} inputs"
        if found.difference:
            differs = True
            click.echo(f"peer {peer}: {counts}, then it differs\n  {found.difference}")
        else:
            last = max(found.rounds, default=None)
            ending = "before its first round ended" if last is None else f"round {last + 1}: {found.rounds[last]}"
            click.echo(f"peer {peer}: {counts}, {found.answers} answers, equal to the last bit; {ending}")
    if as_json:
        replays: Replays = {"exit_code": int(differs), "peers": told}
        say_object(replays)
    raise SystemExit(int(differs))
