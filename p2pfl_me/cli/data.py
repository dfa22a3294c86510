"""`p2pme data`: draw the built-in clips, check a manifest, split one among peers."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def data() -> None:
    """Draw, check and split clips."""


@data.command()
@click.option("-o", "--out", metavar="DIR", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--subjects", type=click.IntRange(2), default=48, show_default=True)
@click.option("--clips", type=click.IntRange(1), default=14, show_default=True, help="Clips per subject.")
@click.option("--neutral", type=click.IntRange(0), default=0, show_default=True, help="Clips without expression, too.")
@click.option("--amplitude", type=click.FloatRange(0.05, 4), default=1.0, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
def synth(out: Path, subjects: int, clips: int, neutral: int, amplitude: float, seed: int) -> None:
    """Draw clips of faces that never were, with a manifest, into a new folder."""
    from p2pfl_me.contract.model import CASME2_CLASSES, Synthetic
    from p2pfl_me.data.manifest import write_manifest
    from p2pfl_me.data.synthetic import subjects_manifest, synthesise
    from p2pfl_me.errors import DataError

    if out.exists() and any(out.iterdir()):
        raise DataError("this folder is not empty", where=str(out), fix="name a new one with -o")
    spec = Synthetic(subjects=subjects, clips_per_subject=clips, amplitude=amplitude)
    planned = subjects_manifest(spec, seed, CASME2_CLASSES, neutral=neutral)
    drawn = synthesise(spec, seed, out, split=planned)
    write_manifest(out / "manifest.csv", drawn.clips)
    click.echo(f"{len(drawn.clips)} clips of {subjects} subjects: {out / 'manifest.csv'}")


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--topology", metavar="FILE", type=click.Path(path_type=Path), help="The contract with the classes.")
@click.option("--classes", metavar="A,B,...", help="The classes, where there is no contract.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(path: Path, topology: Path | None, classes: str | None, as_json: bool) -> None:
    """List every problem of the manifest PATH (or of PATH/manifest.csv); exit code 1 if there is one."""
    import json
    from dataclasses import asdict

    from p2pfl_me.contract import load_contract
    from p2pfl_me.contract.model import CASME2_CLASSES
    from p2pfl_me.data.check import check_manifest

    names: tuple[str, ...] = CASME2_CLASSES
    if topology:
        names = load_contract(topology).model.classes
    if classes:
        names = tuple(name.strip() for name in classes.split(","))
    report = check_manifest(path, names)
    if as_json:
        click.echo(json.dumps(asdict(report), indent=1))
    else:
        for problem in report.problems:
            click.echo(str(problem))
        for note in report.notes:
            click.echo(f"note: {note}")
        shares = ", ".join(f"{name} {count}" for name, count in report.classes.items())
        click.echo(f"{report.clips} clips, {report.subjects} subjects; {shares}")
        click.echo(f"{len(report.problems)} problems" if report.problems else "no problems")
    raise SystemExit(1 if report.problems else 0)


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--topology", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The contract.")
@click.option("-o", "--out", metavar="DIR", type=click.Path(path_type=Path), required=True, help="Where to write.")
def split(path: Path, topology: Path, out: Path) -> None:
    """Deal the clips of PATH to the contract's peers, by whole subjects: DIR/peer-K.csv and DIR/test.csv."""
    from collections import Counter

    from p2pfl_me.contract import load_contract
    from p2pfl_me.data.manifest import write_manifest
    from p2pfl_me.data.source import deal, prepare
    from p2pfl_me.home import cache_dir, home

    contract = load_contract(topology)
    manifest = prepare(contract, path, cache_dir(home()))
    parts = {f"peer-{peer}": clips for peer, clips in enumerate(deal(contract, manifest))}
    parts["test"] = manifest.part("test")
    for name, clips in parts.items():
        write_manifest(out / f"{name}.csv", clips)
        counts = Counter(clip.label for clip in clips)
        shares = "  ".join(f"{label} {counts[label]}" for label in contract.model.classes)
        click.echo(f"{name:<8} {len(clips):5d} clips  {len({c.subject for c in clips}):3d} subjects  {shares}")
    click.echo(f"written to {out}")
