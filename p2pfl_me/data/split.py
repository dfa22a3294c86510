"""Splits by whole subjects: no person is ever on two sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from p2pfl_me.choice import derive_seed
from p2pfl_me.data.manifest import Clip, Manifest
from p2pfl_me.errors import DataError

DRAWS = 64
"""Random deals tried; the one whose test part is most like the whole is kept."""


def split_subjects(manifest: Manifest, *, test_fraction: float, validation_fraction: float, seed: int) -> Manifest:
    """Give every clip a split; those that bring their own keep it.

    Where the manifest names test subjects, no more are drawn, likewise for validation; the rest trains. Subjects are
    drawn per data set, so that each is represented; among a few draws the one is kept whose classes are spread most
    alike. No training result enters the choice.

    Raises
    ------
    DataError
        Too few subjects for the parts that are asked for.
    """
    if all(clip.split for clip in manifest.clips):
        return manifest
    fractions = {"test": test_fraction, "validation": validation_fraction}
    wanted = {name: fraction for name, fraction in fractions.items() if fraction > 0}
    given = {clip.split for clip in manifest.clips}
    wanted = {name: fraction for name, fraction in wanted.items() if name not in given}
    by_dataset: dict[str, set[str]] = defaultdict(set)
    for clip in manifest.clips:
        if clip.split is None:
            by_dataset[clip.dataset].add(clip.subject)
    total = sum(map(len, by_dataset.values()))
    if total < 1 + len(wanted):
        raise DataError(
            f"{total} subject{'s' if total != 1 else ''} cannot be split into {1 + len(wanted)} parts",
            where=str(manifest.source),
            fix="add subjects, or set data.test_fraction and data.validation_fraction to 0",
        )
    random = np.random.default_rng(derive_seed(seed, "split"))
    deals = [_deal({name: sorted(who) for name, who in by_dataset.items()}, wanted, random) for _ in range(DRAWS)]
    best = min(deals, key=lambda deal: _unlikeness(manifest.clips, deal, wanted))
    return Manifest(
        manifest.source,
        tuple(clip if clip.split else replace(clip, split=best.get(clip.subject, "train")) for clip in manifest.clips),
        said=manifest.said,
    )


def untested(trained: Sequence[Clip], tested: Sequence[Clip]) -> tuple[str, ...]:
    """Data sets that are trained on and of which nobody is held out, by name; none where nobody is at all."""
    of_tested = {clip.dataset for clip in tested}
    return tuple(sorted({clip.dataset for clip in trained} - of_tested)) if of_tested else ()


def _deal(by_dataset: dict[str, list[str]], wanted: dict[str, float], random: np.random.Generator) -> dict[str, str]:
    deal: dict[str, str] = {}
    for subjects in by_dataset.values():
        order = [subjects[index] for index in random.permutation(len(subjects))]
        for name, fraction in wanted.items():
            count = min(round(fraction * len(subjects)), len(order) - 1)
            for subject in order[:count]:
                deal[subject] = name
            order = order[count:]
    everyone = [subject for subjects in by_dataset.values() for subject in subjects]
    for name in wanted:
        if name not in deal.values():  # data sets so small that rounding left a part empty
            rest = [subject for subject in everyone if subject not in deal]
            deal[rest[random.integers(len(rest))]] = name
    return deal


def _unlikeness(clips: Sequence[Clip], deal: dict[str, str], wanted: dict[str, float]) -> float:
    """Largest difference between a part's class shares and those of the whole, or its size and the one wanted."""
    whole = Counter(clip.label for clip in clips)
    parts: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        parts[clip.split or deal.get(clip.subject, "train")][clip.label] += 1
    classes = [
        abs(part[label] / part.total() - whole[label] / whole.total()) for part in parts.values() for label in whole
    ]
    sizes = [abs(parts[name].total() / whole.total() - fraction) for name, fraction in wanted.items()]
    return max([*classes, *sizes])
