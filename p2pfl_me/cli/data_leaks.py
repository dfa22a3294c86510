"""`p2pme data audit` and `p2pme data forget`: what is on two sides of a split, and which models saw a subject."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.apart import require_apart
from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.shared import data_option, examples
from p2pfl_me.counting import many

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Forgotten, Rest
    from p2pfl_me.data.forget import Runs
    from p2pfl_me.data.identity_rules import IdentityRules


@click.command(
    epilog=examples(
        "p2pme data audit runs/latest",
        "p2pme data audit train.csv test.csv",
    )
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@data_option("The clips of a split.json.")
@click.option("--rows-only", is_flag=True, help="Open no image: compare subjects, clips and frame numbers.")
@json_option
@click.option("--weights", metavar="FILE", type=click.Path(path_type=Path, exists=True), help="A backbone's file.")
@identity_options
def audit(
    paths: tuple[Path, ...],
    data: Path | None,
    rows_only: bool,
    as_json: bool,
    weights: Path | None,
    rules: IdentityRules,
) -> None:
    """Look for leaks; exit code 1 if there is one, 2 if nothing can be compared (one place, or no image that opens).

    PATH is a run, what `p2pme data split` or `p2pme evaluate` wrote, or manifests: those named together are audited as
    one split. Subjects, clips, neighbouring frames, identical and near-identical images must stand on one side and at
    one peer only. With --weights, what that file says that it was trained on is compared with all but training parts.
    """
    from p2pfl_me.data.audit.leaks import audit as look
    from p2pfl_me.data.audit.parts import read_audited
    from p2pfl_me.data.audit.words import audit_text, audits_object
    from p2pfl_me.data.trained_on import read_trained_on

    with set_aside(as_json) as tell:
        record = read_trained_on(weights) if weights else None
        if weights and record is None:
            click.echo(f"note: {weights} does not say what it was trained on: of unknown origin, it is not compared")
        splits = read_audited(paths, data, rules)
        for words in dict.fromkeys(words for split in splits for words in split.said):
            click.echo(f"note: {words}")
        found = [look(split, images=not rows_only, weights=record) for split in splits]
        click.echo("\n\n".join(audit_text(each) for each in found))
        tell(audits_object(found))
    raise SystemExit(1 if any(each.leaking for each in found) else 2 if any(each.silent for each in found) else 0)


@click.command(
    epilog=examples(
        "p2pme data forget casme2/sub01 runs/latest",
        "p2pme data forget casme2/sub01 --data manifest.csv -o rest.csv runs/latest",
        "p2pme data forget casme2/sub01 runs/latest --json",
    )
)
@click.argument("subject")
@click.argument("runs", metavar="RUN...", nargs=-1, type=click.Path(path_type=Path, exists=True, file_okay=False))
@data_option("Take the subject out of it.", "MANIFEST")
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), help="Write the rest here.")
@click.option("--in-place", is_flag=True, help="Write the rest over MANIFEST itself.")
@json_option
@identity_options
def forget(
    subject: str,
    runs: tuple[Path, ...],
    data: Path | None,
    out: Path | None,
    in_place: bool,
    as_json: bool,
    rules: IdentityRules,
) -> None:
    """Take SUBJECT (DATASET/NAME) out of a manifest, and say which of the RUNs saw it, at which peers.

    Without -o or --in-place nothing is written. Frames are never deleted here, and no model forgets: what was trained
    on a subject must be trained anew. A name that neither the manifest nor any RUN knows is refused.
    """
    from p2pfl_me.data.forget import read_rows, runs_with, write_rows

    if out and in_place:
        raise click.UsageError("give -o or --in-place, one of the two")
    if not (data or runs):
        raise click.UsageError("name a manifest with --data, runs, or both")
    if (out or in_place) and not data:
        raise click.UsageError("-o and --in-place need --data")
    require_apart(out, data, *runs, fix="name another file with -o, or write over it with --in-place")
    with set_aside(as_json) as tell:
        manifest: Rest | None = None
        if data:
            rows = read_rows(data)
            rest = rows.without(subject, rules)
            count = len(rows.rows) - len(rest.rows)
            target = rows.path if in_place else out
            if target:
                write_rows(rest, target)
            done = f"left out of {target}" if target else "nothing is written: add -o FILE or --in-place"
            click.echo(f"{rows.path}: {many(count, 'clip')} of {subject}; {done}")
            manifest = {"path": str(rows.path), "clips": count, "written": str(target) if target else None}
        found = runs_with(subject, runs, rules)
        if not data:  # which knows the name
            found.require(subject, rules)
        for line in _told(subject, found):
            click.echo(line)
        tell(_object(subject, manifest, found))


def _object(subject: str, manifest: Rest | None, runs: Runs) -> Forgotten:
    return {
        "subject": subject,
        "manifest": manifest,
        "saw": [
            {"run": str(run.folder), "trained": run.trained, "validated": run.watched, "tested": run.tested}
            for run in runs.saw
        ],
        "evaluated": [str(folder) for folder in runs.evaluated],
        "spared": [str(folder) for folder in runs.spared],
        "silent": [str(folder) for folder in runs.silent],
    }


def _told(subject: str, runs: Runs) -> Iterator[str]:
    for run in runs.saw:
        said = [f"peer {peer} trained on {count} clips" for peer, count in run.trained.items()]
        said += [f"peer {peer} validated on {count}" for peer, count in run.watched.items()]
        said += [f"tested on {run.tested}"] if run.tested else []
        yield f"{run.folder}: {'; '.join(said)}"
        if run.trained:
            yield "  -> gossip carried it into every model of this run: train it anew, and what was exported from it"
        else:
            yield "  -> no model was trained on it; choices and scores were made with it"
    for folder in runs.evaluated:
        yield f"{folder}: an evaluation with {subject}; its answers stand in predictions.csv: evaluate anew"
    for folder in runs.silent:
        yield f"{folder}: does not name its subjects; look into the manifest that it was given with --data"
    for folder in runs.spared:
        yield f"{folder}: never saw it"
    if runs.saw or runs.evaluated:
        yield "images and features of it may lie in the cache: remove ~/.p2pme/cache (P2PME_HOME), it is made anew"
