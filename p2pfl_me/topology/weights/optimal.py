"""The fastest mixing that symmetric weights can give: one weight an edge, solved once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import networkx as nx
import numpy as np
from pydantic import Field

from p2pfl_me.errors import ContractError, PeerError
from p2pfl_me.topology.mixing import Matrix
from p2pfl_me.topology.weighing import Weights, require_own_share

GRID = 2.0**-16
"""Weights are rounded down to it, so that a row never sums to more than 1; the solver is far finer."""
ENOUGH = GRID / 64
"""The coarsest that the solver may be."""
MOST_PEERS = 64
"""A minute or so; larger ones would keep every command waiting that reads the contract."""

Pair = tuple[int, int]
Weighted = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)], Annotated[float, Field(gt=0, lt=1)]]


class Optimal(Weights):
    """Per-edge weights that leave the least of the consensus distance, own shares never negative.

    Boyd, Diaconis, Xiao, "Fastest mixing Markov chain on a graph", SIAM Review 2004: minimise the second largest
    eigenvalue modulus over symmetric stochastic matrices with the graph's zeros, a semidefinite programme.

    `edges`: [a, b, weight] of every edge that has one. Whoever reads a contract without them solves it and puts them
    in, so they are part of the digest: labs whose solvers should differ refuse each other instead of mixing by
    different rows. `p2pme topology new` writes them down. An edge whose best weight is 0 is not used.
    """

    kind: Literal["optimal"] = "optimal"
    edges: tuple[Weighted, ...] | None = None
    settled_at_once: ClassVar[bool] = False

    def settled(self, graph: nx.Graph) -> Weights:
        if self.edges is not None:
            return self
        return Optimal(edges=tuple((a, b, weight) for (a, b), weight in self.weigh(graph).items()))

    def weigh(self, graph: nx.Graph) -> Mapping[Pair, float]:
        pairs = tuple(sorted((min(pair), max(pair)) for pair in graph.edges))
        if self.edges is None:
            return _solve(pairs, graph.number_of_nodes())
        weights = {(min(a, b), max(a, b)): weight for a, b, weight in self.edges}
        if foreign := sorted(weights.keys() - set(pairs)):
            raise ContractError(
                f"[{foreign[0][0]}, {foreign[0][1]}] has a weight and is no edge of this graph",
                where="gossip.weights.edges",
                fix="leave `edges` out: they are solved anew for the graph",
            )
        require_own_share(graph, weights, self.kind)
        return dict(sorted(weights.items()))


@lru_cache(maxsize=16)
def _solve(pairs: tuple[Pair, ...], count: int) -> Mapping[Pair, float]:
    if not pairs:
        return {}
    if count > MOST_PEERS:
        raise ContractError(
            f"the best weights are solved for at most {MOST_PEERS} peers, and there are {count}",
            where="gossip.weights",
            fix="take weights: constant or metropolis",
        )
    try:
        import cvxpy
    except ImportError as error:
        raise PeerError(
            "weights optimal are a convex problem, and its solver is not installed",
            where="gossip.weights",
            fix="pip install 'p2pfl_me[weights]', or take weights: constant or metropolis",
        ) from error
    incidence: Matrix = np.zeros((count, len(pairs)))
    for place, (a, b) in enumerate(pairs):
        incidence[a, place], incidence[b, place] = 1.0, -1.0
    weights, largest = cvxpy.Variable(len(pairs)), cvxpy.Variable()
    weighted = incidence @ cvxpy.diag(weights) @ incidence.T
    mixing = np.eye(count) - weighted - np.ones((count, count)) / count
    bounds = [weights >= 0, np.abs(incidence) @ weights <= 1]
    within = [mixing << largest * np.eye(count), mixing >> -largest * np.eye(count)]
    problem = cvxpy.Problem(cvxpy.Minimize(largest), [*bounds, *within])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an inaccurate solution, which is not taken
        problem.solve(solver=cvxpy.CLARABEL)
        if problem.status == cvxpy.OPTIMAL_INACCURATE:  # where several weights are best, it may stall short of 1e-8
            coarser = {"tol_gap_abs": ENOUGH, "tol_gap_rel": ENOUGH, "tol_feas": ENOUGH}
            problem.solve(solver=cvxpy.CLARABEL, **coarser)
    values = weights.value
    if problem.status != cvxpy.OPTIMAL or values is None:
        raise ContractError(
            f"the best weights were not found: the solver says {problem.status}",
            where="gossip.weights",
            fix="take weights: constant or metropolis",
        )
    found = {pair: float(np.floor(value / GRID)) * GRID for pair, value in zip(pairs, values, strict=True)}
    return {pair: weight for pair, weight in found.items() if weight > 0}
