"""Mixing weights of a graph, and what becomes of them when edges fail in a round (the loss rule).

The n x n matrix is for figures and tests; a peer uses only its own row, from the schedule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from p2pfl_me.topology.schedule import Schedule

Matrix = NDArray[np.float64]
MOST_EIGENVALUES = 2_000
"""Peers of whose matrix eigenvalues are computed: time and memory grow with the cube and square, seconds up to here."""


def metropolis_hastings(graph: nx.Graph) -> dict[tuple[int, int], float]:
    """W_ij = 1 / (1 + max(d_i, d_j)) for every edge (i, j), i < j, in sorted order.

    With W_ii = 1 - sum_j W_ij the matrix is symmetric and doubly stochastic, and W_ii > 0. Each end needs only the
    other's degree (Xiao, Boyd, Lall, IPSN 2005).
    """
    degree = dict(graph.degree())
    pairs = sorted((min(pair), max(pair)) for pair in graph.edges)
    return {(a, b): 1.0 / (1 + max(degree[a], degree[b])) for a, b in pairs}


def mixing_matrix(schedule: Schedule, round: int = 0) -> Matrix:
    """W of one round, float64 (n, n): symmetric, rows and columns sum to 1. Takes 8 n^2 bytes."""
    matrix = np.zeros((schedule.size, schedule.size))
    for edge in schedule.edges(round):
        matrix[edge.a, edge.b] = matrix[edge.b, edge.a] = edge.weight
    for peer in range(schedule.size):
        matrix[peer, peer] = 1.0 - math.fsum(matrix[peer])
    return matrix


def drop_edges(matrix: Matrix, failed: Iterable[tuple[int, int]]) -> Matrix:
    """The loss rule: the weight of each failed edge returns to the diagonals of both its ends.

    If only one end did so, its row would still sum to 1 but its column would not, and the average would drift.

    Parameters
    ----------
    matrix:
        W, float64 (n, n), symmetric; left as it is.
    failed:
        Edges in either order; one that W does not have, or that is named twice, changes nothing more.

    Returns
    -------
    float64 (n, n), symmetric and doubly stochastic if `matrix` was.
    """
    dropped = matrix.copy()
    for a, b in failed:
        if a == b:
            continue
        weight = dropped[a, b]
        dropped[a, b] = dropped[b, a] = 0.0
        dropped[a, a] += weight
        dropped[b, b] += weight
    return dropped
