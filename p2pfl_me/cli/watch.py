"""`p2pme watch`: a run in the browser, while it goes on or afterwards."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import examples


@click.command(epilog=examples("p2pme watch runs/latest", "p2pme watch lab-a/run --port 0 --no-open"))
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--port", metavar="N", type=Whole(0, 65535), default=8766, show_default=True, help="0: any.")
@click.option("--no-open", is_flag=True, help="Print the page's address and open no browser.")
def watch(run: Path, port: int, no_open: bool) -> None:
    """Open a page that shows how the run in the folder RUN goes: graph, curves, bytes, events, who waits for whom.

    It reads the folder and nothing else, so it works for a swarm, for one laboratory's peer, and for a run that has
    ended. The page is served on this machine only, at an address that holds a secret. Ctrl-C ends it, not the run.
    """
    import webbrowser

    from p2pfl_me.errors import PeerError
    from p2pfl_me.watch.view import RunView

    view = RunView(run)
    try:
        from p2pfl_me.watch.server import serve
    except ImportError as error:
        raise PeerError(f"the page needs {error.name}", fix="pip install 'p2pfl_me[live]'") from error

    def opened(url: str) -> None:
        click.echo(f"{url}\nCtrl-C ends it, not the run.")
        if not no_open:
            webbrowser.open(url)

    serve(view, port, opened)
