"""From a run to its numbers: score curves, final scores, per-class tables, and their summary over seeds.

Pure functions on values of `run`; no files, no drawing. A peer's final score is that of the last round it
reached: picking its best round would be a choice made on the test clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from p2pfl_me.learning.metrics import accuracy, commonest, dense, present_mean, uar, uf1
from p2pfl_me.learning.statistics import Interval, interval
from p2pfl_me.report.arms import IN_A_RUN, Arm
from p2pfl_me.report.run import Run
from p2pfl_me.run.events import Scores
from p2pfl_me.run.results import Curve

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
SCORES: Mapping[str, Callable[[npt.ArrayLike], Floats]] = {
    "uf1": uf1,
    "macro_f1": uf1,
    "uar": uar,
    "accuracy": accuracy,
}
METRICS = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy"}


def part_of(run: Run) -> str | None:
    """The clips that scores are on: "test" where any peer has them, else "validation", else None."""
    for part in ("test", "validation"):
        if any(each.scores(part) for log in run.peers for each in log.rounds):
            return part
    return None


def why_unscored(runs: Sequence[Run]) -> str:
    """Why runs have no score: test clips are asked about at the end of a round."""
    ended = any(log.rounds for run in runs for log in run.peers)
    return "no test clips, so no score" if ended else "no peer came to the end of a round, so no score"


@dataclass(frozen=True, slots=True, eq=False)
class PeerCurves:
    """A quantity by round and peer. `values` has shape (rounds, peers), NaN where a peer has none."""

    rounds: tuple[int, ...]
    peers: tuple[int, ...]
    values: Floats

    def final(self) -> dict[int, float]:
        """Each peer's value at the last round where it has one."""
        return {peer: value for peer, _, value in self.cells()}

    def mean(self) -> Floats:
        """Mean over the peers present, shape (rounds,)."""
        return present_mean(self.values.T) if self.peers else np.zeros(0)

    def cells(self) -> Iterator[tuple[int, int, float]]:
        """(peer, round, value), peer by peer."""
        for column, peer in enumerate(self.peers):
            for index, value in zip(self.rounds, self.values[:, column], strict=True):
                if np.isfinite(value):
                    yield peer, index, float(value)


ALONE = -1
"""Who an arm's model belongs to where it has a single one for all peers."""


def score_curves(run: Run, metric: str, arm: Arm = Arm.GOSSIP) -> PeerCurves:
    """A metric ("uf1", "uar", "accuracy", ...) of an arm's models after every round; of gossip "loss" is in training.

    Gossip's are each peer's own model; an arm with one model has it under `ALONE`. Empty where the arm was not run.
    """
    curves: Mapping[int, Curve] = {}
    if arm is Arm.GOSSIP:
        part = part_of(run)
        if metric == "loss":
            return _curves({(each.round, log.peer): each.loss for log in run.peers for each in log.rounds})
        if part:
            curves = {
                log.peer: tuple((each.round, scores) for each in log.rounds if (scores := each.scores(part)))
                for log in run.peers
            }
    elif arm is Arm.AVERAGE:
        last = max((log.last_round for log in run.peers), default=0)
        curves = {ALONE: ((last, run.average),)} if run.average else {}
    elif arm is Arm.ISOLATED:
        curves = {peer: _from_one(curve) for peer, curve in run.baselines.isolated.items()}
    elif arm is Arm.FEDAVG or arm is Arm.POOLED:
        curves = {ALONE: _from_one(run.baselines.fedavg if arm is Arm.FEDAVG else run.baselines.pooled)}
    return _curves({(index, peer): told.get(metric) for peer, curve in curves.items() for index, told in curve})


def _from_one(curve: Curve) -> Curve:
    """A report counts rounds from 1, whatever the file does."""
    shift = 1 - min((index for index, _ in curve), default=1)
    return tuple((index + shift, scores) for index, scores in curve)


def _curves(told: Mapping[tuple[int, int], float | None]) -> PeerCurves:
    cells = {place: value for place, value in told.items() if value is not None}
    rounds = tuple(sorted({index for index, _ in cells}))
    peers = tuple(sorted({peer for _, peer in cells}))
    values = np.full((len(rounds), len(peers)), np.nan)
    for (index, peer), value in cells.items():
        values[rounds.index(index), peers.index(peer)] = value
    return PeerCurves(rounds, peers, values)


def final_scores(run: Run, arm: Arm, metric: str, dataset: str = "") -> dict[int, float]:
    """Final scores by peer; an arm with a single model stands under `ALONE`. Empty where the arm was not run.

    Of one data set's clips by "uf1", "macro_f1", "uar" or "accuracy", or of all by any metric.
    """
    if not dataset:
        return score_curves(run, metric, arm).final()
    score = SCORES[metric]
    return {peer: float(score(each)) for peer, each in arm_confusions(run, arm, dataset).items() if each.any()}


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and sample standard deviation over seeds; `std` is None with one seed."""

    mean: float
    std: float | None
    seeds: int


def spread(values: Sequence[float]) -> Spread | None:
    """Mean and spread of one number a run; None for no runs."""
    if not values:
        return None
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), std, len(values))


def over_seeds(runs: Sequence[Run], arm: Arm, metric: str) -> Spread | None:
    """The arm's mean over its peers, then mean and spread over runs."""
    return spread([float(np.mean(list(final.values()))) for run in runs if (final := final_scores(run, arm, metric))])


def extremes(runs: Sequence[Run], arm: Arm, metric: str) -> tuple[Spread, Spread] | None:
    """The worst and the best peer, each over runs; None for an arm without peers."""
    finals = [list(final.values()) for run in runs if len(final := final_scores(run, arm, metric)) > 1]
    worst, best = spread([min(final) for final in finals]), spread([max(final) for final in finals])
    return (worst, best) if worst and best else None


def confusion_of(scores: Scores | None, dataset: str = "") -> Counts | None:
    """A confusion matrix, shape (K, K), rows the true classes; None where there is none, or no square of counts.

    Of one data set's clips, or of all.
    """
    if scores is None:
        return None
    rows = scores.by_dataset.get(dataset) if dataset else scores.confusion
    if not rows or any(len(row) != len(rows) or min(row) < 0 for row in rows):
        return None
    return np.array(rows, dtype=np.int64)


def final_confusions(run: Run) -> dict[int, Counts]:
    """Each peer's confusion matrix at its last scored round."""
    return arm_confusions(run, Arm.GOSSIP)


def mean_confusion(run: Run) -> Floats | None:
    """The confusion matrix of the mean peer: counts averaged over the peers' final models, shape (K, K)."""
    matrices = [matrix for matrix in final_confusions(run).values() if matrix.any()]
    return present_mean(matrices) if len({matrix.shape for matrix in matrices}) == 1 else None


def chance_uf1(runs: Sequence[Run]) -> float | None:
    """UF1 of always naming the most frequent class of the test clips, the mean over the runs that have any."""
    supports = [matrix.sum(axis=1) for run in runs if (matrix := mean_confusion(run)) is not None and matrix.any()]
    return float(np.mean([uf1(commonest(support)) for support in supports])) if supports else None


def arm_confusions(run: Run, arm: Arm, dataset: str = "") -> dict[int, Counts]:
    """Confusion matrices of an arm's final models by peer, one model's under `ALONE`; those that were written down.

    Of one data set's clips, or of all.
    """
    found = ((peer, confusion_of(scores, dataset)) for peer, scores in _last(run, arm).items())
    return {peer: matrix for peer, matrix in found if matrix is not None}


def datasets_of(run: Run) -> tuple[str, ...]:
    """The data sets of the clips that its final models were scored on; none where an older version wrote the run."""
    last = (scores for arm in IN_A_RUN for scores in _last(run, arm).values())
    return tuple(sorted({name for scores in last if scores for name in scores.by_dataset}))


def _last(run: Run, arm: Arm) -> Mapping[int, Scores | None]:
    """What an arm's final models scored, by peer."""
    last: dict[int, Scores | None] = {}
    if arm is Arm.GOSSIP:
        part = part_of(run) or "test"
        every = ((log.peer, each.scores(part)) for log in run.peers for each in log.rounds)
        last = {peer: scores for peer, scores in every if confusion_of(scores) is not None}
    elif arm is Arm.AVERAGE:
        last = {ALONE: run.average}
    elif arm is Arm.ISOLATED:
        last = {peer: curve[-1][1] for peer, curve in run.baselines.isolated.items() if curve}
    else:
        curve = run.baselines.fedavg if arm is Arm.FEDAVG else run.baselines.pooled if arm is Arm.POOLED else ()
        last = {ALONE: curve[-1][1]} if curve else {}
    return last


def people_of(scores: Scores | None, dataset: str = "") -> Counts | None:
    """Each person's confusion, int64 (S, K, K), of one data set's or of all; None where they were not kept."""
    whole = confusion_of(scores, dataset)
    if scores is None or whole is None:
        return None
    names = [dataset] if dataset else sorted(scores.by_subject)
    found = [dense(each, len(whole)) for name in names for each in scores.by_subject.get(name, ())]
    each = np.array([matrix for matrix in found if matrix is not None], dtype=np.int64)
    return each if len(each) == len(found) and np.array_equal(each.sum(axis=0), whole) else None


def arm_people(run: Run, arm: Arm, dataset: str = "") -> tuple[Counts, ...]:
    """Confusions by person of an arm's final models, each int64 (S, K, K); empty where one did not keep them."""
    asked = [each for each in _last(run, arm).values() if confusion_of(each, dataset) is not None]
    found = [people_of(each, dataset) for each in asked]
    return tuple(each for each in found if each is not None) if all(each is not None for each in found) else ()


def subject_interval(
    models: Sequence[Counts], metric: Callable[[npt.ArrayLike], Floats] = uf1, draws: int = 2000
) -> Interval | None:
    """The interval of the mean of these models' scores over draws of the people that they were asked about.

    `models` are confusions by person, int64 (S, K, K). Models that were asked the same number of clips of each class by
    each person were asked the same people; others are of peers with test clips of their own.
    """
    tests = {each.sum(axis=2).tobytes(): len(each) for each in models}
    begin = dict(zip(tests, np.cumsum([0, *tests.values()]), strict=False))
    if not models:
        return None
    stack = np.zeros((len(models), sum(tests.values()), *models[0].shape[1:]), dtype=np.int64)
    for row, each in zip(stack, models, strict=True):
        first = begin[each.sum(axis=2).tobytes()]
        row[first : first + len(each)] = each
    return interval([stack], metric, draws)


def shown_interval(run: Run) -> tuple[Arm, Interval] | str:
    """What stands beside a run's score: the average model's interval, or that of the peers' own where nobody averaged
    them, as in what a laboratory keeps of a run; words why there is none."""
    known = {arm: arm_people(run, arm) for arm in ((Arm.GOSSIP,) if run.sole else (Arm.AVERAGE, Arm.GOSSIP))}
    for arm, models in known.items():
        if found := subject_interval(models):
            return arm, found
    if any(known.values()):
        return f"no interval, as the {part_of(run)} clips show one subject"
    return f"no interval, as the answers to {part_of(run)} clips were not kept by subject"


def average_interval(run: Run) -> Interval | None:
    """That of the average model; None where it was not scored, or on one person's clips, or on nobody knows whose."""
    return subject_interval(arm_people(run, Arm.AVERAGE))
