"""How fast a graph averages, round by round: found by averaging, and as its matrices predict."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from p2pfl_me.topology.directed import Plan
from p2pfl_me.topology.schedule import Schedule
from p2pfl_me.topology.spectral import EXACT, mixed_rows

PROBES = 8
MOST_ROUNDS = 10_000


def rounds_to_average(schedule: Schedule, error: float) -> int:
    """Rounds, from round 0 on, until random values are within `error` of their mean, relative to where they began.

    Distances are root mean squares over peers and `PROBES` probes, so no n x n matrix is needed; at most `MOST_ROUNDS`.
    All who ask get the same answer.
    """
    values = np.random.default_rng(0).standard_normal((schedule.size, PROBES))
    values -= values.mean(axis=0)
    goal = error * float(np.linalg.norm(values))
    for round in range(MOST_ROUNDS):
        if float(np.linalg.norm(values)) <= goal:
            return max(1, round)
        change = np.zeros_like(values)
        for edge in schedule.edges(round):
            flow = edge.weight * (values[edge.b] - values[edge.a])
            change[edge.a] += flow
            change[edge.b] -= flow
        values += change
    return MOST_ROUNDS


def mixing_curve(plan: Plan, rounds: int) -> npt.NDArray[np.float64]:
    """The share of the consensus distance expected after 0, 1, ..., `rounds` exchanges: float64 (rounds + 1,).

    Of models that differ at random, ||P(t) - J/n||_F / sqrt(n - 1) of the distance is left, with P(t) the product of
    the first t mixing matrices; for one symmetric W that is sqrt(mean over i >= 2 of l_i^2t). Of a directed plan the
    rows of P are divided by their sums: the distance is that of push-sum's z = x / w. 0 where the mean is exact.
    """
    size = plan.size
    mass = np.eye(size)
    curve = [1.0]
    for round in range(rounds):
        mass = mixed_rows(plan, round, mass)
        estimates = mass / mass.sum(axis=1, keepdims=True)
        left = float(np.linalg.norm(estimates - 1 / size)) / math.sqrt(max(1, size - 1))
        curve.append(0.0 if left < EXACT else left)
    return np.array(curve)
