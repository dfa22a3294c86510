"""`p2pme export`: a run's model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.apart import require_apart
from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.numbers import Number, Whole
from p2pfl_me.cli.shared import data_option, examples, own_network_of_run
from p2pfl_me.counting import many

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Model


@click.command(
    epilog=examples(
        "p2pme export runs/latest -o model.onnx",
        "p2pme export runs/latest -o model.onnx --int8 --json",
    )
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), required=True, help="model.onnx.")
@click.option("--int8", is_flag=True, help="8 bits a value: a quarter of the size, and faster.")
@click.option("--peer", metavar="K", type=Whole(0), help="One peer's model (default: the average of all).")
@data_option("Clips to check on (default: the run's).")
@own_network_of_run
@click.option("--weights", metavar="FILE", type=click.Path(path_type=Path), help="The backbone file of the contract.")
@click.option("--max-loss", metavar="UF1", type=Number(0, 1), default=0.01, show_default=True,
              help="What int8 may lose.")  # fmt: skip
@json_option
def export(
    run: Path,
    out: Path,
    int8: bool,
    peer: int | None,
    data: Path | None,
    weights: Path | None,
    network: str | None,
    max_loss: float,
    as_json: bool,
) -> None:
    """Write the model of the run folder RUN to an ONNX file for small devices.

    The file takes uint8 RGB images and gives class probabilities; scaling is inside, and its metadata say which
    classes, input and preprocessing it was made for. It is checked against PyTorch on clips of other subjects than the
    training's, and not written if they disagree. FILE.card.md beside it says what the model is for, what it was trained
    on (counts, no names), its scores, what protected the clips, and its limits.
    """
    from p2pfl_me.atomic import write_whole
    from p2pfl_me.counting import readable_bytes
    from p2pfl_me.deploy.export import export_model
    from p2pfl_me.errors import RunError
    from p2pfl_me.files import refusing
    from p2pfl_me.home import home
    from p2pfl_me.learning.onnx_file import Precision
    from p2pfl_me.report.model_card import model_card
    from p2pfl_me.report.run import read_run

    require_apart(out, run, data, weights, again=".onnx")
    with set_aside(as_json) as tell:
        done = export_model(
            run,
            out,
            precision=Precision.INT8 if int8 else Precision.FLOAT32,
            peer=peer,
            data=data,
            home=home(),
            weights=weights,
            network=network,
            max_loss=max_loss,
        )
        found, size = done.agreement, out.stat().st_size
        for words in done.warnings:
            click.echo(f"what it learned from: {words}; the file says so")
        click.echo(f"{out}: {done.source}, {done.precision.value}, {readable_bytes(size)}")
        click.echo(f"classes: {', '.join(done.classes)}")
        click.echo(f"checked on {found.of}:")
        click.echo(f"  UF1 {found.uf1_torch:.4f} in PyTorch, {found.uf1_onnx:.4f} in the file")
        changed = many(found.changed, "clip", "get")
        click.echo(f"  largest difference of a probability {found.difference:.2g}; {changed} another class")
        card = out.with_name(f"{out.name}.card.md")
        checked = (
            f"On {found.of}, UF1 is {found.uf1_torch:.4f} in PyTorch and {found.uf1_onnx:.4f} in this file "
            f"({done.precision.value}).",
        )
        with refusing(RunError, card, "free some space, or name another file with --out"):
            write_whole(card, model_card(read_run(run), out.name, checked), public=True)
        click.echo(f"card: {card}")
        told: Model = {
            "file": str(out),
            "bytes": size,
            "card": str(card),
            "model": done.source,
            "precision": done.precision,
            "classes": list(done.classes),
            "checked": found,
            "warnings": list(done.warnings),
        }
        tell(told)
