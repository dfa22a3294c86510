"""Writes an evaluation's files: page, figures, run card, split, and every answer as CSV. No image is among them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from p2pfl_me.evaluate.answers import rows
from p2pfl_me.evaluate.card import card_markdown, run_card
from p2pfl_me.evaluate.cost import MB
from p2pfl_me.evaluate.document import compose
from p2pfl_me.evaluate.folder import ANSWERS, CARD
from p2pfl_me.evaluate.results import SCORES, Results
from p2pfl_me.learning.statistics import by_model
from p2pfl_me.report.numbers import Cell
from p2pfl_me.report.style import house_style
from p2pfl_me.report.warning import warned_csv, warning_words
from p2pfl_me.report.write import write_document


def write_results(results: Results, out: Path) -> Path:
    """Write everything below `out` and give the page's path.

    Raises
    ------
    RunError
        `out` cannot be written.
    """
    with house_style():
        return write_document(compose(results), texts(results), out)


def texts(results: Results) -> dict[str, str]:
    """What lies beside the page, by file name."""
    card = run_card(results)
    steps = [(step.round, step.uf1, step.sent / MB, step.seconds) for step in results.course]
    course = {"course.csv": _csv(results, COURSE, iter(steps))} if steps else {}
    return course | {
        CARD: json.dumps(card, indent=1) + "\n",
        "card.md": card_markdown(card),
        ANSWERS: _csv(results, PREDICTIONS, _predictions(results)),
        "scores.csv": _csv(results, SCORE_HEADER, _scores(results)),
        "differences.csv": _csv(results, DIFFERENCES, _differences(results)),
    }


PREDICTIONS = ("seed", "arm", "peer", "dataset", "subject", "clip", "label", "predicted")
SCORE_HEADER = ("seed", "arm", "peer", "dataset", "metric", "score")
COURSE = ("round", "uf1", "mb_a_peer", "seconds_a_peer")
DIFFERENCES = ("first", "second", "uf1", "low", "high", "p")


def _csv(results: Results, header: Sequence[str], lines: Iterator[tuple[Cell, ...]]) -> str:
    return warned_csv(header, list(lines), warning_words(results.design.warnings))


def _predictions(results: Results) -> Iterator[tuple[Cell, ...]]:
    items, classes = results.design.items, results.classes
    names = items.names
    for seed, arm, peer, item, predicted in rows(results.answers):
        clip = items.clips[item]
        who = None if peer < 0 else peer
        yield seed, arm.value, who, clip.dataset, clip.subject, names[item], clip.label, classes[predicted]


def _scores(results: Results) -> Iterator[tuple[Cell, ...]]:
    """Every model's score, over all and by data set, of those that were asked about it."""
    for arm in results.arms:
        for dataset in ("", *results.datasets):
            for answers, counts in zip(results.answers, results.counts(arm, dataset), strict=True):
                for metric, score in SCORES.items():
                    values = by_model(counts, score)
                    for peer, value in enumerate(values):
                        who = peer if len(values) > 1 else None
                        if np.isfinite(value):  # who was not asked has no row
                            yield answers.seed, arm.value, who, dataset or "all", metric, float(value)


def _differences(results: Results) -> Iterator[tuple[Cell, ...]]:
    for first, second, found in results.differences():
        yield first.value, second.value, found.mean, found.interval.low, found.interval.high, found.p
