"""Noise that cancels between neighbours (DECOR: Allouah et al., ICML 2024), on a round's clipped change.

Each peer lays independent noise v_i of deviation s over its model and, for each edge, noise u_ij of deviation c that
both ends derive from their keys and add with opposite signs. All that is sent has covariance S = s^2 I + c^2 L with L
the graph's Laplacian; a neighbour who is curious knows its own u and is modelled by deleting it from the graph. Cut to
norm C, two data sets move a model at most 2C apart, so peer i has a Gaussian mechanism of noise multiplier
1 / (2C sqrt((S^-1)_ii)), S without the most curious neighbour. What averaging does not cancel is tr(W S W').
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from p2pfl_me.message import Vector
from p2pfl_me.privacy.accounting import Release, least_noise
from p2pfl_me.privacy.dp_sgd import Multiplier
from p2pfl_me.privacy.noising import Cover, Place, SharedNoise, Standing, composed, cut

RATIOS = (0.0, *np.geomspace(0.1, 1000, 41))
"""c / s among which the best for a graph is looked for."""
Matrix = npt.NDArray[np.float64]


class Decor(SharedNoise):
    """`norm`: to which a round's change is cut. `noise`: the multiplier that is left of all noise for the least
    protected peer against its most curious neighbour; left out, the least with which the budget lasts. `ratio`: of the
    noise that cancels to the noise that does not, c / s; left out, the best for the graph."""

    kind: Literal["decor"] = "decor"
    norm: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    noise: Multiplier | None = None
    ratio: Annotated[float, Field(ge=0, le=1e6)] | None = None
    needs_graph: ClassVar[bool] = True

    def at(self, place: Place) -> Cover:
        return _AtPeer(self, place)


def worth(graph: Standing, ratio: float, *, curious: bool = True) -> tuple[Matrix, float]:
    """What correlated noise of a ratio c / s is worth on a graph.

    Returns
    -------
    exposed:
        s^2 (S^-1)_ii of each peer, (n,): 1 where only the independent noise counts, less where the other helps. Against
        the most curious other peer, or against an outsider who has read everything.
    left:
        tr(W S W') over tr(W W') of independent noise alone that protects the least protected peer as well: the share
        of the noise that is left after one mixing. 1 or more: it is of no use.
    """
    n = len(graph.mixing)
    whole = _covariance(n, graph.edges, ratio)
    if curious:
        exposed = np.zeros(n)
        for spy in range(n):
            others = np.array([peer for peer in range(n) if peer != spy])
            edges = tuple((i, j) for i, j in graph.edges if spy not in (i, j))
            seen = np.linalg.inv(_covariance(n, edges, ratio)[np.ix_(others, others)])
            exposed[others] = np.maximum(exposed[others], np.diag(seen))
    else:
        exposed = np.diag(np.linalg.inv(whole)).copy()
    mixing = graph.mixing
    left = np.trace(mixing @ whole @ mixing.T) * exposed.max() / np.trace(mixing @ mixing.T)
    return exposed, float(left)


def best_ratio(graph: Standing, *, curious: bool = True) -> float:
    """The ratio c / s that leaves least noise after one mixing."""
    return float(min(RATIOS, key=lambda ratio: worth(graph, ratio, curious=curious)[1]))


def warning(graph: Standing, kind: Decor) -> str:
    """Words for who would be deceived by the name; empty where correlated noise is worth its while."""
    chosen, _ = _chosen(graph, kind.ratio)
    left = worth(graph, chosen)[1]
    if left < USELESS:
        return ""
    return (
        f"on this graph noise that cancels between neighbours is of little use: against a curious neighbour one mixing "
        f"leaves {left:.2f} of the noise that independent noise of the same protection leaves (a mesh of ten: 0.11)"
    )


USELESS = 0.8


def _chosen(graph: Standing, ratio: float | None) -> tuple[float, Matrix]:
    key = graph.edges, graph.mixing.shape[0], graph.mixing.tobytes(), ratio
    return _solved(*key)


@lru_cache(maxsize=8)
def _solved(edges: tuple[tuple[int, int], ...], n: int, mixing: bytes, ratio: float | None) -> tuple[float, Matrix]:
    graph = Standing(edges, np.frombuffer(mixing).reshape(n, n))
    chosen = best_ratio(graph) if ratio is None else ratio
    return chosen, worth(graph, chosen)[0]


def _covariance(n: int, edges: tuple[tuple[int, int], ...], ratio: float) -> Matrix:
    """S / s^2."""
    covariance = np.eye(n)
    for i, j in edges:
        covariance[[i, j], [i, j]] += ratio**2
        covariance[[i, j], [j, i]] -= ratio**2
    return covariance


class _AtPeer:
    def __init__(self, kind: Decor, place: Place) -> None:
        assert place.graph is not None and place.shared is not None
        self._kind, self._place, self._shared = kind, place, place.shared
        ratio, exposed = _chosen(place.graph, kind.ratio)
        wanted = kind.noise
        if wanted is None:
            assert place.budget is not None
            wanted = least_noise(
                place.budget.epsilon, place.budget.delta, lambda noise: composed(Release(noise), place.rounds)
            )
        # In multiples of the sensitivity 2C: all take the s with which the least protected has what is wanted.
        self._alone = wanted * float(np.sqrt(exposed.max()))
        self._together = self._alone / float(np.sqrt(exposed[place.peer]))
        self._ratio = ratio
        self._neighbours = sorted(
            {end for edge in place.graph.edges if place.peer in edge for end in edge} - {place.peer}
        )

    def trains(self, round: int) -> bool:
        return True

    def price(self, round: int, again: bool) -> Release | None:
        """A round that was begun before goes without the noise that cancels: the same noise under two models would say
        what it is."""
        return Release(self._alone if again else self._together)

    def over(self, round: int, again: bool, start: Vector, trained: Vector) -> Vector:
        out, deviation = np.empty_like(trained), 2 * self._kind.norm * self._alone
        self._place.randomness.stream("cover", self._place.peer, round, int(again)).normal(out, deviation)
        out += cut(start, trained, self._kind.norm)
        if again or not self._ratio:
            return out
        noise = np.empty_like(out)
        for other in self._neighbours:
            self._shared(other, round).normal(noise, deviation * self._ratio)
            if self._place.peer < other:
                out += noise
            else:
                out -= noise
        return out
