"""`p2pme data prepare`: make the images of all clips before a run, and see how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.apart import require_apart
from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.shared import examples
from p2pfl_me.counting import many

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Prepared
    from p2pfl_me.data.identity_rules import IdentityRules


@click.command(
    epilog=examples(
        "p2pme data prepare FOLDER --topology ring",
    )
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--topology", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The contract.")
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), help="A manifest of the apexes taken.")
@json_option
@identity_options
def prepare(path: Path, topology: Path, out: Path | None, as_json: bool, rules: IdentityRules) -> None:
    """Make the images of the clips of PATH, as the contract's model.input and model.preprocess say.

    They lie in the private cache, where runs find them. What was found is counted: how each apex is known, how each
    face was aligned, which clips show none. FILE is a manifest with the apex frames that were taken and their sources.
    """
    from dataclasses import replace

    from p2pfl_me.contract.ready import read_contract
    from p2pfl_me.data.describe import what_is_read
    from p2pfl_me.data.labels import labels_of
    from p2pfl_me.data.manifest import write_manifest
    from p2pfl_me.data.preprocess.note import FaceSource, counts, in_words
    from p2pfl_me.data.preprocess.prepare import prepare_clips
    from p2pfl_me.data.preprocess.recipe import recipe_of
    from p2pfl_me.data.reading import read_clips
    from p2pfl_me.data.vectors import is_vectors
    from p2pfl_me.errors import DataError
    from p2pfl_me.home import cache_dir, home
    from p2pfl_me.progress import IMAGES, showing

    require_apart(out, path, topology)
    contract = read_contract(topology)
    read = read_clips(path, labels_of(contract), rules)
    clips = read.clips
    if any(is_vectors(clip.path) for clip in clips):
        raise DataError("holds feature vectors, which need no images", where=str(path), fix="use it as it is")
    with set_aside(as_json) as tell:
        with showing(IMAGES) as (progress,):
            prepared = prepare_clips(clips, recipe_of(contract.model), cache_dir(home()), progress)
        for line in what_is_read(read):
            click.echo(line)
        click.echo(f"{many(len(clips), 'clip', 'give')} {many(len(prepared.rows), 'sample')}")
        counted = counts(prepared.notes)
        for name, found in counted.items():
            click.echo(f"{name}: {', '.join(f'{source} {count}' for source, count in found.items())}")
        for line in in_words(prepared.notes):
            click.echo(f"note: {line}")
        pairs = list(zip(clips, prepared.notes, strict=True))
        faceless = [clip.path for clip, note in pairs if note.face is FaceSource.WHOLE]
        for path in faceless:
            click.echo(f"no face in the onset of {path}")
        if out:
            write_manifest(
                out,
                (
                    replace(clip, apex=note.apex, apex_source=note.apex_source) if note.apex_source else clip
                    for clip, note in pairs
                ),
            )
            click.echo(f"written to {out}")
        told: Prepared = {
            "clips": len(clips),
            "samples": len(prepared.rows),
            "counts": counted,
            "faceless": list(map(str, faceless)),
            "manifest": str(out) if out else None,
        }
        tell(told)
