"""The tables of the page, from results alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p2pfl_me.evaluate.results import ArmScore, Results
from p2pfl_me.learning.statistics import by_model
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.comparison_field import FULL
from p2pfl_me.report.datasets import lacking_words
from p2pfl_me.report.document import Table
from p2pfl_me.report.formatting import signed
from p2pfl_me.report.paired import LEVEL, holm, together

MOST_PEERS = 24
NOBODY = "–"
"""No model was asked: that is no score of 0."""


def right(results: Results) -> str:
    """Frames are no clips: their share of right answers is never called accuracy."""
    return "samples right" if results.design.split.protocol.leaks else "accuracy"


def unit(results: Results) -> str:
    return "sample" if results.design.split.protocol.leaks else "clip"


def triple_table(results: Results) -> Table:
    """UF1, UAR and accuracy of every arm."""
    rows = []
    for arm in results.arms:
        score, uar, share = (results.score(arm, metric) for metric in ("uf1", "uar", "accuracy"))
        worst = "" if score is None or score.worst is None else f"{score.worst:.3f}"
        rows.append((arm.words, spread(score), interval_words(score), spread(uar), spread(share), worst))
    rows.append(("always the most frequent class", f"{results.chance():.3f}", "", "", "", ""))
    seeds = len(results.answers)
    over = "one seed" if seeds == 1 else f"mean ± standard deviation over {seeds} seeds"
    of_seeds = ", mean over seeds" * (seeds > 1)
    caption = (
        f"Scores of the pooled answers about {sum(results.support())} {unit(results)}s, over all classes; {over}. "
        f"The 95 % interval is over draws of subjects. Worst peer: the lowest UF1 of one peer's model{of_seeds}. "
        f"A mean counts the models that were asked.{once(results)}"
    )
    header = ("", "UF1", "95 % interval", "UAR", right(results), "worst peer")
    return Table(header, tuple(rows), caption)


def difference_table(results: Results) -> Table:
    """The pairs that were decided on beforehand."""
    found = list(results.differences())
    rows = [
        (
            f"{first.words} − {second.words}",
            signed(each.mean),
            f"{signed(each.interval.low)} to {signed(each.interval.high)}",
            p_words(each.p),
            "yes" if held else "cannot tell",
        )
        for (first, second, each), held in zip(found, holm([each.p for _, _, each in found]), strict=True)
    ]
    caption = (
        "Differences in UF1. The interval draws subjects again and again, the same for both sides; p is that of the "
        "paired permutation test, which swaps a subject's answers between the two sides"
        f"{', in all seeds together' * (len(results.answers) > 1)}. More "
        f"than luck: p holds at {LEVEL:g}{together(len(found))}."
    )
    return Table(
        ("", "difference", "95 % interval", "p", "more than luck"), tuple(rows), caption, words=frozenset({0, 4})
    )


def field_table(results: Results) -> Table:
    """UF1 and UAR with intervals over all data sets and for each, as the field prints them (MEGC 2019, table 2)."""
    columns = ("",) if len(results.datasets) == 1 else ("", *results.datasets)
    rows = []
    for arm in results.arms:
        if arm is Arm.AVERAGE and results.agreed:
            continue
        scores = [results.score(arm, metric, name) for name in columns for metric in ("uf1", "uar")]
        words = f"{arm.words} = {Arm.AVERAGE.words}" if arm is Arm.GOSSIP and results.agreed else arm.words
        rows.append((words, *map(bracketed, scores)))
    names = [name or (results.datasets[0] if len(columns) == 1 else FULL) for name in columns]
    header = ("", *(f"{name} {metric}" for name in names for metric in ("UF1", "UAR")))
    counts = ", ".join(f"{name} {sum(results.support(name))}" for name in results.datasets)
    caption = (
        f"UF1 and UAR over all classes with 95 % intervals over draws of subjects, from one pool of answers; "
        f"{unit(results)}s: {counts}. A mean counts the models that were asked."
        f"{lacking(results)}{once(results)}"
    )
    return Table(header, tuple(rows), caption)


def lacking(results: Results) -> str:
    """What a reader must know of data sets that show fewer classes than there are, or one subject alone."""
    found = ""
    for name in results.datasets:
        found += lacking_words(name, results.classes, results.support(name), unit(results))
        if len({clip.subject for clip in results.design.items.clips if clip.dataset == name}) == 1:
            found += f" {name} has one subject, so no interval can be drawn."
    return found


def class_table(results: Results) -> Table:
    """F1 of every class, over all data sets and for each."""
    arms = [arm for arm in results.arms if not (arm is Arm.AVERAGE and results.agreed)]
    parts = ("",) if len(results.datasets) == 1 else ("", *results.datasets)
    rows = []
    for name in parts:
        scores = [results.class_f1(arm, name) for arm in arms]
        for row, (each, support) in enumerate(zip(results.classes, results.support(name), strict=True)):
            part = f"{name or FULL}: " if any(parts) else ""
            rows.append((f"{part}{each}", str(support), *(number(values[row]) for values in scores)))
    header = ("F1", f"{unit(results)}s", *(arm.words for arm in arms))
    caption = (
        f"F1 of each class, mean over {'seeds and over ' * (len(results.answers) > 1)}the models that were asked; – "
        "where no held-out "
        f"{unit(results)} shows the class.{once(results)}"
    )
    return Table(header, tuple(rows), caption)


def once(results: Results) -> str:
    """Why a row that a reader looks for is not there a second time, or why the rows of one model differ."""
    if results.agreed:
        return (
            " Gossip peers and their average are one model here: after the last exchange the peers agreed in all "
            "folds, so their numbers are the same."
        )
    if results.one_model:
        return (
            " Gossip peers and their average are one model here; where their numbers differ, it is by the folds that "
            "some peers sat out."
        )
    return ""


def peer_table(results: Results) -> Table:
    """Each peer's own model under the first seed."""
    answers = results.answers[0]
    dealt = results.design.dealt[answers.seed]
    isolated, gossip = (by_model(results.counts(arm)[0]) for arm in (Arm.ISOLATED, Arm.GOSSIP))
    rows = []
    for peer in range(min(len(gossip), MOST_PEERS)):
        own = {item for peer_of in dealt.values() for item in range(len(peer_of)) if peer_of[item] == peer}
        clips = [results.design.items.clips[item] for item in own]
        datasets = ", ".join(sorted({clip.dataset for clip in clips}))
        subjects = str(len({clip.subject for clip in clips}))
        rows.append((f"peer {peer}", datasets, subjects, str(len(own)), number(isolated[peer]), number(gossip[peer])))
    more = f" The other {len(gossip) - MOST_PEERS} stand in scores.csv." if len(gossip) > MOST_PEERS else ""
    caption = (
        f"UF1 of each peer's own model over what it was asked (– nothing), seed {answers.seed}; subjects "
        f"and {unit(results)}s before any is held out.{more}"
    )
    header = ("", "data sets", "subjects", f"{unit(results)}s", "isolated", "gossip")
    return Table(header, tuple(rows), caption, words=frozenset({0, 1}))


def report_table(results: Results, arm: Arm) -> Table:
    """Precision, recall, F1 and support by class: the founding paper's figure 5."""
    metrics = results.report(arm)
    columns = (metrics.precision, metrics.recall, metrics.f1)
    support = results.support()
    rows = [
        (name, *(f"{column[row]:.3f}" for column in columns), str(support[row]))
        for row, name in enumerate(results.classes)
    ]
    total = str(sum(support))
    rows.append((right(results), "", "", f"{metrics.accuracy:.3f}", total))
    rows.append(("macro average", *(f"{column.mean():.3f}" for column in columns), total))
    rows.append(("weighted average", *(f"{metrics.weighted(column):.3f}" for column in columns), total))
    seeds = len(results.answers)
    joined = f" {seeds} seeds' answers in one matrix, so its macro F1 is not quite the mean UF1." if seeds > 1 else ""
    caption = f"Classification report of: {arm.words}. Support is {unit(results)}s held out.{joined}"
    return Table(("", "precision", "recall", "F1", "support"), tuple(rows), caption)


def p_words(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def plain_table(rows: Sequence[tuple[str, str]], caption: str = "") -> Table:
    """Names and values, without a header."""
    return Table(("", ""), tuple(rows), caption, words=frozenset({0, 1}))


def spread(score: ArmScore | None) -> str:
    if score is None:
        return NOBODY
    return f"{score.mean:.3f}" + (f" ± {score.std:.3f}" if score.std is not None else "")


def interval_words(score: ArmScore | None) -> str:
    bounds = score.interval if score else None
    return f"{bounds.low:.3f} to {bounds.high:.3f}" if bounds else NOBODY


def bracketed(score: ArmScore | None) -> str:
    """`0.719 [0.65, 0.78]`: many stand in a row."""
    if score is None:
        return NOBODY
    return f"{score.mean:.3f}" + (f" [{score.interval.low:.2f}, {score.interval.high:.2f}]" if score.interval else "")


def number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else NOBODY
