"""What a graph predicts about gossip, before anything runs: eigenvalues of its mixing matrix turned into figures.

Dense linear algebra, so for up to a few thousand peers; nothing of a running peer depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p2pfl_me.topology.arcs import DirectedSchedule, RankedArcs, as_directed
from p2pfl_me.topology.mixing import mixing_matrix
from p2pfl_me.topology.schedule import RankedSchedule, Schedule

EXACT = 1e-9
"""Eigenvalues below this are zeros up to rounding: one round brings exact consensus."""

SUDDEN = 1e-6
"""A round that leaves less than this share of what the rounds before had left has made the product exact."""

WINDOW = 256
"""Most rounds of a changing schedule that are multiplied out for its figures."""

COUNTED = 64
"""Rounds of a schedule that never repeats over which the models sent are counted."""

EPS = 1e-3
"""The share of the first distance at which peers count as agreed."""

MEMORY = 0.99
"""The gamma of n_W that the report uses: a random walk that forgets 1 % a step."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A schedule in numbers; l_1 = 1 >= l_2 >= ... >= l_n are the eigenvalues of its W.

    Of a schedule that changes, edges, degrees and diameter are those of all links, and beta and rms are geometric means
    a round over the product of its first rounds; they are 0 where the schedule makes that product the exact mean. Of a
    directed one the distance is that of push-sum's z = x / w.

    Attributes
    ----------
    beta:
        max |l_i| over i >= 2: a round leaves at most this share of the consensus distance ||X - mean||.
    gap:
        1 - beta.
    rms:
        sqrt of the mean of l_i^2 over i >= 2: the share that is expected to be left when the models differ at random.
    effective_neighbours:
        n_W(0.99): among how many peers a model's noise is averaged; 1 = alone, n = all-reduce (Vogels, Hendrikx,
        Jaggi, "Beyond spectral gap", NeurIPS 2022).
    exact_after:
        Rounds from the first after which all hold the exact mean; None if that is only approached, or met by the
        chance of some random rounds, which is no property of the schedule.
    rounds_to_consensus:
        Rounds of mixing alone until the consensus distance is surely at most EPS of its start: `exact_after` where
        there is such a number, 0 for a single peer. Of rounds that never repeat, those from the first; else
        ceil(ln EPS / ln beta).
    models_per_round:
        Models that a peer sends a round, on average.
    """

    peers: int
    edges: int
    degree_min: int
    degree_mean: float
    degree_max: int
    diameter: int
    gap: float
    beta: float
    rms: float
    effective_neighbours: float
    exact_after: int | None
    rounds_to_consensus: int
    models_per_round: float


def spectral_figures(schedule: Schedule) -> Figures:
    """The figures of a connected schedule; of those who have left nothing counts."""
    schedule = schedule.of_ranks if isinstance(schedule, RankedSchedule) else schedule
    if schedule.period == 1:
        mixing = _of_matrix(schedule)
    else:
        mixing = _of_product(schedule.size, schedule.period, lambda round, rows: _mixed(schedule, round, rows))
    return _figures(schedule, mixing, lambda round: 2 * len(schedule.edges(round)))


def directed_figures(schedule: DirectedSchedule) -> Figures:
    """The figures of a connected directed schedule under push-sum; edges are links, whichever way models go."""
    schedule = _of_ranks(schedule)
    mixing = _of_product(schedule.size, schedule.period, lambda round, rows: _pushed(schedule, round, rows))
    return _figures(schedule, mixing, lambda round: len(schedule.arcs(round)))


def _figures(schedule: Schedule | DirectedSchedule, mixing: _Mixing, sends: Callable[[int], int]) -> Figures:
    """`sends`: models that all peers together send in a round."""
    degrees = [len(schedule.neighbours(peer)) for peer in range(schedule.size)]
    rounds = range(schedule.period or COUNTED)
    return Figures(
        peers=schedule.size,
        edges=sum(degrees) // 2,
        degree_min=min(degrees),
        degree_mean=sum(degrees) / schedule.size,
        degree_max=max(degrees),
        diameter=diameter(schedule),
        gap=1.0 - mixing.beta,
        beta=mixing.beta,
        rms=mixing.rms,
        effective_neighbours=mixing.effective_neighbours,
        exact_after=mixing.exact_after,
        rounds_to_consensus=mixing.rounds if schedule.size > 1 else 0,
        models_per_round=sum(map(sends, rounds)) / len(rounds) / schedule.size,
    )


def round_rms(schedule: Schedule, round: int) -> float:
    """The share of the consensus distance that one round is expected to leave when the models differ at random.

    sqrt((||W||_F^2 - 1) / (n - 1)), which for a graph that stands is `Figures.rms`. Needs the round's edges only.
    """
    return directed_round_rms(as_directed(schedule), round)


def directed_round_rms(schedule: DirectedSchedule, round: int) -> float:
    """As `round_rms`, where all rows of W sum to 1 as its columns do; elsewhere it is that of push-sum's mass."""
    if (schedule := _of_ranks(schedule)).size < 2:
        return 0.0
    own, square = [1.0] * schedule.size, 0.0
    for arc in schedule.arcs(round):
        own[arc.sender] -= arc.weight
        square += arc.weight**2
    return math.sqrt(max(0.0, square + math.fsum(weight**2 for weight in own) - 1) / (schedule.size - 1))


def _of_ranks(schedule: DirectedSchedule) -> DirectedSchedule:
    return schedule.of_ranks if isinstance(schedule, RankedArcs) else schedule


def diameter(schedule: Schedule | DirectedSchedule) -> int:
    """The most hops between two peers of a connected schedule, over all links both ways.

    Every peer's known set, a bit a peer, grows by its neighbours' sets until all know all: as models spread.
    """
    everyone = (1 << schedule.size) - 1
    around = [schedule.neighbours(peer) for peer in range(schedule.size)]
    known = [1 << peer for peer in range(schedule.size)]
    hops = 0
    while any(each != everyone for each in known):
        grown = list(known)
        for peer, neighbours in enumerate(around):
            for other in neighbours:
                grown[peer] |= known[other]
        if grown == known:
            raise ValueError("the graph is not connected")
        known, hops = grown, hops + 1
    return hops


@dataclass(frozen=True, slots=True)
class _Mixing:
    beta: float
    rms: float
    effective_neighbours: float
    exact_after: int | None
    within: int | None = None
    """The first round, of those multiplied out, that leaves at most EPS of any distance."""

    @property
    def rounds(self) -> int:
        found = self.exact_after or self.within
        return found or math.ceil(math.log(EPS) / math.log(self.beta))


def _of_matrix(schedule: Schedule) -> _Mixing:
    rest = np.linalg.eigvalsh(mixing_matrix(schedule))[:-1].astype(np.float64)
    beta = float(np.abs(rest).max(initial=0.0))
    rms = math.sqrt(float(np.square(rest).mean())) if rest.size else 0.0
    return _Mixing(beta, rms, _effective_neighbours(rest), 1 if beta < EXACT else None)


def _of_product(
    size: int, period: int | None, mix: Callable[[int, NDArray[np.float64]], NDArray[np.float64]]
) -> _Mixing:
    """From P = W(t) ... W(1): n_W sums gamma^(t-1) ||P||_F^2 / n, which for one W is the formula with eigenvalues.

    P's rows are divided by their sums, the weights w of push-sum that began as 1. Of a doubly stochastic W these are 1.
    """
    mass = estimates = np.eye(size)
    walk, rounds, left, before = 0.0, 0, 1.0, 1.0
    exact, within = False, None
    while rounds < WINDOW and left > EXACT:
        mass = mix(rounds, mass)
        estimates = mass / mass.sum(axis=1, keepdims=True)
        walk += MEMORY**rounds * float(np.square(estimates).sum())
        rounds += 1
        apart = estimates - 1 / size
        before, left = left, float(np.linalg.norm(apart))
        exact = left <= min(EXACT, SUDDEN * before)
        # All rounds alike: the first one tells. A round that is exact by chance tells nothing of those before it.
        if (period != 1 and not exact) or rounds == 1:
            distance, over = apart, rounds
        if period is None and within is None and _is_within(apart, left):
            within = rounds
    walk += MEMORY**rounds / (1 - MEMORY)  # from here on P is J / n, whose square norm is 1
    effective = size / (1 - MEMORY) / walk
    if exact and (period is not None or rounds == 1):
        return _Mixing(0.0, 0.0, effective, rounds)
    beta = float(np.linalg.norm(distance, 2)) ** (1 / over)
    rms = (float(np.linalg.norm(distance)) / math.sqrt(size - 1)) ** (1 / over)
    return _Mixing(beta, rms, effective, None, within)


def _is_within(apart: NDArray[np.float64], norm: float) -> bool:
    """Whether the largest singular value of P - J / n is at most EPS; its Frobenius `norm` often tells for nothing."""
    if norm <= EPS or norm > EPS * math.sqrt(len(apart)):
        return norm <= EPS
    return float(np.linalg.eigvalsh(apart.T @ apart)[-1]) <= EPS**2


def mixed_rows(plan: Schedule | DirectedSchedule, round: int, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """W(round) times `rows` (n, m), without W."""
    return _pushed(plan, round, rows) if isinstance(plan, DirectedSchedule) else _mixed(plan, round, rows)


def _mixed(schedule: Schedule, round: int, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """W(round) times `rows`, edge by edge."""
    mixed = rows.copy()
    for edge in schedule.edges(round):
        apart = edge.weight * (rows[edge.b] - rows[edge.a])
        mixed[edge.a] += apart
        mixed[edge.b] -= apart
    return mixed


def _pushed(schedule: DirectedSchedule, round: int, mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """W(round) times `mass`, arc by arc: what arrives at the receiver has left the sender."""
    arcs = schedule.arcs(round)
    kept = np.ones((schedule.size, 1))
    for arc in arcs:
        kept[arc.sender] -= arc.weight
    pushed = kept * mass
    for arc in arcs:
        pushed[arc.receiver] += arc.weight * mass[arc.sender]
    return pushed


def _effective_neighbours(rest: NDArray[np.float64]) -> float:
    """n_W(gamma) = [1 / (1 - gamma)] / [mean over all i of l_i^2 / (1 - gamma l_i^2)]; l_1 = 1 is not in `rest`."""
    squares = np.append(np.square(rest), 1.0)
    walk = float((squares / (1.0 - MEMORY * squares)).mean())
    return 1.0 / (1.0 - MEMORY) / walk
