"""Where a drawing puts the peers: a place in the plane for each, suited to the kind of graph. Draws nothing.

Places are float64 (n, 2); distances between neighbours are about 1 on average, so that one size of mark suits all.
"""

from __future__ import annotations

import math
from typing import assert_never

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from p2pfl_me.topology.kind import Placing

Places = NDArray[np.float64]

STRESS_LIMIT = 200
"""Free layouts up to this many peers; larger graphs go on a circle, as nothing could be told from them anyway."""

DRAWN_LINKS = 50_000
"""Links of the largest drawing: seconds up to here, and beyond it a grey disc that tells nothing."""

SMALL = 40
"""Up to so many peers a reader follows single edges, and the layout takes care that it can be done."""

STARTS, STARTS_OF_LARGE = 24, 3
"""Places from which a layout is sought; of more peers than SMALL the best of the first few will do."""

NEAR = 0.2
"""A peer nearer to an edge than this seems to lie on it."""

LINE_ROW = 10
_HYPERCUBE_AXES = ((1.0, 0.0), (0.0, 1.0), (0.42, 0.34), (2.15, 0.5), (-0.45, 2.3), (5.1, 0.9), (-0.8, 5.2))
"""One direction a bit, turned a little against each other so that no edge runs through a third peer."""


def places(graph: nx.Graph) -> Places:
    """Places of peers 0..n-1 for a graph of `build_graph`, or for any other graph (without `placing`)."""
    count = graph.number_of_nodes()
    placing: Placing = graph.graph.get("placing", Placing.BY_HOPS)
    match placing:
        case Placing.ROWS:
            return _rows(count)
        case Placing.GRID:
            return _grid(graph.graph["rows"], graph.graph["columns"])
        case Placing.AROUND:
            return _around(count, graph.graph.get("center", 0)) if count > 2 else _circle(count)
        case Placing.CORNERS:
            return _corners(count) if count <= 1 << len(_HYPERCUBE_AXES) else _circle(count)
        case Placing.BY_HOPS:
            free = 2 < count <= STRESS_LIMIT and nx.is_connected(graph)
            return _by_hops(graph) if free else _circle(count)
        case Placing.CIRCLE:
            return _circle(count)
        case _:
            assert_never(placing)


def _circle(count: int) -> Places:
    """Clockwise from the top, neighbours on it about 1 apart."""
    if count == 1:
        return np.zeros((1, 2))
    if count == 2:
        return _rows(2)
    angle = np.pi / 2 - 2 * np.pi * np.arange(count) / count
    radius = max(0.5, 0.5 / math.sin(math.pi / count))
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


def _rows(count: int) -> Places:
    """A line that turns at the end of each row, as an ox ploughs."""
    row, step = np.divmod(np.arange(count), LINE_ROW)
    column = np.where(row % 2 == 0, step, LINE_ROW - 1 - step)
    return np.column_stack([column, -row]).astype(np.float64)


def _grid(rows: int, columns: int) -> Places:
    row, column = np.divmod(np.arange(rows * columns), columns)
    return np.column_stack([column, -row]).astype(np.float64)


def _around(count: int, center: int) -> Places:
    rim = _circle(count - 1) * (1.0 if count > 6 else 1.3)
    return np.insert(rim, center, (0.0, 0.0), axis=0)


def _corners(count: int) -> Places:
    """Each bit of an id moves along its own direction: squares, cubes, then rows of cubes."""
    bits = (np.arange(count)[:, None] >> np.arange(len(_HYPERCUBE_AXES))) & 1
    corners: Places = bits @ (1.4 * np.array(_HYPERCUBE_AXES))
    return corners


def _by_hops(graph: nx.Graph) -> Places:
    """Distances in the plane as near to hops in the graph as can be, near pairs counting most.

    Stress majorization (Gansner, Koren, North, 2004) from fixed starts, so that places are the same in every run.
    Then peers step off the edges of others, where one could not tell who is linked; taken is the end where the
    fewest are left on one, then the least stress.
    """
    count = graph.number_of_nodes()
    hops = np.zeros((count, count))
    for peer, reached in nx.all_pairs_shortest_path_length(graph):
        for other, distance in reached.items():
            hops[peer, other] = distance
    weight = np.divide(1.0, hops**2, out=np.zeros_like(hops), where=hops > 0)
    inverse = np.linalg.pinv(np.diag(weight.sum(1)) - weight)
    starts = _starts(hops)
    is_large = count > SMALL
    ends = [_settle(start, hops, weight, inverse) for start in (starts[:STARTS_OF_LARGE] if is_large else starts)]
    if is_large:
        return _upright(min(ends, key=lambda end: end[0])[1])
    edges = np.array(graph.edges)
    parted = [(stress, _parted(place, edges)) for stress, place in sorted(ends, key=lambda end: end[0])[:6]]
    return _upright(min(parted, key=lambda end: (int(_off_edges(end[1], edges)[1].sum()), end[0]))[1])


def _starts(hops: Places) -> list[Places]:
    """Classical scaling on two pairs of its leading axes, jittered so that twins part, and scatters; all seeded."""
    count = len(hops)
    centre = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-0.5 * centre @ hops**2 @ centre)
    axes = vectors[:, ::-1][:, :4] * np.sqrt(np.maximum(values[::-1][:4], 1e-3))
    noise = np.random.default_rng(0).normal(size=(STARTS, count, 2))
    scaled = [axes[:, pair] + 0.1 * jitter for pair, jitter in zip(([0, 1], [0, -1]), noise[:2], strict=True)]
    return [*scaled, *(noise[2:] * math.sqrt(count) / 2)]


def _settle(start: Places, hops: Places, weight: Places, inverse: Places) -> tuple[float, Places]:
    """The stress at which majorization comes to rest, and the places there."""
    place = start
    for _ in range(150):
        apart = np.linalg.norm(place[:, None] - place[None], axis=-1)
        pull = np.divide(weight * hops, apart, out=np.zeros_like(apart), where=apart > 1e-9)
        moved = inverse @ (np.diag(pull.sum(1)) - pull) @ place
        rested = np.abs(moved - place).max() < 1e-3
        place = moved
        if rested:
            break
    apart = np.linalg.norm(place[:, None] - place[None], axis=-1)
    return float((weight * (apart - hops) ** 2).sum()), place


def _parted(place: Places, edges: NDArray[np.int64]) -> Places:
    """Peers that lie on an edge of two others, and the edge, step apart until none does or patience ends."""
    for _ in range(60):
        off, lies = _off_edges(place, edges)
        if not lies.any():
            break
        place = place.copy()
        for edge, peer in np.argwhere(lies):
            a, b = place[edges[edge]]
            aside = np.array([a[1] - b[1], b[0] - a[0]]) / max(float(np.linalg.norm(a - b)), 1e-9)
            step = 0.05 * (aside if float(off[edge, peer] @ aside) >= 0 else -aside)
            place[peer] += step
            place[edges[edge]] -= step / 2
    return place


def _off_edges(place: Places, edges: NDArray[np.int64]) -> tuple[Places, NDArray[np.bool_]]:
    """Of each peer from each edge: the way, and whether it lies on it, within NEAR, without being its end."""
    start, along = place[edges[:, 0], None], place[edges[:, 1], None] - place[edges[:, 0], None]
    length = np.maximum((along**2).sum(-1), 1e-12)
    share = np.clip(((place[None] - start) * along).sum(-1) / length, 0, 1)
    off = place[None] - start - share[..., None] * along
    lies = np.linalg.norm(off, axis=-1) < NEAR
    lies[np.arange(len(edges))[:, None], edges] = False
    return off, lies


def _upright(place: Places) -> Places:
    """The longer extent lies across the page."""
    centred = place - place.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    turned: Places = centred @ (axes * np.sign(axes.sum(1, keepdims=True) + 1e-12)).T
    return turned
