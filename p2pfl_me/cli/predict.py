"""`p2pme predict`: what a trained model says of an image, a clip or a film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.json_output import say_object, short_json_option
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import examples, own_network_of_run

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Prediction


@click.command(
    epilog=examples(
        "p2pme predict runs/latest FILM",
        "p2pme predict model.onnx PICTURE --json",
    )
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("input", type=click.Path(path_type=Path))
@click.option("--peer", metavar="K", type=Whole(0), help="One peer's model (default: the average of all).")
@own_network_of_run
@click.option("--weights", metavar="FILE", type=click.Path(path_type=Path), help="The backbone file of the contract.")
@click.option("--as-it-is", is_flag=True, help="Look for no face and no motion: INPUT is cropped to a face.")
@short_json_option
def predict(
    model: Path,
    input: Path,
    peer: int | None,
    weights: Path | None,
    network: str | None,
    as_it_is: bool,
    as_json: bool,
) -> None:
    """Say which expression INPUT shows: an image, a folder of numbered frames, or a film of one expression.

    MODEL is a run folder or a file of `p2pme export`. A model of motion takes folders and films; a single picture it
    takes as a flow image that is ready. What shows no face, or no motion, is named by no class.

    For research; not for decisions about people (docs/export.md).
    """
    from p2pfl_me.cli.terminal import shares
    from p2pfl_me.deploy.predict import predict as predict_input
    from p2pfl_me.home import home
    from p2pfl_me.learning.recogniser import load_recogniser

    recogniser = load_recogniser(model, peer=peer, home=home(), weights=weights, network=network)
    found = predict_input(recogniser, input, as_it_is=as_it_is)
    for words in recogniser.warnings:
        click.echo(f"{model.name}, the model: {words}", err=True)
    for words in found.said:
        click.echo(f"{input.name} {words}", err=True)
    if as_json:
        told: Prediction = {
            "input": str(found.path),
            "kind": found.kind.value,
            "samples": found.samples,
            "said": list(found.said),
            "model_warnings": list(recogniser.warnings),
            "class": found.label,
            "probabilities": found.probabilities,
        }
        say_object(told)
        return
    click.echo(f"{found.path} ({found.kind.value}): {found.label}")
    for line in shares(found.probabilities):
        click.echo(line)
