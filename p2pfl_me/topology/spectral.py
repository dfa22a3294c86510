"""What a graph predicts about gossip, before anything runs: eigenvalues of its mixing matrix turned into figures.

Dense linear algebra, so for up to a few thousand peers; nothing of a running peer depends on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p2pfl_me.topology.mixing import mixing_matrix
from p2pfl_me.topology.schedule import Schedule

EXACT = 1e-9
"""Eigenvalues below this are zeros up to rounding: one round brings exact consensus."""

MEMORY = 0.99
"""The gamma of n_W that the report uses: a random walk that forgets 1 % a step."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A schedule in numbers; l_1 = 1 >= l_2 >= ... >= l_n are the eigenvalues of its W.

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

    def rounds_to_consensus(self, eps: float = 1e-3) -> int:
        """Rounds of mixing alone until the consensus distance is surely below `eps` of its start.

        ceil(ln eps / ln beta); 1 when one round is exact, 0 for a single peer.
        """
        if not 0 < eps < 1:
            raise ValueError(f"eps is a share of the starting distance, between 0 and 1, not {eps}")
        if self.peers < 2:
            return 0
        if self.beta < EXACT:
            return 1
        return math.ceil(math.log(eps) / math.log(self.beta))


def spectral_figures(schedule: Schedule) -> Figures:
    """The figures of a connected schedule that is the same in every round.

    Raises
    ------
    ValueError
        The schedule changes from round to round; one matrix then says little.
    """
    if schedule.period != 1:
        raise ValueError(f"the figures are of one matrix, and this schedule has {schedule.period}")
    rest = np.linalg.eigvalsh(mixing_matrix(schedule))[:-1].astype(np.float64)
    degrees = [len(schedule.neighbours(peer)) for peer in range(schedule.size)]
    beta = float(np.abs(rest).max(initial=0.0))
    return Figures(
        peers=schedule.size,
        edges=sum(degrees) // 2,
        degree_min=min(degrees),
        degree_mean=sum(degrees) / schedule.size,
        degree_max=max(degrees),
        diameter=diameter(schedule),
        gap=1.0 - beta,
        beta=beta,
        rms=math.sqrt(float(np.square(rest).mean())) if rest.size else 0.0,
        effective_neighbours=_effective_neighbours(rest),
    )


def diameter(schedule: Schedule) -> int:
    """The most hops between two peers of a connected schedule.

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


def _effective_neighbours(rest: NDArray[np.float64]) -> float:
    """n_W(gamma) = [1 / (1 - gamma)] / [mean over all i of l_i^2 / (1 - gamma l_i^2)]; l_1 = 1 is not in `rest`."""
    squares = np.append(np.square(rest), 1.0)
    walk = float((squares / (1.0 - MEMORY * squares)).mean())
    return 1.0 / (1.0 - MEMORY) / walk
