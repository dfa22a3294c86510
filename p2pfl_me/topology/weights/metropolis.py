"""Metropolis-Hastings weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import networkx as nx

from p2pfl_me.topology.mixing import metropolis_hastings
from p2pfl_me.topology.weighing import Weights


class Metropolis(Weights):
    """1 / (1 + the larger degree of the two ends): each end needs only the other's degree."""

    kind: Literal["metropolis"] = "metropolis"

    def weigh(self, graph: nx.Graph) -> Mapping[tuple[int, int], float]:
        return metropolis_hastings(graph)
