"""Every kind builds what its name says, for every number of peers it can, and says what would work where it cannot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import networkx as nx
import pytest

from p2pfl_me.errors import ContractError
from p2pfl_me.topology.kind import TOPOLOGIES
from tests.topology.drawing import graph_of


def buildable() -> Iterator[tuple[str, int, dict[str, Any]]]:
    drawn = {kind for kind, _, _ in with_options()}
    yield from with_options()
    for kind in TOPOLOGIES.keys() - drawn:  # whichever was added since
        for count in range(1, 34):
            try:
                graph_of(kind, count, **TOPOLOGIES[kind].example(count))
            except ContractError as error:
                assert error.fix and not TOPOLOGIES[kind].needs.startswith("any number")
            else:
                yield kind, count, TOPOLOGIES[kind].example(count)


def with_options() -> Iterator[tuple[str, int, dict[str, Any]]]:
    for count in range(1, 34):
        for kind in (
            "ring",
            "mesh",
            "line",
            "exponential",
            "random",
            "star",
            "base",
            "epidemic",
            "one_peer_exponential",
        ):
            yield kind, count, {}
        for directed in (False, True):
            yield "equi_static", count, {"directed": directed, "shifts": 1, "seed": count}
            yield "equi_dynamic", count, {"directed": directed, "shifts": 2, "seed": count}
        yield "epidemic_local", count, {"sends": 1}
        for rows in range(1, count + 1):
            if count % rows == 0:
                yield "torus", count, {"rows": rows, "columns": count // rows}
        if count > 4:
            yield "small_world", count, {"neighbours": 4, "seed": count}
        for degree in range(2, min(count, 6)):
            if degree * count % 2 == 0:
                yield "regular", count, {"degree": degree, "seed": count}
        if count & (count - 1) == 0:
            yield "hypercube", count, {}
        if count > 1:
            yield "edges", count, {"edges": [(peer, peer - 1) for peer in range(1, count)]}


def test_every_buildable_graph_is_connected_and_simple() -> None:
    built = set()
    for kind, count, values in buildable():
        graph = graph_of(kind, count, **values)
        assert sorted(graph.nodes) == list(range(count)), (kind, count)
        assert nx.is_connected(graph), (kind, count)
        assert nx.number_of_selfloops(graph) == 0, (kind, count)
        assert graph.graph["kind"] == kind
        built.add(kind)
    assert built == set(TOPOLOGIES)


@pytest.mark.parametrize(
    ("kind", "count", "values", "known"),
    [
        ("ring", 10, {}, nx.cycle_graph(10)),
        ("mesh", 7, {}, nx.complete_graph(7)),
        ("line", 6, {}, nx.path_graph(6)),
        ("star", 9, {"center": 4}, nx.star_graph(8)),
        ("torus", 20, {"rows": 4, "columns": 5}, nx.grid_2d_graph(4, 5, periodic=True)),
        ("torus", 10, {"rows": 2, "columns": 5}, nx.circular_ladder_graph(5)),
        ("hypercube", 16, {}, nx.hypercube_graph(4)),
        ("exponential", 10, {}, nx.circulant_graph(10, [1, 2, 4, 8])),
        ("exponential", 16, {}, nx.circulant_graph(16, [1, 2, 4, 8])),
        ("one_peer_exponential", 10, {}, nx.circulant_graph(10, [1, 2, 4, 8])),
        ("epidemic_local", 7, {}, nx.complete_graph(7)),
        ("equi_dynamic", 7, {}, nx.complete_graph(7)),
        ("equi_static", 7, {"shifts": 1}, nx.cycle_graph(7)),
        ("equi_static", 6, {"shifts": 1}, nx.cycle_graph(6)),
        ("small_world", 12, {"rewire": 0.0}, nx.circulant_graph(12, [1, 2])),
        ("random", 6, {"probability": 1.0}, nx.complete_graph(6)),
        ("regular", 6, {"degree": 5}, nx.complete_graph(6)),
        ("edges", 3, {"edges": [(2, 0), (0, 2), (1, 2)]}, nx.path_graph(3)),
    ],
)
def test_a_kind_is_the_graph_of_its_name(kind: str, count: int, values: dict[str, Any], known: nx.Graph) -> None:
    assert nx.is_isomorphic(graph_of(kind, count, **values), known)


def test_the_star_has_its_center_where_it_was_put() -> None:
    assert sorted(graph_of("star", 5, center=3).neighbors(3)) == [0, 1, 2, 4]


def test_a_regular_graph_has_the_same_degree_everywhere() -> None:
    for count in range(3, 24):
        for degree in range(2, count):
            if degree * count % 2 == 0:
                assert {d for _, d in graph_of("regular", count, degree=degree).degree()} == {degree}


def test_a_small_world_keeps_the_number_of_its_edges() -> None:
    for seed in range(20):
        assert graph_of("small_world", 20, neighbours=4, rewire=0.7, seed=seed).number_of_edges() == 40


def test_a_random_graph_has_about_the_edges_its_probability_says() -> None:
    edges = [graph_of("random", 60, probability=0.3, seed=seed).number_of_edges() for seed in range(40)]
    # 1770 pairs * 0.3 = 531 with a deviation of 19.3 a graph, 3.05 of the mean of 40.
    assert abs(sum(edges) / 40 - 531) < 4 * 3.05


@pytest.mark.parametrize(
    ("kind", "count", "values", "digest"),
    [
        ("random", 10, {}, "90ab8a083d22"),
        ("random", 50, {"seed": 7}, "5cddd0eadc46"),
        ("small_world", 10, {}, "0cd49b6363e3"),
        ("small_world", 50, {"neighbours": 6, "seed": 7}, "0935cfb99fb2"),
        ("regular", 10, {}, "b37e5fcfcce2"),
        ("regular", 50, {"degree": 3, "seed": 7}, "25a7009bbfd1"),
    ],
)
def test_a_draw_is_the_same_on_every_machine_and_version(
    kind: str, count: int, values: dict[str, Any], digest: str
) -> None:
    """Peers compute the graph for themselves: a changed digest here means that old and new peers cannot meet."""
    edges = sorted(tuple(sorted(edge)) for edge in graph_of(kind, count, **values).edges)
    assert hashlib.sha256(repr(edges).encode()).hexdigest()[:12] == digest


def test_another_seed_gives_another_graph() -> None:
    for kind in ("random", "small_world", "regular"):
        drawn = {tuple(sorted(graph_of(kind, 20, seed=seed).edges)) for seed in range(10)}
        assert len(drawn) == 10


@pytest.mark.parametrize(
    ("kind", "count", "values", "says"),
    [
        ("edges", 7, {"edges": [(0, 1), (1, 2), (3, 4), (4, 6)]}, "3 parts, {0..2}, {3, 4, 6}, {5}"),
        ("edges", 7, {"edges": [(0, 1), (1, 2), (3, 4), (4, 6)]}, "by the edge [0, 3]"),
        ("edges", 2, {"edges": []}, "2 parts, {0}, {1}"),
        ("edges", 30, {"edges": [(0, 1)]}, "and 21 more"),
        (
            "edges",
            3,
            {"edges": [(0, 1), (1, 3)]},
            "topology.edges.1: [1, 3] names peer 3, and the contract has 3 peers",
        ),
        ("edges", 3, {"edges": [(0, 1), (1, 3)]}, "ids are 0..2"),
        ("edges", 3, {"edges": [(1, 1)]}, "topology.edges.0: [1, 1] links peer 1 with itself"),
        ("star", 4, {"center": 4}, "take one of 0..3"),
        ("hypercube", 10, {}, "take 8 or 16 peers"),
        ("torus", 10, {"rows": 3, "columns": 3}, "rows: 2, columns: 5, or take 9 peers"),
        ("torus", 10, {"rows": 3, "columns": 3}, "a torus of 3 x 3 has 9 peers, and there are 10"),
        ("torus", 7, {"rows": 2, "columns": 4}, "rows: 1, columns: 7, or take 8 peers"),
        ("regular", 5, {"degree": 3}, "take degree 2 or 4, or an even number of peers"),
        ("regular", 4, {"degree": 4}, "at most 3"),
        ("regular", 6, {"degree": 1}, "take degree 2 or more"),
        ("regular", 1, {"degree": 1}, "runs alone with kind: mesh"),
        ("small_world", 10, {"neighbours": 3}, "take an even number: 2 or 4"),
        ("small_world", 4, {"neighbours": 4}, "at most 2 fit"),
        ("small_world", 2, {}, "kind: mesh"),
        ("random", 5, {"probability": 5e-324}, "raise topology.probability"),
        ("random", 100, {"probability": 0.001}, "raise topology.probability; 0.092 is the default for 100 peers"),
    ],
)
def test_what_cannot_be_built_is_refused_with_what_can(
    kind: str, count: int, values: dict[str, Any], says: str
) -> None:
    with pytest.raises(ContractError) as caught:
        graph_of(kind, count, **values)
    assert says in str(caught.value)
    assert "topology" in caught.value.where or caught.value.where == "peers"
    assert caught.value.fix
