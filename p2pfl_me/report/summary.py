"""A run in numbers: the object that `--json` prints, and the lines of scores at a command's end (docs/json.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

from p2pfl_me.report.arms import IN_A_RUN, Arm
from p2pfl_me.report.datasets import several_datasets
from p2pfl_me.report.origin import network_of
from p2pfl_me.report.results import METRICS, average_interval, final_scores, over_seeds, spread, why_unscored
from p2pfl_me.report.run import Run

ByPeer = Mapping[str, float]
"""Numbers by peer: JSON's keys are texts."""
ScoresObject = Mapping[str, Mapping[str, float | ByPeer]]
"""Arm by arm, metric by metric: the number of one model, or those of the peers'."""


class RunObject(TypedDict):
    """One run; keys are added under the same `format`, and removed or changed only with another."""

    folder: str
    name: str
    seed: int
    graph: str
    protocol: str
    network: str
    origin: str
    classes: list[str]
    peers: int
    liars: list[int]
    rounds: int
    rounds_done: Mapping[str, int]
    scores: ScoresObject
    scores_by_dataset: Mapping[str, ScoresObject]
    average_uf1_interval: list[float] | None
    bytes_sent: Mapping[str, int]
    warnings: list[str]


class RunsObject(TypedDict):
    """What every command about runs prints of them."""

    runs: list[RunObject]


class SwarmObject(RunsObject):
    """What `p2pme swarm --json` prints; `report` is the page."""

    exit_code: int
    report: str | None


def as_object(runs: Sequence[Run]) -> RunsObject:
    """Each run by itself."""
    return {"runs": [_run(run) for run in runs]}


def _run(run: Run) -> RunObject:
    contract, interval = run.contract, average_interval(run)
    return {
        "folder": str(run.folder),
        "name": contract.name,
        "seed": contract.seed,
        "graph": contract.topology.kind,
        "protocol": contract.gossip.protocol.kind,
        "network": str(contract.model.backbone),
        "origin": network_of(run),
        "classes": list(contract.model.classes),
        "peers": contract.peers.count,
        "liars": sorted(run.manifest.liars),
        "rounds": contract.training.rounds,
        "rounds_done": {str(log.peer): max((each.round for each in log.rounds), default=0) for log in run.peers},
        "scores": {arm.value: scores for arm in IN_A_RUN if (scores := _scores(run, arm))},
        "scores_by_dataset": {
            name: {arm.value: scores for arm in IN_A_RUN if (scores := _scores(run, arm, name))}
            for name in several_datasets([run])
        },
        "average_uf1_interval": [interval.low, interval.high] if interval else None,
        "bytes_sent": {str(peer): sum(each.wire for each in sent) for peer, sent in sorted(run.egress.items())},
        "warnings": list(run.warnings),
    }


def _scores(run: Run, arm: Arm, dataset: str = "") -> dict[str, float | ByPeer]:
    """By metric: the number of an arm with one model, or those of its peers by id."""
    found: dict[str, float | ByPeer] = {}
    for metric in METRICS:
        if final := final_scores(run, arm, metric, dataset):
            found[metric] = final[-1] if set(final) == {-1} else {str(peer): final[peer] for peer in sorted(final)}
    return found


def as_lines(runs: Sequence[Run]) -> list[str]:
    """One line an arm: UF1, UAR and accuracy, of arms with peers the mean and the worst; over seeds the deviation."""
    alone = all(run.sole for run in runs)
    arms = [arm for arm in IN_A_RUN if not (alone and arm is Arm.AVERAGE) and over_seeds(runs, arm, "uf1")]
    lines = [_line(runs, arm, arm.of(alone=alone)) for arm in arms]
    if not lines:
        return [why_unscored(runs)]
    lines += _dataset_lines(runs, Arm.GOSSIP if alone else Arm.AVERAGE, "the peer" if alone else "")
    words = dict.fromkeys(words for run in runs for words in run.warnings)
    return lines + [f"no measure of recognition: {each}" for each in words]


def _dataset_lines(runs: Sequence[Run], arm: Arm, whose: str) -> Iterator[str]:
    """An arm's scores on each data set's clips, where there are several; means over seeds."""
    for name in several_datasets(runs):
        parts = []
        for metric, title in METRICS.items():
            finals = [each for run in runs for each in final_scores(run, arm, metric, name).values()]
            if (found := spread(finals)) is not None:
                parts.append(f"{title} {found.mean:.3f}" + (f" ± {found.std:.3f}" if found.std is not None else ""))
        if parts:
            yield f"  on clips of {name}, {whose or arm.words.lower()}: {', '.join(parts)}"


def _line(runs: Sequence[Run], arm: Arm, name: str) -> str:
    parts = []
    for metric, title in METRICS.items():
        spread = over_seeds(runs, arm, metric)
        if spread is None:
            continue
        deviation = f" ± {spread.std:.3f}" if spread.std is not None else ""
        finals = [final for run in runs if len(final := final_scores(run, arm, metric)) > 1]
        worst = f" (worst peer {min(min(final.values()) for final in finals):.3f})" if finals else ""
        parts.append(f"{title} {spread.mean:.3f}{deviation}{worst}")
    return f"{name}: {', '.join(parts)}"
