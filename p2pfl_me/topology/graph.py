"""From the contract's `topology` to a networkx graph of peers 0..n-1, or a refusal that says what would work.

One small function a kind. The graph carries `kind` (and what its drawing needs) as graph attributes. Weights,
rounds and figures live next door.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import networkx as nx

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import model
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.base import base_graph
from p2pfl_me.topology.draws import erdos_renyi, random_regular, watts_strogatz
from p2pfl_me.topology.equitopo import basis, default_shifts

Pairs = Iterable[tuple[int, int]]

DRAWS = 500
"""How many draws of a random kind are tried for a connected one."""


def build_graph(topology: model.Topology, count: int) -> nx.Graph:
    """The undirected, connected graph that `topology` describes on peers 0..count-1, without self loops.

    Of a kind that changes from round to round, everyone who ever meets is linked; of a directed one, everyone who ever
    sends to the other.

    Raises
    ------
    ContractError
        No such graph exists for this number of peers, an edge names a peer that is not there, or the graph falls
        apart into components (which are named).
    """
    graph = nx.Graph(kind=topology.kind)
    graph.add_nodes_from(range(count))
    graph.add_edges_from(_BUILDERS[topology.kind](topology, count))
    if isinstance(topology, model.Torus):
        graph.graph.update(rows=topology.rows, columns=topology.columns)
    if isinstance(topology, model.Star):
        graph.graph.update(center=topology.center)
    _require_connected(graph)
    return graph


def nearest_square(count: int) -> tuple[int, int]:
    """Rows and columns with rows * columns == count, rows <= columns, as near to a square as there is."""
    rows = next(rows for rows in range(math.isqrt(count), 0, -1) if count % rows == 0)
    return rows, count // rows


def random_probability(count: int) -> float:
    """2 ln n / n: twice the threshold above which a random graph is connected almost surely."""
    return min(1.0, 2 * math.log(count) / count)


def _ring(_: model.Ring, count: int) -> Pairs:
    return _circulant(count, [1])


def _mesh(_: model.Mesh, count: int) -> Pairs:
    return ((low, high) for high in range(count) for low in range(high))


def _line(_: model.Line, count: int) -> Pairs:
    return ((peer, peer + 1) for peer in range(count - 1))


def _star(star: model.Star, count: int) -> Pairs:
    if star.center >= count:
        raise ContractError(
            f"the star's center is peer {star.center}, and there are {count} peers",
            where="topology.center",
            fix=f"take one of {_ids(range(count))}",
        )
    return ((star.center, peer) for peer in range(count) if peer != star.center)


def _random(random: model.Random, count: int) -> Pairs:
    probability = random_probability(count) if random.probability is None else random.probability
    return _connected_draw(
        lambda rng: erdos_renyi(count, probability, rng),
        count,
        random.seed,
        "random",
        f"with probability {probability:g} (below about {math.log(count) / count:.2g} = ln n / n it seldom happens)",
        f"raise topology.probability; {random_probability(count):.2g} is the default for {count} peers",
    )


def _torus(torus: model.Torus, count: int) -> Pairs:
    rows, columns = torus.rows, torus.columns
    if rows * columns != count:
        fit = nearest_square(count)
        raise ContractError(
            f"a torus of {rows} x {columns} has {rows * columns} peers, and there are {count}",
            where="topology.rows",
            fix=f"write rows: {fit[0]}, columns: {fit[1]}, or take {rows * columns} peers",
        )
    right = ((row * columns + column, row * columns + (column + 1) % columns) for row, column in _cells(rows, columns))
    down = ((row * columns + column, (row + 1) % rows * columns + column) for row, column in _cells(rows, columns))
    return (pair for pair in (*right, *down) if pair[0] != pair[1])


def _small_world(world: model.SmallWorld, count: int) -> Pairs:
    where = "topology.neighbours"
    largest = (count - 1) // 2 * 2
    if largest < 2:
        raise ContractError(
            f"a small world needs at least 3 peers, and there are {count}",
            where="topology.kind",
            fix="add peers, or take kind: mesh",
        )
    if world.neighbours > largest:
        raise ContractError(
            f"{world.neighbours} neighbours on a circle of {count} peers", where=where, fix=f"at most {largest} fit"
        )
    if world.neighbours % 2:
        near = [even for even in (world.neighbours - 1, world.neighbours + 1) if 2 <= even <= largest]
        raise ContractError(
            f"{world.neighbours} neighbours cannot lie evenly on both sides",
            where=where,
            fix=f"take an even number: {' or '.join(map(str, near))}",
        )
    return _connected_draw(
        lambda rng: watts_strogatz(count, world.neighbours, world.rewire, rng),
        count,
        world.seed,
        "small_world",
        f"with {world.neighbours} neighbours and rewire {world.rewire:g}",
        "raise topology.neighbours or lower topology.rewire",
    )


def _regular(regular: model.Regular, count: int) -> Pairs:
    degree, where = regular.degree, "topology.degree"
    if degree >= count:
        fix = f"at most {count - 1}" if count > 1 else "a single peer runs alone with kind: mesh"
        raise ContractError(f"{count} peers cannot each have {degree} neighbours", where=where, fix=fix)
    if degree * count % 2:
        near = [even for even in (degree - 1, degree + 1) if 2 <= even < count]
        raise ContractError(
            f"{count} peers cannot each have {degree} neighbours: {count} * {degree} ends do not pair up",
            where=where,
            fix=f"take degree {' or '.join(map(str, near))}, or an even number of peers",
        )
    if degree == 1 and count > 2:
        raise ContractError(
            f"{count} peers with one neighbour each fall into pairs", where=where, fix="take degree 2 or more"
        )
    return _connected_draw(
        lambda rng: random_regular(count, degree, rng),
        count,
        regular.seed,
        "regular",
        f"of degree {degree}",
        "raise topology.degree, or take kind: ring",
    )


def _hypercube(_: model.Hypercube, count: int) -> Pairs:
    if count & (count - 1):
        below = 1 << (count.bit_length() - 1)
        raise ContractError(
            f"a hypercube has 2^m peers, and there are {count}",
            where="peers",
            fix=f"take {below} or {2 * below} peers, or kind: exponential, which is as short for any number",
        )
    bits = count.bit_length() - 1
    return ((peer, peer ^ (1 << bit)) for peer in range(count) for bit in range(bits))


def _exponential(_: model.Exponential | model.OnePeerExponential, count: int) -> Pairs:
    return _circulant(count, [1 << power for power in range((count - 1).bit_length())])


def _base(base: model.Base, count: int) -> Pairs:
    return ((a, b) for round in base_graph(count, base.meets) for a, b, _ in round)


def _epidemic(_: model.Epidemic | model.EpidemicLocal, count: int) -> Pairs:
    return _circulant(count, range(1, count))


def _equi_static(equi: model.EquiStatic, count: int) -> Pairs:
    shifts = default_shifts(count) if equi.shifts is None else equi.shifts
    return _circulant(count, sorted(set(basis(count, shifts, equi.seed))))


def _equi_dynamic(equi: model.EquiDynamic, count: int) -> Pairs:
    drawn = () if equi.shifts is None else basis(count, equi.shifts, equi.seed)
    return _circulant(count, sorted(set(drawn)) or range(1, count))


def _edges(listed: model.Edges, count: int) -> Pairs:
    for index, (a, b) in enumerate(listed.edges):
        where = f"topology.edges.{index}"
        if a == b:
            raise ContractError(f"[{a}, {b}] links peer {a} with itself", where=where, fix="remove it")
        if max(a, b) >= count:
            raise ContractError(
                f"[{a}, {b}] names peer {max(a, b)}, and there are {count} peers",
                where=where,
                fix=f"ids are {_ids(range(count))}",
            )
    return listed.edges


_BUILDERS: dict[str, Callable[[Any, int], Pairs]] = {
    "ring": _ring,
    "mesh": _mesh,
    "line": _line,
    "star": _star,
    "random": _random,
    "torus": _torus,
    "small_world": _small_world,
    "regular": _regular,
    "hypercube": _hypercube,
    "exponential": _exponential,
    "base": _base,
    "epidemic": _epidemic,
    "epidemic_local": _epidemic,
    "one_peer_exponential": _exponential,
    "equi_static": _equi_static,
    "equi_dynamic": _equi_dynamic,
    "edges": _edges,
}


def _circulant(count: int, steps: Iterable[int]) -> Pairs:
    """Peer i is linked with i + step (mod count) for every step."""
    pairs = ((peer, (peer + step) % count) for step in steps for peer in range(count))
    return (pair for pair in pairs if pair[0] != pair[1])


def _cells(rows: int, columns: int) -> list[tuple[int, int]]:
    return [(row, column) for row in range(rows) for column in range(columns)]


def _connected_draw(
    draw: Callable[[Random], set[tuple[int, int]]], count: int, seed: int, kind: str, how: str, fix: str
) -> Pairs:
    """The first connected one among DRAWS draws, each from its own stream."""
    for attempt in range(DRAWS):
        graph = nx.empty_graph(count)
        graph.add_edges_from(draw(Random(derive_seed(seed, "topology", kind, attempt))))
        if nx.is_connected(graph):
            return sorted(graph.edges)
    raise ContractError(f"none of {DRAWS} draws {how} joins all {count} peers", where="topology", fix=fix)


def _require_connected(graph: nx.Graph) -> None:
    components = sorted(nx.connected_components(graph), key=min)
    if len(components) == 1:
        return
    shown = ["{" + _ids(sorted(component)) + "}" for component in components[:8]]
    if len(components) > 8:
        shown.append(f"and {len(components) - 8} more")
    bridge = [min(components[0]), min(components[1])]
    raise ContractError(
        f"the graph is not connected: it falls into {len(components)} parts, {', '.join(shown)}",
        where="topology",
        fix=f"link the parts, for example by the edge {bridge}",
    )


def _ids(peers: Iterable[int]) -> str:
    """`0..4, 7`: sorted ids with runs joined."""
    runs: list[list[int]] = []
    for peer in peers:
        if runs and runs[-1][1] == peer - 1:
            runs[-1][1] = peer
        else:
            runs.append([peer, peer])
    words = [str(a) if a == b else f"{a}, {b}" if b == a + 1 else f"{a}..{b}" for a, b in runs]
    return ", ".join(words if len(words) <= 12 else [*words[:12], "..."])
