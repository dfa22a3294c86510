"""How many rounds a schedule needs to average, found by averaging; no n x n matrix."""

from __future__ import annotations

import numpy as np

from p2pfl_me.topology.schedule import Schedule

PROBES = 8
MOST_ROUNDS = 10_000


def rounds_to_average(schedule: Schedule, error: float) -> int:
    """Rounds, from round 0 on, until random values are within `error` of their mean, relative to where they began.

    Distances are root mean squares over peers and `PROBES` probes; at most `MOST_ROUNDS`. All who ask get the same
    answer.
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
