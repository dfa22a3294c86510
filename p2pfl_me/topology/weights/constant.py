"""The best single weight for all edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import networkx as nx
import numpy as np

from p2pfl_me.topology.weighing import Weights, laplacian

GRID = 2.0**-32
"""Weights are rounded to it: eigenvalues differ in the last bits from machine to machine, and peers must agree."""


class Constant(Weights):
    """2 / (lambda_2 + lambda_max) of the graph's Laplacian: the constant that leaves the least of the distance.

    Boyd, Diaconis, Xiao, "Fastest mixing Markov chain on a graph", SIAM Review 2004; Xiao and Boyd, "Fast linear
    iterations for distributed averaging", Systems and Control Letters 2004, section 4.1. Where degrees differ much, a
    peer's own share is negative: it overshoots towards its neighbours, and a model can leave the hull of all models.
    """

    kind: Literal["constant"] = "constant"

    def weigh(self, graph: nx.Graph) -> Mapping[tuple[int, int], float]:
        edges = sorted((min(pair), max(pair)) for pair in graph.edges)
        if not edges:
            return {}
        values = np.linalg.eigvalsh(laplacian(graph, self.kind))
        weight = round(2.0 / float(values[1] + values[-1]) / GRID) * GRID
        return dict.fromkeys(edges, weight)
