"""`p2pme pretrain`: a backbone from any folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import data_option, examples
from p2pfl_me.counting import many

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Epoch, Pretrained
    from p2pfl_me.data.identity_rules import IdentityRules


@click.command(
    epilog=examples(
        "p2pme pretrain PICTURES -o backbone.safetensors",
        "p2pme swarm ring --set model.weights.source=file --weights backbone.safetensors",
    )
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", metavar="FILE", type=click.Path(path_type=Path), required=True, help="A new .safetensors file."
)
@click.option("--self-supervised", is_flag=True, help="Without labels: learn how far each image is turned.")
@click.option("--epochs", type=Whole(1), default=10, show_default=True)
@click.option("--start", type=click.Choice(["seed", "imagenet"]), default="seed", show_default=True)
@click.option("--seed", type=Whole(0), default=1, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@data_option("Whose the images are: a manifest.")
@identity_options
@json_option
def pretrain(
    folder: Path,
    out: Path,
    self_supervised: bool,
    epochs: int,
    start: str,
    seed: int,
    device: str,
    data: Path | None,
    rules: IdentityRules,
    as_json: bool,
) -> None:
    """Train VGG16's block 5 on the images in DIR, and write a backbone that all peers can start from.

    Each sub-folder of DIR is a class; with --self-supervised the images need no labels. Where a manifest.csv or a
    published data set lies in DIR, or --data names one, all images of some subjects are held out, else some images. The
    file says what it was trained on, so that an evaluation on the same people or pictures is told. The weights carry
    traces of the images: give them only to whom you would give a model trained on these.
    """
    import hashlib
    from typing import Literal, cast

    from p2pfl_me.data.drawn import DrawnMarks, words_of
    from p2pfl_me.data.folder import read_folder
    from p2pfl_me.data.owners import owners_of
    from p2pfl_me.data.trained_on import trained_on_of
    from p2pfl_me.home import cache_dir, home
    from p2pfl_me.learning.pretraining import pretrain as train
    from p2pfl_me.learning.pretraining import require_new, save_pretrained

    require_new(out)
    with set_aside(as_json) as tell:
        found = read_folder(folder, 64, labelled=not self_supervised)
        named = f"{len(found.classes)} classes" if found.classes else "no labels"
        copies = f"; left out as copies of others: {found.copies}" if found.copies else ""
        click.echo(f"{len(found.images)} images, {named}{copies}")
        if found.unread:
            lost = many(len(found.unread), "file", "are")
            click.echo(f"note: {lost} of a kind that is not read, and left out: {found.unread[0]}", err=True)
        owners = owners_of(found.paths, folder, data, rules)
        known = [clip for clip in owners if clip]
        people = len({clip.subject for clip in known})
        datasets = ", ".join(sorted({clip.dataset for clip in known}))
        whose = f"{many(people, 'subject')} of {datasets}" if known else "unknown subjects"
        if known and len(known) < len(owners):
            whose += f", {many(len(owners) - len(known), 'image')} of unknown ones"
        marks = DrawnMarks()
        course: list[Epoch] = []
        drawn = words_of(sum(map(marks.at, found.paths)), len(found.paths), "images")
        click.echo(f"they are of {whose}" + (f"; {drawn}, which were never alive" if drawn else ""))

        def told(epoch: int, loss: float, accuracy: float) -> None:
            course.append({"epoch": epoch, "loss": loss, "accuracy": accuracy})
            click.echo(f"epoch {epoch}/{epochs}  loss {loss:.3f}  accuracy on held out images {accuracy:.3f}")

        trained = train(
            found.images,
            found.labels,
            found.classes,
            epochs=epochs,
            seed=seed,
            start=cast(Literal["seed", "imagenet"], start),
            cache=cache_dir(home()),
            device=device,
            groups=[clip.subject if clip else None for clip in owners],
            told=told,
        )
        began = " after ImageNet-1k" if start == "imagenet" else ""
        words = f"{len(found.images)} images, {named}, of {whose}{began}{f'; {drawn}' if drawn else ''}"
        save_pretrained(trained, out, trained_on_of(words, found.digests, found.signatures, known))
        held = "subjects held out" if trained.by_subject else "images held out, whose subjects may be among the others"
        click.echo(
            f"{out}: accuracy {trained.accuracy:.3f} where chance is {trained.chance:.3f}, {held}. In the contract:"
        )
        digest = hashlib.sha256(out.read_bytes()).hexdigest()
        click.echo(f"  weights: {{source: file, sha256: {digest}}}")
        click.echo(f"and each peer names its copy with --weights {out}")
        numbers: Pretrained = {
            "file": str(out),
            "sha256": digest,
            "images": len(found.images),
            "classes": list(found.classes),
            "drawn": bool(drawn),
            "epochs": course,
            "accuracy": trained.accuracy,
            "chance": trained.chance,
            "held_out": "subjects" if trained.by_subject else "images",
        }
        tell(numbers)
