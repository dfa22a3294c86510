"""One door to all that `--data` may name: a manifest, a file of feature vectors, the folder of a published data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from p2pfl_me.data.clip import Clip, Dropped, Manifest, Problem, Remark
from p2pfl_me.data.datasets.rows import dataset_rows, scan_datasets
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.manifest import manifest_path, manifest_rows, read_manifest, refuse
from p2pfl_me.data.vectors import is_vectors, vectors_manifest

Found = Clip | Dropped | Problem | Remark


def is_dataset(path: Path) -> bool:
    """Whether `path` is a folder without a manifest, and so a data set's, if anything."""
    return path.is_dir() and not manifest_path(path).exists()


def rows_of(path: Path, labels: Labels) -> Iterator[Found]:
    """Every row of what lies at `path`: its clip, or what there is to say of it.

    Raises
    ------
    DataError
        Nothing there that is known.
    """
    if is_vectors(path):
        yield from vectors_manifest(path, labels.classes).clips
    elif is_dataset(path):
        yield from dataset_rows(path, labels)
    else:
        yield from manifest_rows(path, labels)


def read_clips(path: Path, labels: Labels, *, may_be_empty: bool = False) -> Manifest:
    """All clips at `path`, or a refusal with all that is wrong; a manifest without rows passes if it `may_be_empty`.

    Raises
    ------
    DataError
        Nothing there that is known, or rows that cannot be used.
    """
    if is_vectors(path):
        return vectors_manifest(path, labels.classes)
    if not is_dataset(path):
        return read_manifest(path, labels, may_be_empty=may_be_empty)
    manifest, problems, _ = scan_datasets(path, labels)
    refuse(
        problems,
        where=str(path),
        fix="correct the sheet, or take the sound clips: `p2pme data manifest FOLDER -o manifest.csv --leave-out`",
    )
    return manifest
