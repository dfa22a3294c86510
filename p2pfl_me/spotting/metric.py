"""The spotting metric of the Micro-Expression Grand Challenge, and STRS.

A spotted interval is a true positive if it overlaps a true one with an intersection over union of at least one half,
one match each. Counts are summed over all films before F1 is taken. STRS is F1 of spotting times F1 of recognition on
the true positives (Liong et al., 2021; MEGC 2022).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from p2pfl_me.spotting.interval import Interval, Kind, overlap

LEAST_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Counts:
    """True positives, false positives, false negatives."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def f1(self) -> float:
        """2TP / (2TP + FP + FN); 0 where there was nothing to find and nothing was found, as the challenge has it."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else 0.0

    @property
    def precision(self) -> float:
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0

    @property
    def recall(self) -> float:
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0


@dataclass(frozen=True, slots=True)
class Film:
    """What is true of one film, and what was spotted in it. Micro matches only micro, macro only macro."""

    truth: tuple[Interval, ...]
    spotted: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """The challenge's figures over all films. `strs` is None where the spotted expressions were not named."""

    micro: Counts
    macro: Counts
    recognition_f1: float | None

    @property
    def overall(self) -> Counts:
        return self.micro + self.macro

    @property
    def strs(self) -> float | None:
        """For micro-expressions, the ones that are recognised."""
        return None if self.recognition_f1 is None else self.micro.f1 * self.recognition_f1


def matches(truth: Sequence[Interval], spotted: Sequence[Interval]) -> list[tuple[int, int]]:
    """The largest set of pairs (true, spotted) that overlap enough, each interval in one pair at most.

    An augmenting path is searched for every true interval (Kuhn 1955), so that the answer does not hang on an order.
    """
    candidates = [
        [
            number
            for number, each in enumerate(spotted)
            if each.kind is true.kind and overlap(true, each) >= LEAST_OVERLAP
        ]
        for true in truth
    ]
    holder: dict[int, int] = {}

    def place(true: int, tried: set[int]) -> bool:
        for number in candidates[true]:
            if number not in tried:
                tried.add(number)
                if number not in holder or place(holder[number], tried):
                    holder[number] = true
                    return True
        return False

    for true in range(len(truth)):
        place(true, set())
    return sorted((true, number) for number, true in holder.items())


def score(films: Iterable[Film]) -> Scores:
    """Sum over the films, then take F1.

    Recognition is scored as the challenge does, on true positives with a label on both sides: the mean over the
    classes of the truth of F1 = 2TP / (2TP + FP + FN).
    """
    counts = dict.fromkeys(Kind, Counts())
    pairs: list[tuple[str, str]] = []
    named = False
    for film in films:
        found = matches(film.truth, film.spotted)
        named = named or any(each.label for each in film.spotted)
        for kind in Kind:
            true = sum(each.kind is kind for each in film.truth)
            spotted = sum(each.kind is kind for each in film.spotted)
            hits = sum(film.truth[index].kind is kind for index, _ in found)
            counts[kind] += Counts(hits, spotted - hits, true - hits)
        pairs += [
            (film.truth[true].label, film.spotted[number].label)
            for true, number in found
            if film.truth[true].kind is Kind.MICRO and film.truth[true].label
        ]
    return Scores(counts[Kind.MICRO], counts[Kind.MACRO], _recognition(pairs) if named else None)


def _recognition(pairs: Sequence[tuple[str, str]]) -> float:
    classes = sorted({true for true, _ in pairs})
    if not classes:
        return 0.0
    total = 0.0
    for label in classes:
        tp = sum(true == label == said for true, said in pairs)
        fp = sum(said == label != true for true, said in pairs)
        fn = sum(true == label != said for true, said in pairs)
        total += Counts(tp, fp, fn).f1
    return total / len(classes)
