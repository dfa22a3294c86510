"""The clips that an exported model is calibrated and checked on: the run's own shards, or the user's data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p2pfl_me.atomic import undrafted
from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.reading import read_clips
from p2pfl_me.data.source import prepare
from p2pfl_me.data.trained_on import learned_in, seen_of
from p2pfl_me.data.vectors import is_vectors
from p2pfl_me.errors import DataError
from p2pfl_me.files import read_text
from p2pfl_me.home import cache_dir
from p2pfl_me.run.folder import RunFolder

CALIBRATION = 200
"""Clips whose activations set the ranges of int8; more change nothing."""


@dataclass(frozen=True)
class ExportClips:
    """`calibration` are training clips, `check` those of other subjects: test, else validation.

    `strangers` says whether it is known that the model learned from nobody in `check`.
    """

    calibration: tuple[Clip, ...]
    check: tuple[Clip, ...]
    strangers: bool = True


def export_clips(contract: Contract, run: Path, data: Path | None, home: Path) -> ExportClips:
    """Read the manifests that the run left in RUN/shards, or split `data` as the contract does.

    Raises
    ------
    DataError
        There are none, they are feature vectors, no subject is left to check on, or the model learned from those.
    """
    clips = prepare(contract, data, cache_dir(home)).clips if data else _of_run(contract, run)
    if any(is_vectors(clip.path) for clip in clips):
        raise DataError(
            "a model of feature vectors takes no images, so there is nothing to export",
            where=str(data or run),
            fix="export a run on images",
        )
    parts = {split: tuple(c for c in clips if c.split == split) for split in ("train", "validation", "test")}
    check = parts["test"] or parts["validation"]
    if not check or not parts["train"]:
        raise DataError(
            "has no training clips, or none of other subjects to check the exported model on",
            where=str(data or run),
            fix="name some with --data",
        )
    strangers = require_strangers(run, check, data) if data else True
    order = np.random.default_rng(derive_seed(contract.seed, "calibration")).permutation(len(parts["train"]))
    return ExportClips(tuple(parts["train"][index] for index in order[:CALIBRATION]), check, strangers)


def require_strangers(run: Path, clips: Sequence[Clip], where: Path) -> bool:
    """See that a run's model learned from none of these clips: no subject, no picture, none that is near-identical.

    False where the run left no list of what it learned from, so that nobody can say.

    Raises
    ------
    DataError
        It did learn from some: what is measured on them is no measure of people whom it never saw.
    """
    if (record := learned_in(run)) is None:
        return False
    if seen := seen_of(record, clips).places:
        some = ", ".join(sorted({clips[place].subject for place in seen})[:3])
        raise DataError(
            f"the run's model learned from subjects or pictures of {len(seen)} of the {len(clips)} clips "
            f"that it is to be measured on (of {some})",
            where=str(where),
            fix="name clips of people whom it never saw",
        )
    return True


def _of_run(contract: Contract, run: Path) -> Sequence[Clip]:
    paths = undrafted(RunFolder(run).shards.glob("*.csv"))
    if not paths:
        raise DataError(
            "this run left no list of clips (a local swarm does), and an export is checked on some",
            where=str(run),
            fix="name a manifest with --data",
        )
    classes = contract.model.classes  # a label map has been applied already
    return [clip for path in paths if _has_rows(path) for clip in read_clips(path, classes).clips]


def _has_rows(path: Path) -> bool:
    return len(read_text(path).splitlines()) > 1
