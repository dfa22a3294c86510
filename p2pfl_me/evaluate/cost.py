"""What a score costs: UF1 after every round, with the bytes that a peer has sent and the time that it has worked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from p2pfl_me.evaluate.answers import tally
from p2pfl_me.evaluate.course import Course
from p2pfl_me.learning.statistics import statistic
from p2pfl_me.learning.trainer import Labels

Floats = npt.NDArray[np.float64]
MB = 1e6


@dataclass(frozen=True, eq=False)
class SeedCourse:
    """Of one seed, all folds together: `models` int64 (R, n, m) as `Answers.models`; `sent` bytes and `seconds` of a
    peer until each round, float64 (R,), means over folds."""

    seed: int
    models: Labels = field(repr=False)
    sent: Floats = field(repr=False)
    seconds: Floats = field(repr=False)


def gather_course(seed: int, courses: Iterable[Course], items: int, peers: int) -> SeedCourse | None:
    """Put the folds of one seed together; None where no course was kept. Rounds that not all folds had are left out."""
    found = list(courses)
    rounds = min((len(each.turns) for each in found), default=0)
    if not rounds:
        return None
    models = np.full((rounds, peers, items), -1)
    for each in found:
        for place, turn in enumerate(each.turns[:rounds]):
            for peer, classes in turn.classes.items():
                models[place, peer, list(each.items)] = classes
    sent, seconds = (
        np.mean([[getattr(turn, name) for turn in each.turns[:rounds]] for each in found], axis=0)
        for name in ("sent", "seconds")
    )
    return SeedCourse(seed, models, sent, seconds)


@dataclass(frozen=True, slots=True)
class Step:
    """One round of all seeds: UF1 of the gossip peers (mean over peers and seeds, answers of all folds pooled), and
    the bytes and seconds of a peer until then."""

    round: int
    uf1: float
    sent: float
    seconds: float


def steps_of(seeds: Sequence[SeedCourse], true: Labels, classes: int) -> tuple[Step, ...]:
    """Round by round. `true` int64 (m,) are the items' classes."""
    one = np.zeros(len(true), dtype=np.int64)
    found = []
    for round in range(min((len(each.models) for each in seeds), default=0)):
        uf1 = statistic([tally(each.models[round], true, one, 1, classes) for each in seeds])
        if uf1 is not None:
            sent = float(np.mean([each.sent[round] for each in seeds]))
            seconds = float(np.mean([each.seconds[round] for each in seeds]))
            found.append(Step(round + 1, uf1, sent, seconds))
    return tuple(found)


def reached(steps: Sequence[Step], target: float) -> Step | None:
    """The first round with a UF1 of `target` or more; None where there is none."""
    return next((step for step in steps if step.uf1 >= target), None)
