"""Spotted films against their truth, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypedDict

from p2pfl_me.contract.network import Model
from p2pfl_me.data.labels import Labels
from p2pfl_me.errors import DataError
from p2pfl_me.live.film import Film
from p2pfl_me.live.whole import Result, Spotted
from p2pfl_me.spotting import metric
from p2pfl_me.spotting.event import Verdict
from p2pfl_me.spotting.interval import Interval


def score_films(truth: Mapping[str, tuple[Interval, ...]], found: Iterable[tuple[Film, Result]]) -> metric.Scores:
    """The challenge's scores over all films; persons are not told apart."""
    return metric.score(metric.Film(truth[film.name], _intervals(result.events)) for film, result in found)


def in_classes(truth: Mapping[str, tuple[Interval, ...]], model: Model) -> dict[str, tuple[Interval, ...]]:
    """The truth in the model's own classes: through its label map, where it has one. What that leaves out has no label,
    and counts for spotting alone.

    Raises
    ------
    DataError
        Labels that are none of the model's; all of them.
    """
    labels = Labels(model.classes, model.label_map.table if model.label_map else None)
    given = {each.label for intervals in truth.values() for each in intervals if each.label}
    if strange := [text for label in sorted(given) if (text := labels.complaint(label))]:
        named = "\n".join(f"  {text}" for text in strange)
        raise DataError(
            f"the truth has labels that the model does not know:\n{named}", fix="rename them, or leave them"
        )
    named_as = {label: labels.of(label, "") or "" for label in given} | {"": ""}
    return {
        film: tuple(replace(each, label=named_as[each.label]) for each in intervals)
        for film, intervals in truth.items()
    }


def score_text(scores: metric.Scores) -> str:
    """A few lines for the terminal."""
    lines = [f"{'':8}{'F1':>7}{'TP':>6}{'FP':>6}{'FN':>6}{'precision':>11}{'recall':>8}"]
    for name, counts in (("micro", scores.micro), ("macro", scores.macro), ("together", scores.overall)):
        found, there = counts.tp + counts.fp, counts.tp + counts.fn
        f1 = f"{counts.f1:.4f}" if found or there else "-"  # of none that nobody spotted there is no score
        precision = f"{counts.precision:.3f}" if found else "-"
        recall = f"{counts.recall:.3f}" if there else "-"
        lines.append(f"{name:8}{f1:>7}{counts.tp:6}{counts.fp:6}{counts.fn:6}{precision:>11}{recall:>8}")
    if scores.recognition_f1 is not None and scores.strs is not None:
        lines.append(f"recognition F1 on true positives {scores.recognition_f1:.4f}, STRS {scores.strs:.4f}")
    return "\n".join(lines)


class CountsObject(TypedDict):
    tp: int
    fp: int
    fn: int
    f1: float
    precision: float
    recall: float


class ScoreObject(TypedDict):
    """The figures of micro-, macro-expressions and both; no STRS where nothing was named."""

    micro: CountsObject
    macro: CountsObject
    together: CountsObject
    recognition_f1: float | None
    strs: float | None


def score_object(scores: metric.Scores) -> ScoreObject:
    """The same for machines."""
    return {
        "micro": _counted(scores.micro),
        "macro": _counted(scores.macro),
        "together": _counted(scores.overall),
        "recognition_f1": scores.recognition_f1,
        "strs": scores.strs,
    }


def _counted(counts: metric.Counts) -> CountsObject:
    return {
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "f1": counts.f1,
        "precision": counts.precision,
        "recall": counts.recall,
    }


def _intervals(spotted: Iterable[Spotted]) -> tuple[Interval, ...]:
    return tuple(
        replace(each.event.interval, label=each.name.label if each.name and each.name.sure else "")
        for each in spotted
        if each.event.verdict is Verdict.EXPRESSION
    )
