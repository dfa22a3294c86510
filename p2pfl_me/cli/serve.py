"""`p2pme serve`: a peer that is done hands out its final model to neighbours that come back."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.numbers import Number, Whole
from p2pfl_me.cli.shared import examples


@click.command(epilog=examples("p2pme serve lab-a/run --key lab-a/lab.key --for 86400"))
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--id", "peer_id", metavar="K", type=Whole(0), help="Which peer of the folder, if there are several.")
@click.option("--key", metavar="FILE", type=click.Path(path_type=Path), help="This peer's private key.")
@click.option("--for", "seconds", metavar="S", type=Number(1), help="How long (default: gossip.hand_out).")
@click.option("--listen", metavar="HOST:PORT", help="As for `p2pme peer`.")
def serve(run: Path, peer_id: int | None, key: Path | None, seconds: float | None, listen: str | None) -> None:
    """Hand out the final model in RUN to neighbours of the contract that come back late.

    A peer that finds everybody done asks for their final model instead of training on alone. Those that end stay for
    `gossip.hand_out` seconds; this does the same later, over the same encrypted links, without data or training. It
    ends as soon as all neighbours are done.
    """
    import sys

    from p2pfl_me.contract import load_contract
    from p2pfl_me.errors import RunError
    from p2pfl_me.home import home
    from p2pfl_me.machine import allow_many_files
    from p2pfl_me.peer.serving import serve as hand_out
    from p2pfl_me.peer.settings import PeerSettings
    from p2pfl_me.run.folder import RunFolder

    folder = RunFolder(run)
    if not folder.is_run():
        raise RunError("not a run folder: it holds no contract.yaml", where=str(run), fix="name the DIR of --out")
    there = list(folder.checkpoint.all())
    if peer_id is None and len(there) != 1:
        found = ", ".join(map(str, there)) or "none"
        raise RunError(f"which peer? Models are here of: {found}", where=str(run), fix="name one with --id")
    allow_many_files()
    peer = there[0] if peer_id is None else peer_id
    settings = PeerSettings(peer, load_contract(folder.contract), run, home(), key=key, listen=listen)
    sys.exit(hand_out(settings, seconds))
