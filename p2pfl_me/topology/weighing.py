"""Mixing weights as a choice: from a graph that stands to one symmetric weight an edge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import networkx as nx
import numpy as np

from p2pfl_me.choice import Choice, Registry
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.mixing import MOST_EIGENVALUES, Matrix


class Weights(Choice):
    """How much each gives a neighbour's model: what `gossip.weights` holds."""

    what: ClassVar[str] = "choice of mixing weights"
    settled_at_once: ClassVar[bool] = True
    """They follow from the graph in no time, so nothing needs to be written down."""

    @property
    def carried_by(self) -> tuple[str, ...]:
        return ("weigh",)

    def settled(self, graph: nx.Graph) -> Weights:
        """The same choice with what it takes long to find written into it, for a contract to carry."""
        return self

    def weigh(self, graph: nx.Graph) -> Mapping[tuple[int, int], float]:
        """W_ab of every edge a < b that is used, sorted; symmetric, and what a row lacks to 1 is the peer's own.

        Raises
        ------
        ContractError
            This graph has no such weights.
        """
        raise self.unfinished("weigh")


WEIGHTS = Registry(Weights, "p2pfl_me.topology.weights")
"""Every choice of mixing weights by its name in the contract."""


def laplacian(graph: nx.Graph, kind: str) -> Matrix:
    """D - A of a graph of peers 0..n-1, float64 (n, n).

    Raises
    ------
    ContractError
        Above MOST_EIGENVALUES, whose eigenvalues would take minutes in every process.
    """
    count = graph.number_of_nodes()
    if count > MOST_EIGENVALUES:
        raise ContractError(
            f"weights {kind} follow from eigenvalues, which take too long for more than {MOST_EIGENVALUES} peers",
            where="gossip.weights",
            fix="take weights: metropolis",
        )
    matrix = np.zeros((count, count))
    for a, b in graph.edges:
        matrix[a, b] = matrix[b, a] = -1.0
    matrix[np.diag_indices(count)] = -matrix.sum(axis=1)
    return matrix


def require_own_share(graph: nx.Graph, weights: Mapping[tuple[int, int], float], kind: str) -> None:
    """Refuse weights that leave a peer a negative share of its own model: it could leave the hull of all models.

    Raises
    ------
    ContractError
        With the peer and its share.
    """
    given: dict[int, list[float]] = {peer: [] for peer in graph.nodes}
    for (a, b), weight in weights.items():
        given[a].append(weight)
        given[b].append(weight)
    share, peer = min((1.0 - math.fsum(parts), peer) for peer, parts in given.items())
    if share < 0:
        raise ContractError(
            f"weights {kind} would leave peer {peer} a share of {share:.3f} of its own model on this graph",
            where="gossip.weights",
            fix="take weights: metropolis or optimal, or a graph whose degrees are alike",
        )
