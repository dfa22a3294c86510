"""All answers of an evaluation, and every figure that is told about them. Computed here once; pages only print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from p2pfl_me.evaluate.answers import ARMS, Answers, numbered, tally
from p2pfl_me.evaluate.cost import SeedCourse, Step, reached, steps_of
from p2pfl_me.evaluate.design import Design
from p2pfl_me.evaluate.units import Unit
from p2pfl_me.learning.metrics import (
    Counts,
    Metrics,
    Scores,
    accuracy,
    commonest,
    f1,
    present_mean,
    uar,
    uf1,
)
from p2pfl_me.learning.statistics import (
    Difference,
    Interval,
    Score,
    by_model,
    difference,
    interval,
    known,
    mean_counts,
    statistic,
)
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.arms_picture import ArmRow

SCORES: Mapping[str, Score] = {"uf1": uf1, "uar": uar, "accuracy": accuracy}
COMPARED = (
    (Arm.GOSSIP, Arm.POOLED),
    (Arm.GOSSIP, Arm.ISOLATED),
    (Arm.AVERAGE, Arm.POOLED),
    (Arm.AVERAGE, Arm.ISOLATED),
)
COMPARED_BY_OWN_PEER = ((Arm.GOSSIP_OWN_PEER, Arm.POOLED), (Arm.GOSSIP_OWN_PEER, Arm.ISOLATED_OWN_PEER))
"""Where parts stay home: each peer's model is for its own subjects, and their average mixes parts that never met."""

ONE_MODEL = 1e-6
"""A consensus distance of float32 rounding alone."""


@dataclass(frozen=True, slots=True)
class Took:
    """What one unit took."""

    unit: Unit
    steps: Mapping[str, int]
    distance: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ArmScore:
    """One arm's score: the mean over seeds and models, its interval over subjects, and the spread.

    `seeds` holds each seed's mean over models, None for a seed in which nobody was asked; `worst` the mean over seeds
    of the worst model, where there are several. Only models that were asked count. One subject gives no
    interval.
    """

    mean: float
    interval: Interval | None
    seeds: tuple[float | None, ...]
    worst: float | None

    @property
    def std(self) -> float | None:
        """Over seeds; None with a single one."""
        values = [value for value in self.seeds if value is not None]
        return float(np.std(values, ddof=1)) if len(values) > 1 else None


@dataclass(frozen=True, eq=False)
class Results:
    """An evaluation, whole."""

    design: Design
    answers: tuple[Answers, ...] = field(repr=False)
    took: tuple[Took, ...] = field(repr=False)
    seconds: float
    command: str
    courses: tuple[SeedCourse, ...] = field(default=(), repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.design.contract.model.classes

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        return numbered([clip.dataset for clip in self.design.items.clips])[1]

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Those that answered about every item that was held out."""
        held = np.zeros(len(self.design.items), dtype=bool)
        for fold in self.design.split.folds:
            held[list(fold.test)] = True
        return tuple(
            arm for arm in ARMS if all(np.all(np.any(each.models[arm] >= 0, axis=0)[held]) for each in self.answers)
        )

    @cached_property
    def _counts(self) -> dict[tuple[Arm, str], tuple[Counts, ...]]:
        return {}

    def counts(self, arm: Arm, dataset: str = "") -> tuple[Counts, ...]:
        """Confusion counts by model and subject, int64 (n, S, K, K), one array a seed; of one data set, or of all."""
        key = (arm, dataset)
        if key not in self._counts:
            inside = np.array([not dataset or clip.dataset == dataset for clip in self.design.items.clips])
            subjects, _ = numbered([clip.subject for clip in self.design.items.clips])
            used = np.unique(subjects[inside])
            group = np.minimum(np.searchsorted(used, subjects), len(used) - 1)
            true, size = self.design.items.labels, len(self.classes)
            self._counts[key] = tuple(
                tally(np.where(inside, each.models[arm], -1), true, group, len(used), size) for each in self.answers
            )
        return self._counts[key]

    def score(self, arm: Arm, metric: str, dataset: str = "") -> ArmScore | None:
        """None where no model of the arm was asked about the data set: that is no score of 0."""
        seeds, score = self.counts(arm, dataset), SCORES[metric]
        mean, bounds = statistic(seeds, score), interval(seeds, score)
        if mean is None:
            return None
        each = [by_model(counts, score) for counts in seeds]
        worst = present_mean(np.min(asked) for values in each if (asked := values[np.isfinite(values)]).size)
        return ArmScore(
            mean,
            bounds,
            tuple(known(present_mean(values)) for values in each),
            known(worst) if len(each[0]) > 1 else None,
        )

    def class_f1(self, arm: Arm, dataset: str = "") -> Scores:
        """F1 by class, the mean over seeds and models, float64 (K,); NaN of a class that no held-out item shows."""
        found = present_mean(present_mean(by_model(counts, f1)) for counts in self.counts(arm, dataset))
        return np.where(np.array(self.support(dataset)) > 0, found, np.nan)

    def differences(self) -> Iterator[tuple[Arm, Arm, Difference]]:
        """The pairs that were decided on beforehand, by UF1; without those that were asked nothing in common."""
        for first, second in COMPARED_BY_OWN_PEER if self.by_own_peer else COMPARED:
            if {first, second} <= set(self.arms) and (
                found := difference(self.counts(first), self.counts(second))
            ) is not None:
                yield first, second, found

    @cached_property
    def by_own_peer(self) -> bool:
        """Whether each model is judged by its own peer's subjects alone: parts of it stay home, and it is for them."""
        own = {Arm.GOSSIP_OWN_PEER, Arm.ISOLATED_OWN_PEER}
        return bool(self.design.contract.gossip.personal) and own <= set(self.arms)

    @property
    def shared(self) -> Arm:
        """The arm that says what sharing is worth."""
        return Arm.GOSSIP_OWN_PEER if self.by_own_peer else Arm.GOSSIP

    @cached_property
    def course(self) -> tuple[Step, ...]:
        """UF1 of that arm after every round, and what it took; empty where only the end was asked."""
        true, size = self.design.items.labels, len(self.classes)
        return steps_of([self._asked(each) for each in self.courses], true, size)

    def _asked(self, course: SeedCourse) -> SeedCourse:
        if not self.by_own_peer:
            return course
        peer_of = np.max(np.stack(list(self.design.dealt[course.seed].values())), axis=0)
        return replace(course, models=course.models[:, peer_of, np.arange(len(peer_of))][:, None])

    def to_target(self) -> Step | None:
        """The first round after which it has the target that was asked for; None where it never has."""
        target = self.design.request.target
        return None if target is None else reached(self.course, target)

    def confusion(self, arm: Arm) -> Scores:
        """The mean over seeds and models, float64 (K, K), of all held-out items: whole for one model and seed."""
        return mean_counts(self.counts(arm))

    def report(self, arm: Arm) -> Metrics:
        """All seeds' and models' answers in one confusion matrix."""
        total: Counts = np.sum([counts.sum(axis=(0, 1)) for counts in self.counts(arm)], axis=0)
        return Metrics(total)

    def chance(self) -> float:
        """UF1 of always naming the most frequent class."""
        return float(uf1(commonest(self.support())))

    def support(self, dataset: str = "") -> list[int]:
        """Held-out items by class."""
        return [int(count) for count in self.counts(Arm.POOLED, dataset)[0].sum(axis=(0, 1, 3))]

    @cached_property
    def one_model(self) -> bool:
        """Whether the gossip peers and their average gave the same answers because they are one model."""
        distance = self.distance()
        return (
            distance is not None
            and distance < ONE_MODEL
            and all(
                bool(np.all((each.models[Arm.GOSSIP] == each.models[Arm.AVERAGE]) | (each.models[Arm.GOSSIP] < 0)))
                for each in self.answers
            )
        )

    @cached_property
    def agreed(self) -> bool:
        """Whether they also were asked about the same, so that every number of the two is the same by construction."""
        return self.one_model and all(
            bool(np.all(each.models[Arm.GOSSIP] == each.models[Arm.AVERAGE])) for each in self.answers
        )

    def arm_rows(self) -> tuple[ArmRow, ...]:
        """What the figure shows of each arm."""
        found = []
        for arm in self.arms:
            models = [
                (answers.seed, peer if len(counts) > 1 else None, float(value))
                for answers, counts in zip(self.answers, self.counts(arm), strict=True)
                for peer, value in enumerate(by_model(counts))
                if np.isfinite(value)
            ]
            if (score := self.score(arm, "uf1")) is not None:
                ends = (score.interval.low, score.interval.high) if score.interval else (None, None)
                found.append(ArmRow(arm, score.mean, tuple(models), score.std, *ends))
        return tuple(found)

    def distance(self) -> float | None:
        """The mean over folds and seeds of the peers' distance to their average after the last exchange."""
        return known(present_mean(each.distance for each in self.took if each.distance is not None))

    def steps(self, arm: Arm) -> int:
        """Training steps of all units together."""
        return sum(each.steps.get(arm, 0) for each in self.took)
