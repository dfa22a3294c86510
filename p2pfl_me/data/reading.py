"""One door to all that `--data` may name: a manifest, a file of feature vectors, the folder of a published data set.

Behind it every clip bears the name of its person and its class, drawn faces are known as such, and so is what is wrong
with rows among others: spellings that could be one person, subjects in two splits, clips of one name.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from p2pfl_me.data.clip import Clip, Dropped, Fault, Manifest, Problem, Remark, in_order
from p2pfl_me.data.datasets.rows import dataset_rows
from p2pfl_me.data.drawn import DrawnMarks
from p2pfl_me.data.identity import Identities
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.labels import Labels, as_labels, map_of
from p2pfl_me.data.manifest import SplitWatch, manifest_path, manifest_rows, refuse
from p2pfl_me.data.named_folders import named_rows
from p2pfl_me.data.names import NameWatch
from p2pfl_me.data.overlaps import OverlapWatch
from p2pfl_me.data.vectors import is_vectors, vectors_manifest

Found = Clip | Dropped | Problem | Remark


def is_dataset(path: Path) -> bool:
    """Whether `path` is a folder without a manifest, and so a data set's, if anything."""
    return os.path.isdir(path) and not os.path.exists(manifest_path(path))  # noqa: PTH110, PTH112 - they never raise


def rows_of(path: Path, labels: Labels, who: Identities, layout: str | None = None) -> Iterator[Found]:
    """Every row of what lies at `path`, however many there are: its clip, after what there is to say of it.

    With a `layout` the folders' names are the rows (`named_folders`).

    Raises
    ------
    DataError
        Nothing there that is known.
    """
    splits, names, overlaps, drawn = SplitWatch(), NameWatch(), OverlapWatch(), DrawnMarks()
    for found in named_rows(path, layout, labels) if layout else _written(path, labels):
        if not isinstance(found, Clip):
            yield found
            continue
        clip, said = who.see(found)
        clip = replace(clip, drawn=True) if not clip.drawn and drawn.on(clip) else clip
        yield from said
        yield from splits.see(clip)
        yield from names.see(clip)
        yield from overlaps.see(clip)
        yield clip


def _written(path: Path, labels: Labels) -> Iterator[Found]:
    """The rows as they stand there."""
    if is_vectors(path):
        yield from vectors_manifest(path, labels.classes).clips
    elif is_dataset(path):
        yield from dataset_rows(path, labels)
    else:
        yield from manifest_rows(path, labels)


def scan_clips(
    path: Path,
    labels: Sequence[str] | Labels | None,
    rules: IdentityRules = ASK,
    *,
    who: Identities | None = None,
    may_be_empty: bool = False,
    layout: str | None = None,
) -> tuple[Manifest, tuple[Problem, ...], tuple[Remark, ...]]:
    """The clips that can be used, all that is wrong with the other rows, and what is odd; no image is opened.

    Without `labels` any will do.

    Parameters
    ----------
    who:
        Those that have come from other lists of the same run; `rules` are theirs then.
    layout:
        Take the names of folders for rows (`named_folders`).

    Raises
    ------
    DataError
        Nothing there that is known.
    """
    people = who or Identities(rules)
    clips: list[Clip] = []
    problems: list[Problem] = []
    remarks: list[Remark] = []
    dropped: Counter[str] = Counter()
    for found in rows_of(path, as_labels(labels), people, layout):
        if isinstance(found, Clip):
            clips.append(found)
        elif isinstance(found, Problem):
            problems.append(found)
        elif isinstance(found, Dropped):
            dropped[found.label] += 1
        else:
            remarks.append(found)
    if who is None:
        problems += people.unheard()
    if not (clips or problems or dropped or may_be_empty):
        problems.append(Problem(0, Fault.EMPTY, "no clips"))
    faulty = {(problem.line, problem.row) for problem in problems}
    sound = tuple(clip for clip in clips if (clip.line, clip.row) not in faulty)
    source = path if layout or is_dataset(path) else manifest_path(path)
    read = Manifest(source, sound, dict(sorted(dropped.items())), tuple(remarks))
    return read, in_order(problems), read.said


def with_labels(read: Manifest, labels: Labels) -> Manifest:
    """Clips that were read with any label, with the classes that a run takes of them.

    Raises
    ------
    DataError
        Labels that are none of the run's.
    """
    problems: list[Problem] = []
    clips: list[Clip] = []
    dropped: Counter[str] = Counter()
    for clip in read.clips:
        if complaint := labels.complaint(clip.label):
            problems.append(Problem(clip.line, Fault.LABEL, complaint, clip.row))
        elif (label := labels.of(clip.label, clip.dataset)) is None:
            dropped[clip.label] += 1
        else:
            clips.append(clip if label == clip.label else replace(clip, label=label))
    knowing = map_of({clip.label for clip in read.clips})
    hint = f", or take the map that knows them all: --set model.label_map={knowing.name}" if knowing else ""
    refuse(
        problems,
        where=str(read.source),
        fix=f"correct the labels, or name the classes: --set model.classes=[A,B,...]{hint}",
    )
    return Manifest(read.source, tuple(clips), dict(sorted(dropped.items())))


def read_clips(
    path: Path,
    labels: Sequence[str] | Labels | None,
    rules: IdentityRules = ASK,
    *,
    who: Identities | None = None,
    may_be_empty: bool = False,
) -> Manifest:
    """All clips at `path`, or a refusal with all that is wrong; a manifest without rows passes if it `may_be_empty`.

    Raises
    ------
    DataError
        Nothing there that is known, or rows that cannot be used.
    """
    manifest, problems, _ = scan_clips(path, labels, rules, who=who, may_be_empty=may_be_empty)
    fix = "correct the manifest; `p2pme data check` also looks into the images"
    if is_dataset(path):
        fix = "correct the sheet, or take the sound clips: `p2pme data manifest FOLDER -o manifest.csv --leave-out`"
    refuse(problems, where=str(manifest.source), fix=fix)
    return manifest
