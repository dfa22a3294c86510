"""What a comparison sets side by side: each method's runs over seeds, and its numbers.

A score by round is that of the mean peer, whose own model is tested after every exchange; the average of the models is
tested after the last round only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from p2pfl_me.learning.metrics import present_mean
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.consensus import agreement, contraction_of
from p2pfl_me.report.mixing import Mixing
from p2pfl_me.report.results import Floats, Spread, final_scores, score_curves, spread
from p2pfl_me.report.run import Run
from p2pfl_me.report.traffic import sent_by_round

METRIC = "uf1"
MB = 1e6
EXACT = 1e-9


@dataclass(frozen=True, slots=True)
class Method:
    """One set-up: its runs differ in nothing but the seed. `name` is unique in its setting.

    `repeat` counts the runs of one seed, from 1.
    """

    name: str
    runs: tuple[Run, ...]
    repeat: int = 1

    def of_seed(self, seed: int) -> Run | None:
        return next((run for run in self.runs if run.seed == seed), None)

    def score(self, arm: Arm = Arm.AVERAGE, metric: str = METRIC) -> dict[int, float]:
        """By seed, the arm's final score, its mean where it has several peers; a single peer is its own average."""
        if arm is Arm.AVERAGE and all(run.contract.peers.count == 1 for run in self.runs):
            arm = Arm.GOSSIP
        found = {run.seed: final_scores(run, arm, metric) for run in self.runs}
        return {seed: float(np.mean(list(final.values()))) for seed, final in found.items() if final}


@dataclass(frozen=True, slots=True)
class Setting:
    """Methods under the same conditions: the same shards of the same data, seed by seed.

    `goal` is the score to reach; None for 95 % of the best mean score that any method's average model ended with.
    """

    name: str
    methods: tuple[Method, ...]
    goal: float | None = None

    @property
    def alone(self) -> bool:
        """Whether no set-up has two peers: what one model is, costs no exchange and has no mean."""
        return all(run.contract.peers.count == 1 for method in self.methods for run in method.runs)

    @property
    def several(self) -> bool:
        """Whether there are seeds to speak of: of one there is no mean and no deviation."""
        return any(len(method.runs) > 1 for method in self.methods)

    @property
    def target(self) -> float | None:
        means = [float(np.mean(list(scores.values()))) for method in self.methods if (scores := method.score())]
        return self.goal if self.goal is not None else 0.95 * max(means) if means else None


@dataclass(frozen=True, slots=True)
class UnderFaults:
    """One fault condition: `reason` says why it was not run, else `methods` holds those that ran under it."""

    name: str
    methods: tuple[Method, ...] = ()
    reason: str = ""

    @property
    def lies(self) -> bool:
        """Whether peers lied in it, which is all that it differs in."""
        return any(run.manifest.liars for method in self.methods for run in method.runs)


@dataclass(frozen=True, slots=True)
class Told:
    """How well a neighbour told members from others in one cell's games: LiRA's advantage, and area under the curve.

    Who learns nothing has an advantage below `luck` in 95 % of draws of who was in."""

    advantage: float
    auc: float
    luck: float | None = None


@dataclass(frozen=True, slots=True)
class Protected:
    """A set-up under one protection. `told`: by seed, where it was played; `games` a seed."""

    method: Method
    told: Mapping[int, Told]
    games: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything a comparison's page shows.

    `protections` are the set-ups once more where they differ in what protects them. `mixings` are the set-ups without
    training, `unmixed` the names of those for whom that says nothing.
    """

    settings: tuple[Setting, ...]
    under_faults: tuple[UnderFaults, ...] = ()
    mixings: tuple[Mixing, ...] = ()
    unmixed: tuple[str, ...] = ()
    protections: tuple[Protected, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One run, or the mean of several, round by round, each of shape (rounds,); NaN where nothing was logged.

    `score` is the mean peer's, `sent` the bytes that a peer had sent on average, `seconds` those until the slowest had
    ended the round. `std` is the standard deviation of the score over seeds, 0 for one run.
    """

    rounds: tuple[int, ...]
    score: Floats
    std: Floats
    sent: Floats
    seconds: Floats


@dataclass(frozen=True, slots=True)
class Reach:
    """When a track first had the target: the round, seconds, and bytes that a peer had sent on average."""

    round: int
    seconds: float
    sent: float


def same_clips(one: Run, other: Run) -> bool:
    """Whether two runs of one seed had the same clips, dealt and split in the same way, so that they can be paired."""
    first, second = one.contract, other.contract
    return (
        (one.manifest.clips.source, one.manifest.clips.digest)
        == (other.manifest.clips.source, other.manifest.clips.digest)
        and (first.seed, first.data, first.peers.count) == (second.seed, second.data, second.peers.count)
        and first.model.classes == second.model.classes
    )


def track_of(run: Run, metric: str = METRIC) -> Track | None:
    """The course of one run; None without scores."""
    curves = score_curves(run, metric)
    if not curves.rounds:
        return None
    sent = dict(sent_by_round(run))
    seconds: dict[int, list[float]] = {}
    for log in run.peers:
        for each in log.rounds:
            seconds.setdefault(each.round, []).append(each.seconds)
    return Track(
        curves.rounds,
        curves.mean(),
        np.zeros(len(curves.rounds)),
        np.array([sent.get(index, np.nan) for index in curves.rounds]),
        np.array([max(seconds.get(index, [np.nan])) for index in curves.rounds]),
    )


def reached(track: Track, target: float) -> Reach | None:
    """The first round with at least `target`; None if there is none."""
    for index, score in enumerate(track.score):
        if score >= target:
            return Reach(track.rounds[index], float(track.seconds[index]), float(track.sent[index]))
    return None


def course_of(method: Method, metric: str = METRIC) -> Track | None:
    """The mean track over seeds, of the rounds that every seed reached: the line does not jump where one ends early.

    Bytes and seconds are those of the seeds that counted them.
    """
    tracks = [track for run in method.runs if (track := track_of(run, metric))]
    if not tracks:
        return None
    rounds = tuple(sorted(set.intersection(*(set(track.rounds) for track in tracks))))
    if not rounds:
        return None
    places = [[track.rounds.index(index) for index in rounds] for track in tracks]
    score, sent, seconds = (
        np.stack([getattr(track, name)[place] for track, place in zip(tracks, places, strict=True)])
        for name in ("score", "sent", "seconds")
    )
    std = score.std(axis=0, ddof=1) if len(tracks) > 1 else np.zeros(len(rounds))
    return Track(rounds, score.mean(axis=0), std, present_mean(sent), present_mean(seconds))


def lent_baselines(setting: Setting, arm: Arm) -> tuple[Method, ...]:
    """Whose baselines of this kind to show: one without a name where all set-ups of a seed share them, else each
    set-up's own."""
    every = [run for method in setting.methods for run in method.runs if run.baselines]
    first = {run.seed: run for run in reversed(every)}
    if all(final_scores(run, arm, METRIC) == final_scores(first[run.seed], arm, METRIC) for run in every):
        return (Method("", tuple(first[seed] for seed in dict.fromkeys(run.seed for run in every))),)
    return setting.methods


@dataclass(frozen=True, slots=True)
class Closing:
    """How fast the models of a method draw together: shares of the consensus distance that one exchange leaves.

    `measured` and `expected` are geometric means over rounds and seeds; `beta` is the bound of one round, None for a
    graph that changes. `final` is the distance after the last exchange as a share of the average model's norm.
    """

    measured: float | None
    expected: float | None
    beta: float | None
    final: Spread | None


def closing_of(method: Method) -> Closing:
    """Measured beside predicted."""
    contraction = contraction_of(method.runs[0])
    rows = [agreement(run, contraction) for run in method.runs]
    every = [row for each in rows for row in each if row.trained > 0]
    return Closing(
        _geometric([row.mixed / row.trained for row in every]),
        _geometric([row.expected / row.trained for row in every if row.expected is not None]),
        contraction.beta if contraction else None,
        spread([apart for each in rows for last in each[-1:] if (apart := last.share(last.mixed)) is not None]),
    )


def distances(method: Method) -> tuple[tuple[int, float, float | None], ...]:
    """By round, over seeds: the measured distance after the exchange and the predicted one, as shares of the norm."""
    contraction = contraction_of(method.runs[0])
    by_round: dict[int, list[tuple[float, float | None]]] = {}
    for run in method.runs:
        for row in agreement(run, contraction):
            if (apart := row.share(row.mixed)) is not None:
                by_round.setdefault(row.round, []).append((apart, row.share(row.expected)))
    found = []
    for index, rows in sorted(by_round.items()):
        expected = [share for _, share in rows if share is not None]
        apart = float(np.mean([share for share, _ in rows]))
        found.append((index, apart, float(np.mean(expected)) if expected else None))
    return tuple(found)


def per_megabyte(method: Method) -> dict[int, tuple[float, float]]:
    """By seed: the average model's final score, and the megabytes that a peer sent on average."""
    scores, found = method.score(), {}
    for run in method.runs:
        track = track_of(run)
        if run.seed in scores and track is not None and track.sent[-1] > 0:
            found[run.seed] = (scores[run.seed], float(track.sent[-1]) / MB)
    return found


def _geometric(values: Sequence[float]) -> float | None:
    if not values:
        return None
    if min(values) < EXACT:
        return 0.0
    return float(np.exp(np.mean(np.log(values))))
