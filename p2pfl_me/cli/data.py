"""`p2pme data`: draw clips, read and check data sets, split them among peers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.data_leaks import audit, forget
from p2pfl_me.cli.data_prepare import prepare
from p2pfl_me.cli.data_sets import manifest, twin
from p2pfl_me.cli.film import film
from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.json_output import json_option, say_object, set_aside, short_json_option
from p2pfl_me.cli.numbers import Number, Whole
from p2pfl_me.cli.shared import Commands, examples
from p2pfl_me.counting import many

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Drawn, Split
    from p2pfl_me.data.identity_rules import IdentityRules
    from p2pfl_me.data.labels import Labels


@click.group(cls=Commands)
def data() -> None:
    """Draw, check and split clips."""


@data.command(
    epilog=examples(
        "p2pme data synth -o drawn",
        "p2pme data check drawn",
    )
)
@click.option("-o", "--out", metavar="DIR", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--subjects", type=Whole(2), default=48, show_default=True)
@click.option("--clips", type=Whole(1), default=14, show_default=True, help="Clips per subject.")
@click.option("--neutral", type=Whole(0), default=0, show_default=True, help="And so many that show nothing.")
@click.option("--amplitude", type=Number(0.05, 4), default=1.0, show_default=True)
@click.option("--seed", type=Whole(0), default=1, show_default=True)
@json_option
def synth(out: Path, subjects: int, clips: int, neutral: int, amplitude: float, seed: int, as_json: bool) -> None:
    """Draw clips of faces that never were into a new folder, with a manifest.

    Neutral clips carry the label `neutral`; a contract that is to train on them must name it among its classes.
    """
    from p2pfl_me.contract.model import CASME2_CLASSES, Synthetic
    from p2pfl_me.data.describe import counts_object
    from p2pfl_me.data.synthetic import subjects_manifest, write_synthetic
    from p2pfl_me.progress import showing

    spec = Synthetic(subjects=subjects, clips_per_subject=clips, amplitude=amplitude)
    planned = subjects_manifest(spec, seed, CASME2_CLASSES, neutral=neutral)
    with set_aside(as_json) as tell:
        with showing("subjects") as (progress,):
            drawn = write_synthetic(spec, seed, out, planned, progress)
        click.echo(f"{many(len(drawn.clips), 'clip')} of {many(subjects, 'subject')}: {drawn.source}")
        told: Drawn = {"manifest": str(drawn.source), **counts_object(drawn)}
        tell(told)


@data.command(
    epilog=examples(
        "p2pme data check FOLDER",
        "p2pme data check FOLDER --label-map megc3 --json",
    )
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--topology", metavar="FILE", type=click.Path(path_type=Path), help="The contract with the classes.")
@click.option("--classes", metavar="A,B,...", help="The classes, where there is no contract.")
@click.option(
    "--label-map", metavar="NAME", help="Read the labels by a map: megc3, megc2019, paper4, paper7, casme2_5."
)
@click.option(
    "--images",
    type=click.Choice(["all", "key", "none"]),
    default="all",
    show_default=True,
    help="Open all frames from onset to offset; onset, apex and offset; or none, and check the rows alone.",
)
@short_json_option
@identity_options
def check(
    path: Path,
    topology: Path | None,
    classes: str | None,
    label_map: str | None,
    images: str,
    as_json: bool,
    rules: IdentityRules,
) -> None:
    """List every problem of PATH; exit code 1 if there is one.

    PATH is a manifest, a folder with a manifest.csv, or the folder of a published data set as it was downloaded.

    Looks for missing and unreadable files, unknown labels, classes without clips, frames that are not there, subjects
    in two splits, spellings that could be one person, and images that stand in it twice.
    """
    from p2pfl_me.data.check import check_manifest
    from p2pfl_me.data.describe import report_text
    from p2pfl_me.data.look import Images

    report = check_manifest(path, _labels(topology, classes, label_map), Images(images), rules=rules)
    if as_json:
        say_object(vars(report))
    else:
        click.echo(report_text(report))
    raise SystemExit(1 if report.problems else 0)


def _labels(topology: Path | None, classes: str | None, label_map: str | None) -> Labels:
    """The labels that may stand there: named in one way, or else any, or those that the data set is known to have."""
    from p2pfl_me.contract.label_maps import label_map_named
    from p2pfl_me.contract.ready import read_contract
    from p2pfl_me.data.labels import Labels, labels_of

    if sum(given is not None for given in (topology, classes, label_map)) > 1:
        raise click.UsageError("give one of --topology, --classes and --label-map")
    if topology:
        return labels_of(read_contract(topology))
    if label_map is not None:
        table = label_map_named(label_map)
        return Labels(table.classes, table)
    if classes is not None:
        names = tuple(filter(None, (name.strip() for name in classes.split(","))))
        if not names:
            raise click.UsageError("--classes names no class: --classes negative,positive,surprise")
        return Labels(names)
    return Labels()


@data.command(
    epilog=examples(
        "p2pme data split FOLDER --topology ring -o split",
        "p2pme data split FOLDER --topology ring --peers 4 -o split --json",
    )
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--topology", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The contract.")
@click.option(
    "-o", "--out", metavar="DIR", type=click.Path(path_type=Path), required=True, help="A folder without a split."
)
@click.option("--peers", type=Whole(1), help="For another number of peers than the contract's.")
@json_option
@identity_options
def split(path: Path, topology: Path, out: Path, peers: int | None, as_json: bool, rules: IdentityRules) -> None:
    """Deal the clips of PATH to peers, by whole subjects: DIR/peer-K.csv and DIR/test.csv.

    The manifests point to the images where they lie; nothing is copied. A peer takes them with
    `p2pme peer --data DIR/peer-K.csv --test DIR/test.csv`.
    """
    from p2pfl_me.atomic import making_folder
    from p2pfl_me.contract.ready import read_contract
    from p2pfl_me.data import source
    from p2pfl_me.data.describe import parts_object, parts_text, what_is_read
    from p2pfl_me.data.manifest import write_manifest
    from p2pfl_me.data.split import untested
    from p2pfl_me.errors import DataError
    from p2pfl_me.files import refusing
    from p2pfl_me.home import home
    from p2pfl_me.run.manifest import untested_words

    contract = read_contract(topology)
    # Shards of an earlier split into more peers would stay beside the new ones, with subjects of theirs.
    if (out / "test.csv").exists() or any(out.glob("peer-*.csv")):
        raise DataError("this folder holds a split already", where=str(out), fix="name another with -o, or remove it")
    with set_aside(as_json) as tell:
        manifest = source.prepare(contract, path, home(), rules)
        parts = {f"peer-{peer}": clips for peer, clips in enumerate(source.deal(contract, manifest, peers))}
        parts["test"] = manifest.part("test")
        # Whole or not there: peers without their test part, or some of them, would pass for a split.
        with refusing(DataError, out, "name another folder, or free some space"), making_folder(out) as draft:
            for name, clips in parts.items():
                write_manifest(draft / f"{name}.csv", clips)
        for words in what_is_read(manifest):
            click.echo(words)
        click.echo(parts_text(parts, contract.model.classes))
        lacking = untested([clip for name, clips in parts.items() if name != "test" for clip in clips], parts["test"])
        if words := untested_words(lacking):
            click.echo(f"note: {words}")
        click.echo(f"written to {out}")
        told: Split = {
            "folder": str(out),
            "parts": parts_object(parts, contract.model.classes),
            "untested": list(lacking),
        }
        tell(told)


data.add_command(film)


for command in (twin, manifest, audit, forget, prepare):
    data.add_command(command)
