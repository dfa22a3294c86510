"""The tables of the page, from results alone."""

from __future__ import annotations

from collections.abc import Sequence

from p2pfl_me.evaluate.arms import Arm
from p2pfl_me.evaluate.results import ArmScore, Results
from p2pfl_me.evaluate.statistics import by_model
from p2pfl_me.report.document import Table

MOST_PEERS = 24


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
        worst = "" if score.worst is None else f"{score.worst:.3f}"
        rows.append((arm.words, spread(score), interval_words(score), spread(uar), spread(share), worst))
    rows.append(("always the commonest class", f"{results.chance():.3f}", "", "", "", ""))
    seeds = len(results.answers)
    over = "one seed" if seeds == 1 else f"mean ± standard deviation over {seeds} seeds"
    caption = (
        f"Scores of the pooled answers about {sum(results.support())} {unit(results)}s, over all classes; {over}. "
        "The 95 % interval is over draws of subjects. Worst peer: the lowest UF1 of one peer's model, mean over seeds."
    )
    header = ("", "UF1", "95 % interval", "UAR", right(results), "worst peer")
    return Table(header, tuple(rows), frozenset(range(1, 6)), caption)


def difference_table(results: Results) -> Table:
    """The pairs that were decided on beforehand."""
    rows = [
        (
            f"{first.words} − {second.words}",
            f"{found.mean:+.3f}",
            f"{found.interval.low:+.3f} to {found.interval.high:+.3f}",
            p_words(found.p),
        )
        for first, second, found in results.differences()
        if {first, second} <= set(results.arms)
    ]
    caption = (
        "Differences in UF1. The interval draws subjects again and again, the same for both sides; p is that of the "
        "paired permutation test, which swaps a subject's answers between the two sides, in all seeds together."
    )
    return Table(("", "difference", "95 % interval", "p"), tuple(rows), frozenset({1, 2, 3}), caption)


def dataset_table(results: Results) -> Table:
    """UF1 / UAR by data set, from the same pool of answers."""
    rows = []
    for arm in results.arms:
        cells = [
            f"{results.score(arm, 'uf1', name).mean:.3f} / {results.score(arm, 'uar', name).mean:.3f}"
            for name in results.datasets
        ]
        rows.append((arm.words, *cells))
    counts = ", ".join(f"{name} {sum(results.support(name))}" for name in results.datasets)
    caption = f"UF1 / UAR of each data set's part of the same answers, over all classes; {unit(results)}s: {counts}."
    return Table(("", *results.datasets), tuple(rows), frozenset(range(1, 1 + len(results.datasets))), caption)


def peer_table(results: Results) -> Table:
    """Each peer's own model under the first seed."""
    answers = results.answers[0]
    homes = results.design.homes[answers.seed]
    isolated, gossip = (by_model(results.counts(arm)[0]) for arm in (Arm.ISOLATED, Arm.GOSSIP))
    rows = []
    for peer in range(min(len(gossip), MOST_PEERS)):
        own = {item for home in homes.values() for item in range(len(home)) if home[item] == peer}
        clips = [results.design.items.clips[item] for item in own]
        datasets = ", ".join(sorted({clip.dataset for clip in clips}))
        subjects = str(len({clip.subject for clip in clips}))
        rows.append((f"peer {peer}", datasets, subjects, str(len(own)), f"{isolated[peer]:.3f}", f"{gossip[peer]:.3f}"))
    more = f" The other {len(gossip) - MOST_PEERS} stand in scores.csv." if len(gossip) > MOST_PEERS else ""
    caption = (
        f"UF1 of each peer's own model over the whole pool, seed {answers.seed}; subjects and {unit(results)}s before "
        f"any is held out.{more}"
    )
    header = ("", "data sets", "subjects", f"{unit(results)}s", "isolated", "gossip")
    return Table(header, tuple(rows), frozenset({2, 3, 4, 5}), caption)


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
    return Table(("", "precision", "recall", "F1", "support"), tuple(rows), frozenset({1, 2, 3, 4}), caption)


def p_words(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def plain_table(rows: Sequence[tuple[str, str]], caption: str = "") -> Table:
    """Names and values, without a header."""
    return Table(("", ""), tuple(rows), frozenset(), caption)


def spread(score: ArmScore) -> str:
    return f"{score.mean:.3f}" + (f" ± {score.std:.3f}" if score.std is not None else "")


def interval_words(score: ArmScore) -> str:
    return f"{score.interval.low:.3f} to {score.interval.high:.3f}"
