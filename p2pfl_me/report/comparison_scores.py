"""The scores of a comparison: a table a metric, with the baselines."""

from __future__ import annotations

from collections.abc import Iterator

from p2pfl_me.report.arms import BASELINES, Arm
from p2pfl_me.report.document import Block, Paragraph, Table
from p2pfl_me.report.formatting import figure
from p2pfl_me.report.methods import METRIC, Method, Setting, lent_baselines
from p2pfl_me.report.results import METRICS, extremes, over_seeds


def score_blocks(setting: Setting) -> Iterator[Block]:
    """Tables of final scores, a metric each."""
    for metric, title in METRICS.items():
        whose = ("the model",) if setting.alone else ("average model", "mean peer", "worst peer", "best peer")
        yield Table((title, *whose), tuple(_score_rows(setting, metric)), folded="" if metric == METRIC else title)
    over = ", mean ± standard deviation over seeds" * setting.several
    every = "every seed" if setting.several else "every number"
    yield Paragraph(f"Scores at the last round{over}; macro F1 is UF1 under its other name. scores.csv has {every}.")


def _score_rows(setting: Setting, metric: str) -> Iterator[tuple[str, ...]]:
    for method in setting.methods:
        if setting.alone:
            yield method.name, _figure(method, Arm.GOSSIP, metric)
        else:
            yield (method.name, _figure(method, Arm.AVERAGE, metric), *_peers(method, Arm.GOSSIP, metric))
    for arm in BASELINES:
        for lent in lent_baselines(setting, arm):
            if over_seeds(lent.runs, arm, metric) is not None:
                words = arm.of(alone=setting.alone)
                name = f"{lent.name}: {words}" if lent.name else words
                one = (_figure(lent, arm, metric), *([] if setting.alone else ["", "", ""]))
                of_peers = arm is Arm.ISOLATED and not setting.alone
                yield (name, *(("", *_peers(lent, arm, metric)) if of_peers else one))


def _figure(method: Method, arm: Arm, metric: str) -> str:
    return figure(over_seeds(method.runs, arm, metric))


def _peers(method: Method, arm: Arm, metric: str) -> tuple[str, ...]:
    """The mean, the worst and the best peer; the last two are nobody's where there is one."""
    ends = extremes(method.runs, arm, metric) or (None, None)
    return (_figure(method, arm, metric), *map(figure, ends))
