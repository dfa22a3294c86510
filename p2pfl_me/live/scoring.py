"""Spotted films against their truth, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from p2pfl_me.live.film import Film
from p2pfl_me.live.whole import Spotted
from p2pfl_me.spotting import metric
from p2pfl_me.spotting.event import Verdict
from p2pfl_me.spotting.interval import Interval


def score_films(
    truth: Mapping[str, tuple[Interval, ...]], found: Iterable[tuple[Film, Iterable[Spotted]]]
) -> metric.Scores:
    """The challenge's scores over all films; persons are not told apart."""
    return metric.score(metric.Film(truth[film.name], _intervals(spotted)) for film, spotted in found)


def score_text(scores: metric.Scores) -> str:
    """A few lines for the terminal."""
    lines = [f"{'':8}{'F1':>7}{'TP':>6}{'FP':>6}{'FN':>6}{'precision':>11}{'recall':>8}"]
    for name, counts in (("micro", scores.micro), ("macro", scores.macro), ("together", scores.overall)):
        lines.append(
            f"{name:8}{counts.f1:7.4f}{counts.tp:6}{counts.fp:6}{counts.fn:6}{counts.precision:11.3f}{counts.recall:8.3f}"
        )
    if scores.recognition_f1 is not None and scores.strs is not None:
        lines.append(f"recognition F1 on true positives {scores.recognition_f1:.4f}, STRS {scores.strs:.4f}")
    return "\n".join(lines)


def _intervals(spotted: Iterable[Spotted]) -> tuple[Interval, ...]:
    return tuple(
        replace(each.event.interval, label=each.name.label if each.name and each.name.sure else "")
        for each in spotted
        if each.event.verdict is Verdict.EXPRESSION
    )
