"""`p2pme data twin` and `p2pme data manifest`: published data sets, drawn and read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.apart import require_apart
from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import examples
from p2pfl_me.counting import many

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Listed, Twin
    from p2pfl_me.data.identity_rules import IdentityRules


@click.command(
    epilog=examples(
        "p2pme data twin casme2 -o twin",
        "p2pme evaluate --data twin --protocol loso",
    )
)
@click.argument("name", metavar="NAME")
@click.option("-o", "--out", metavar="DIR", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--subjects", type=Whole(1), default=4, show_default=True)
@click.option("--clips", type=Whole(1), default=6, show_default=True, help="Clips per subject.")
@click.option("--seed", type=Whole(0), default=1, show_default=True)
@click.option("--height", type=Whole(64), help="Of the frames in pixels, up to the original's (320).")
@click.option("--faults", is_flag=True, help="Plant faults too, which `p2pme data check` must all name.")
@json_option
def twin(
    name: str, out: Path, subjects: int, clips: int, seed: int, height: int | None, faults: bool, as_json: bool
) -> None:
    """Draw the twin of a published data set: its folders, its spreadsheet, its quirks, faces that never were.

    NAME is casme2, samm, smic, casme3, mmew, 4dme or casme. What is planted is listed with its row.
    """
    from p2pfl_me.data.twins.known import TWINS
    from p2pfl_me.data.twins.take import TwinSpec
    from p2pfl_me.data.twins.write import write_twin
    from p2pfl_me.progress import showing

    if name not in TWINS:
        raise click.UsageError(f"there is no twin of {name!r}; there are {', '.join(TWINS)}")
    spec = TwinSpec(subjects, clips, seed, height, faults)
    with set_aside(as_json) as tell:
        with showing("clips") as (progress,):
            written = write_twin(TWINS[name], out, spec, name, progress)
        for planted in written.planted:
            click.echo(f"planted: {planted}")
        click.echo(f"{many(written.clips, 'clip')}: {written.folder}")
        planted_rows = list(map(str, written.planted))
        told: Twin = {"folder": str(written.folder), "clips": written.clips, "planted": planted_rows}
        tell(told)


@click.command(
    epilog=examples(
        "p2pme data manifest FOLDER -o manifest.csv --label-map megc3",
        "p2pme data manifest clips --layout subject/label/clip",
    )
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A CSV; with --layout FOLDER/manifest.csv, where none is, if nothing else is said.",
)
@click.option(
    "--label-map", metavar="NAME", help="Write the classes of a map: megc3, megc2019, paper4, paper7, casme2_5."
)
@click.option("--only", metavar="LIST", type=click.Path(path_type=Path), help="Take the clips that a CSV names.")
@click.option(
    "--layout", metavar="NAMES", help="What your folders are called by: subject/label/clip; also dataset, and *."
)
@click.option("--leave-out", is_flag=True, help="Open all frames, and write the sound clips alone.")
@json_option
@identity_options
def manifest(
    folder: Path,
    out: Path | None,
    label_map: str | None,
    only: Path | None,
    layout: str | None,
    leave_out: bool,
    as_json: bool,
    rules: IdentityRules,
) -> None:
    """Write the manifest of the published data sets in FOLDER, as they were downloaded, or of a manifest, anew.

    With --layout, of clips of your own whose folders say what they are: FOLDER/subject/label/clip.

    It points to the frames where they lie; nothing is copied. With it you can choose clips, splits and apexes yourself.
    What you say of who is who stands in it, so that it asks no more.
    LIST is a protocol's own, with columns for subject and clip (or filename), and dataset where there are several.
    """
    from dataclasses import replace

    from p2pfl_me.contract.label_maps import label_map_named
    from p2pfl_me.data.check import sound_clips
    from p2pfl_me.data.choose import choose, read_list
    from p2pfl_me.data.clip import Fault, in_order
    from p2pfl_me.data.describe import counts_object, counts_text, remarks_text
    from p2pfl_me.data.labels import Labels
    from p2pfl_me.data.manifest import refuse, write_manifest
    from p2pfl_me.data.reading import scan_clips

    if out is None:
        out = _list_in(folder, layout)
    # Names of folders are read from a layout, and no list: the one of an earlier try may be written anew.
    require_apart(out, folder, only, again=".csv" if layout else "")
    table = label_map_named(label_map) if label_map is not None else None
    found, problems, remarks = scan_clips(
        folder, Labels(table.classes, table) if table else Labels(), rules, layout=layout
    )
    refuse(
        [each for each in problems if each.kind is Fault.IDENTITY],
        where=str(folder),
        fix="nobody else can say; with a table of persons, `--subjects FILE`",
    )
    refuse(
        [each for each in problems if each.kind is Fault.TORN],
        where=str(folder),
        fix="take that mark out: which clips are below it nobody knows, so none can be left out",
    )
    if not leave_out:
        refuse(
            problems,
            where=str(folder),
            fix=f"correct the {'folders' if layout else 'sheet'}, or add --leave-out to take the sound clips",
        )
    if only:
        found = replace(found, clips=choose(found.clips, read_list(only), only))
    if leave_out:
        sound, damaged = sound_clips(found.clips)
        found, problems = replace(found, clips=sound), in_order([*problems, *damaged])
    # One that lies in the folder goes with it: a copy would else lead back to where it was copied from.
    inside = out.parent == folder and all(clip.path.is_relative_to(folder) for clip in found.clips)
    write_manifest(out, found.clips, absolute=not inside)
    with set_aside(as_json) as tell:
        for line in remarks_text(remarks):
            click.echo(f"note: {line}")
        for problem in problems:
            click.echo(f"left out: {problem}")
        click.echo(counts_text(found))
        click.echo(f"written to {out}")
        told: Listed = {"file": str(out), **counts_object(found), "left_out": list(map(str, problems))}
        tell(told)


def _list_in(folder: Path, layout: str | None) -> Path:
    """Where the list of clips of one's own is looked for; what stands there may be somebody's work."""
    if layout is None:
        raise click.UsageError("Missing option '-o' / '--out'.")
    if (out := folder / "manifest.csv").exists():
        raise click.UsageError(f"{out} is there; `-o {out}` writes it anew.")
    return out
