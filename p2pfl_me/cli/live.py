"""`p2pme live`: a page that marks micro-expressions of a camera or a film as they happen."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from p2pfl_me.cli.numbers import Number, Whole
from p2pfl_me.cli.shared import examples, own_network_of_run


@click.command(
    epilog=examples(
        "p2pme live --source FILM",
        "p2pme live runs/latest --source camera",
    )
)
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--source", metavar="camera|FILE", default="camera", show_default=True, help="The camera, or a film.")
@click.option("--fps", metavar="N", type=Number(1, 1000), help="Pictures a second, for a folder of frames.")
@click.option("--port", metavar="N", type=Whole(0, 65535), default=8765, show_default=True, help="0: any.")
@click.option("--runtime", type=click.Choice(["torch", "onnx"]), help="By default torch for a run, onnx for a file.")
@click.option("--peer", metavar="K", type=Whole(0), help="One peer's model of a run, not the average.")
@own_network_of_run
@click.option("--abstain", metavar="P", type=Number(0, 1), help="Name no class below P (default: 0.5).")
@click.option("--validation", metavar="MANIFEST", type=click.Path(path_type=Path), help="Clips that set P instead.")
@click.option("--no-open", is_flag=True, help="Print the page's address and open no browser.")
def live(
    model: Path | None,
    source: str,
    fps: float | None,
    port: int,
    runtime: Literal["torch", "onnx"] | None,
    peer: int | None,
    network: str | None,
    abstain: float | None,
    validation: Path | None,
    no_open: bool,
) -> None:
    """Open a page that watches a camera or a film; Ctrl-C ends it.

    MODEL is a run folder or an exported model; without it expressions are spotted and not named. The page is served
    on this machine only, at an address that holds a secret. Nothing is recorded. Spotting is unsolved: read
    docs/live.md before you believe a mark, and docs/responsible-use.md before you use it on anyone.
    """
    import webbrowser

    if validation and (abstain is not None or not model):
        raise click.UsageError("--validation sets the abstention threshold of a MODEL, in place of --abstain")

    from p2pfl_me.errors import PeerError
    from p2pfl_me.live.film import open_film
    from p2pfl_me.live.load import load_namer

    try:
        from p2pfl_me.live.server import Show, serve
    except ImportError as error:
        raise PeerError(f"the page needs {error.name}", fix="pip install 'p2pfl_me[live]'") from error
    from p2pfl_me.spotting.settings import SpotterSettings

    film = None if source == "camera" else open_film(Path(source), fps)
    namer = load_namer(model, runtime, peer, abstain, validation, network) if model else None
    show = Show(film, namer, model.name if model else "", SpotterSettings())

    if film:
        for words in film.said:
            click.echo(f"{film.name} {words}.")
    if namer and model:
        click.echo(f"{model.name}, the network: {namer.network}")
        for words in namer.warnings:
            click.echo(f"{model.name}, the model: {words}.")
        never = "Names nothing: the validation clips allow no threshold."
        click.echo(never if namer.abstain_below > 1 else f"Names no class below {namer.abstain_below:.2f}.")

    def opened(url: str) -> None:
        click.echo(f"{url}\nCtrl-C ends it.")
        if not no_open:
            webbrowser.open(url)

    serve(show, port, opened)
