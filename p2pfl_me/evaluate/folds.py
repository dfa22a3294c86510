"""Which items are held out together, and what may then be trained on. Splits are by whole, namespaced subjects.

The one exception is the frame split of the founding paper, which the user must ask for by its fault.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.choice import derive_seed
from p2pfl_me.counting import many
from p2pfl_me.data.manifest import Clip
from p2pfl_me.errors import DataError
from p2pfl_me.evaluate.holdout import HoldOut

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fold:
    """`test` and `train` are item numbers. `pool` names the clips that peers are dealt from: all, or one data set."""

    name: str
    pool: str
    test: tuple[int, ...] = field(repr=False)
    train: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True)
class Split:
    """All folds of a protocol."""

    protocol: HoldOut
    seed: int
    folds: tuple[Fold, ...]

    def pools(self) -> dict[str, tuple[int, ...]]:
        """The items of each pool, in order."""
        found: dict[str, set[int]] = defaultdict(set)
        for fold in self.folds:
            found[fold.pool].update(fold.test, fold.train)
        return {pool: tuple(sorted(items)) for pool, items in found.items()}

    def digest(self) -> str:
        """SHA-256 (hex) of what every fold holds out."""
        values = [[fold.name, fold.pool, fold.test] for fold in self.folds]
        return hashlib.sha256(json.dumps([self.protocol, values]).encode()).hexdigest()

    def to_json(self, clips: Sequence[Clip]) -> dict[str, Any]:
        """By subjects, so that another lab can read it; by item numbers where subjects are on both sides.

        Everybody is named then, too: a subject who withdraws must be found.
        """
        whole = not self.protocol.leaks
        held = [sorted({clips[item].subject for item in fold.test}) if whole else fold.test for fold in self.folds]
        said = {
            "protocol": self.protocol,
            "seed": self.seed,
            "subjects_leak": self.protocol.leaks,
            "digest": self.digest(),
            "folds": [
                {"name": fold.name, "pool": fold.pool, "held_out": out}
                for fold, out in zip(self.folds, held, strict=True)
            ],
        }
        return said if whole else {**said, "subjects": sorted({clip.subject for clip in clips})}


def make_split(clips: Sequence[Clip], protocol: HoldOut, *, folds: int, seed: int) -> Split:
    """Hold out every item exactly once (under `frames`, one part of `folds`, once).

    Raises
    ------
    DataError
        Too few subjects or data sets for the protocol.
    """
    by_subject = _grouped(clips, lambda clip: clip.subject)
    by_dataset = _grouped(clips, lambda clip: clip.dataset)
    everything = range(len(clips))
    match protocol:
        case HoldOut.LOSO:
            _require(len(by_subject), 2, "subjects", protocol)
            made = [_fold(name, "all", own, everything) for name, own in by_subject.items()]
        case HoldOut.KFOLD:
            _require(len(by_subject), folds, "subjects", protocol)
            groups = _deal_subjects(clips, by_subject, folds, seed)
            made = [_fold(f"fold {number}", "all", own, everything) for number, own in enumerate(groups, start=1)]
        case HoldOut.LAB:
            _require(len(by_dataset), 2, "data sets", protocol)
            made = [_fold(name, "all", own, everything) for name, own in by_dataset.items()]
        case HoldOut.SINGLE:
            made = []
            for dataset, inside in by_dataset.items():
                subjects = {clips[item].subject: by_subject[clips[item].subject] for item in inside}
                _require(len(subjects), 2, "subjects", protocol, f" in {dataset}")
                made += [_fold(name, dataset, subjects[name], inside) for name in sorted(subjects)]
        case HoldOut.FRAMES:
            _require(len(clips), folds, "samples", protocol)
            made = [_fold("random samples", "all", _some(clips, folds, seed), everything)]
    return Split(protocol, seed, tuple(made))


def _fold(name: str, pool: str, test: Sequence[int], among: Sequence[int]) -> Fold:
    out = set(test)
    return Fold(name, pool, tuple(sorted(out)), tuple(item for item in among if item not in out))


def _grouped(clips: Sequence[Clip], key: Any) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for item, clip in enumerate(clips):
        found[key(clip)].append(item)
    return dict(sorted(found.items()))


def _deal_subjects(
    clips: Sequence[Clip], by_subject: Mapping[str, list[int]], folds: int, seed: int
) -> list[list[int]]:
    """Subjects with most clips first, in random order where equal, each to the fold that its classes are missing in.

    After Sechidis et al. (ECML 2011) in its greedy form: the fold whose counts, with the subject, stay closest to an
    equal share of every class.
    """
    random = np.random.default_rng(derive_seed(seed, "folds"))
    labels = sorted({clip.label for clip in clips})
    count = {name: Counter(clips[item].label for item in own) for name, own in by_subject.items()}
    vectors = {name: np.array([count[name][label] for label in labels], dtype=np.float64) for name in by_subject}
    share = sum(vectors.values()) / folds
    order = [list(by_subject)[index] for index in random.permutation(len(by_subject))]
    order.sort(key=lambda name: -len(by_subject[name]))
    held = np.zeros((folds, len(labels)))
    groups: list[list[int]] = [[] for _ in range(folds)]
    for name in order:
        # The largest subjects open the folds, so that none stays empty.
        best = min(
            [fold for fold in range(folds) if not groups[fold]] or range(folds),
            key=lambda fold: _off(held[fold] + vectors[name], share) - _off(held[fold], share),
        )
        groups[best] += by_subject[name]
        held[best] += vectors[name]
    return groups


def _off(held: Counts, share: Counts | float) -> float:
    """How far a fold's clips by class are from an equal share of them: the sum of squares, relative to the share."""
    parts = held / share
    return float(((parts - 1) ** 2).sum())


def _some(clips: Sequence[Clip], folds: int, seed: int) -> list[int]:
    """One of `folds` parts of every class, drawn at random: what scikit-learn calls a stratified shuffle split."""
    random = np.random.default_rng(derive_seed(seed, "samples"))
    chosen: list[int] = []
    for own in _grouped(clips, lambda clip: clip.label).values():
        count = max(1, round(len(own) / folds)) if len(own) > 1 else 0
        chosen += [own[index] for index in random.permutation(len(own))[:count]]
    return chosen


def _require(found: int, needed: int, what: str, protocol: HoldOut, where: str = "") -> None:
    if found < needed:
        raise DataError(
            f"{many(found, what.removesuffix('s'))}{where}, and {protocol} needs {needed} at least",
            where="--protocol",
            fix=f"bring more clips, {f'leave those{where} out, ' if where else ''}or take another protocol",
        )
