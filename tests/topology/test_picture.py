"""Drawings: every kind at any size gets places of its own, and a file that opens."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from PIL import Image

from p2pfl_me.errors import RunError
from p2pfl_me.membership.edits import without
from p2pfl_me.report.graph_picture import draw_graph, graph_figure
from p2pfl_me.report.style import THEMED
from p2pfl_me.topology.cut import cutting_liars
from p2pfl_me.topology.graph import graph_of as present_graph
from p2pfl_me.topology.kind import TOPOLOGIES
from p2pfl_me.topology.layout import places
from tests.membership.labs import Members
from tests.topology.drawing import connected_graphs, graph_of


def least_distance(place: np.ndarray) -> float:
    apart = np.linalg.norm(place[:, None] - place[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return float(apart.min())


@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_no_two_peers_lie_on_each_other(kind: str) -> None:
    for count in (8, 64):
        graph = graph_of(kind, count, **TOPOLOGIES[kind].example(count))
        place = places(graph)
        assert place.shape == (count, 2)
        assert least_distance(place) > 0.1


@pytest.mark.parametrize("kind", ["random", "regular", "edges"])
def test_no_peer_of_a_ready_contract_lies_on_an_edge_of_two_others(kind: str) -> None:
    graph = graph_of(kind, 10, **TOPOLOGIES[kind].example(10))
    place = places(graph)
    for a, b in graph.edges:
        for other in set(graph) - {a, b}:
            share = np.clip(
                (place[other] - place[a]) @ (place[b] - place[a]) / np.sum((place[b] - place[a]) ** 2), 0, 1
            )
            assert np.linalg.norm(place[a] + share * (place[b] - place[a]) - place[other]) > 0.15


@pytest.mark.thorough
@settings(max_examples=30)
@given(connected_graphs())
def test_places_are_finite_and_the_same_in_every_run(graph: nx.Graph) -> None:
    place = places(graph)
    assert np.isfinite(place).all()
    assert np.array_equal(place, places(graph))


def test_two_circles_with_two_bridges_are_drawn_without_crossing() -> None:
    graph = graph_of("edges", 10, **TOPOLOGIES["edges"].example(10))
    place = places(graph)

    def side(a: int, b: int, c: int) -> float:
        (ax, ay), (bx, by), (cx, cy) = place[[a, b, c]]
        return float((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))

    for a, b in graph.edges:
        for c, d in graph.edges:
            if len({a, b, c, d}) == 4:
                assert side(a, b, c) * side(a, b, d) > 0 or side(c, d, a) * side(c, d, b) > 0


@pytest.mark.parametrize("kind", ["ring", "torus", "edges"])
def test_a_picture_is_written(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "graph.png"
    graph = graph_of(kind, 10, **TOPOLOGIES[kind].example(10))
    draw_graph(graph, path, title="$odd {name")
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width >= 1000


def test_every_peer_is_drawn_and_dead_ones_are_hollow() -> None:
    figure = graph_figure(nx.cycle_graph(5), scores={0: 0.1, 1: 0.2, 2: 0.3, 3: float("nan")}, score_name="UF1")
    marks = next(each for each in figure.axes[0].collections if isinstance(each, PathCollection))
    fill = np.asarray(marks.get_facecolor())
    assert np.asarray(marks.get_offsets()).shape == (5, 2)
    assert [bool(np.all(colour == 1)) for colour in fill] == [False, False, False, True, True]
    lightness = fill[:3, :3].mean(1)
    assert list(lightness) == sorted(lightness, reverse=True)
    ids = [text for text in figure.axes[0].texts if text.get_text()]
    assert [text.get_text() for text in ids] == ["0", "1", "2", "3", "4"]
    assert [to_hex(text.get_color()) in THEMED for text in ids] == [False, False, False, True, True], (
        "where the mark follows the theme, its letters do"
    )
    plain = graph_figure(nx.cycle_graph(5)).axes[0].texts
    assert len(plain) == 5 and all(to_hex(text.get_color()) in THEMED for text in plain)
    assert figure.axes[1].get_title(loc="left") == "UF1"


def test_a_torus_shows_its_closing_edges_as_dotted_ends() -> None:
    figure = graph_figure(graph_of("torus", 12, rows=3, columns=4))
    inner, dotted = (each for each in figure.axes[0].collections if isinstance(each, LineCollection))
    assert len(inner.get_segments()) == 17
    assert len(dotted.get_segments()) == 2 * (3 + 4)


@pytest.mark.parametrize("count", [1, 2, 200])
def test_the_smallest_and_large_graphs_are_drawn(count: int) -> None:
    assert graph_figure(graph_of("ring", count), scores={0: 1.0}).axes


def test_a_picture_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"end the name in \.png"):
        draw_graph(nx.path_graph(2), tmp_path / "graph.docx")
    with pytest.raises(RunError, match="cannot be written"):
        draw_graph(nx.path_graph(2), Path("/dev/null/graph.png"))


@pytest.mark.parametrize(
    "topology", ["{kind: ring}", "{kind: star}", "{kind: edges, edges: [[0, 1], [1, 2], [2, 3], [3, 4]]}"]
)
def test_who_has_left_is_not_drawn_and_the_others_keep_their_ids(topology: str) -> None:
    labs = Members(topology)
    graph = present_graph(without(labs.contract, 1))
    figure = graph_figure(graph, scores={0: 0.1, 2: 0.2, 3: 0.3, 4: 0.4, 1: 0.9}, score_name="UF1")
    assert [said for text in figure.axes[0].texts if (said := text.get_text())] == ["0", "2", "3", "4"]
    assert cutting_liars(without(labs.contract, 1)) in (1, 2)
