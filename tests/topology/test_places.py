"""Where a drawing puts the peers, against places that somebody has looked at (`approved_places.json`).

P2PME_APPROVE=1 writes them anew; look at `p2pme topology show` of each then.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from p2pfl_me.topology import layout
from p2pfl_me.topology.layout import NEAR, _parted, places
from tests.topology.drawing import graph_of

APPROVED = Path(__file__).parent / "approved_places.json"
GRAPHS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "one": ("ring", 1, {}),
    "two": ("ring", 2, {}),
    "ring": ("ring", 7, {}),
    "line": ("line", 23, {}),
    "torus": ("torus", 12, {"rows": 3, "columns": 4}),
    "small star": ("star", 5, {"center": 2}),
    "star": ("star", 9, {"center": 0}),
    "pair star": ("star", 2, {}),
    "hypercube": ("hypercube", 16, {}),
    "random": ("random", 10, {}),
    "two circles": ("edges", 8, {"edges": [(0, 1), (1, 2), (2, 3), (0, 3), (4, 5), (5, 6), (6, 7), (4, 7), (3, 4)]}),
    "three in a row": ("edges", 3, {"edges": [(0, 1), (1, 2)]}),
    "tree": ("edges", 7, {"edges": [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6)]}),
}


def found(name: str) -> np.ndarray:
    kind, count, options = GRAPHS[name]
    return places(graph_of(kind, count, **options))


@pytest.mark.parametrize("name", GRAPHS)
def test_peers_lie_where_they_were_approved(name: str) -> None:
    if os.environ.get("P2PME_APPROVE"):
        APPROVED.write_text(json.dumps({each: found(each).round(3).tolist() for each in GRAPHS}) + "\n")
    approved = json.loads(APPROVED.read_text())[name]
    np.testing.assert_allclose(found(name), approved, atol=0.02)


def test_graphs_beyond_what_could_be_told_apart_lie_on_a_circle() -> None:
    """As those do of which a part cannot be reached."""
    for graph in (nx.path_graph(201), nx.empty_graph(6), nx.path_graph(2)):
        circle = graph_of("ring", graph.number_of_nodes())
        np.testing.assert_array_equal(places(graph), places(circle))
    assert not np.allclose(places(nx.path_graph(200)), places(graph_of("ring", 200)))
    assert np.allclose(places(graph_of("hypercube", 256)), places(graph_of("ring", 256)))


def test_care_for_single_edges_is_taken_up_to_the_limit_and_time_for_few_starts_beyond_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    settle, part = layout._settle, layout._parted
    monkeypatch.setattr(layout, "_settle", lambda *given: done.append("settle") or settle(*given))
    monkeypatch.setattr(layout, "_parted", lambda *given: done.append("part") or part(*given))
    for most, starts, parted in ((8, 24, 6), (7, 3, 0)):
        monkeypatch.setattr(layout, "SMALL", most)
        done.clear()
        found("two circles")
        assert (done.count("settle"), done.count("part")) == (starts, parted)


def test_layouts_rest_before_patience_ends_and_scatters_are_as_wide_as_the_peers_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[int] = []

    class Counted:
        def __init__(self, matrix: np.ndarray) -> None:
            self.matrix = matrix

        def __matmul__(self, other: np.ndarray) -> np.ndarray:
            steps[-1] += 1
            return np.asarray(self.matrix @ other)

    def counted(start: np.ndarray, hops: np.ndarray, weight: np.ndarray, inverse: np.ndarray) -> Any:
        steps.append(0)
        return settle(start, hops, weight, Counted(inverse))  # type: ignore[arg-type]

    settle = layout._settle
    monkeypatch.setattr(layout, "_settle", counted)
    found("tree")
    assert len(steps) == 24 and max(steps) < 150
    for count in (4, 16):
        hops = np.abs(np.subtract.outer(np.arange(count), np.arange(count))).astype(np.float64)
        assert np.std(layout._starts(hops)[2:]) == pytest.approx(np.sqrt(count) / 2, rel=0.15)


def test_neighbours_are_about_one_apart_on_a_circle() -> None:
    for count in (3, 10, 60):
        place = places(graph_of("ring", count))
        apart = np.linalg.norm(place - np.roll(place, 1, axis=0), axis=1)
        np.testing.assert_allclose(apart, 1.0 if count > 3 else np.sqrt(3) * max(0.5, 0.5 / np.sin(np.pi / 3)))
    np.testing.assert_allclose(places(graph_of("ring", 4))[0], [0, np.sqrt(0.5)], atol=1e-12)


@pytest.mark.parametrize(("height", "side"), [(0.0, 1), (0.01, 1), (-0.01, -1)])
def test_who_lies_on_an_edge_of_others_steps_to_its_own_side_until_it_is_clear(height: float, side: int) -> None:
    """And the edge half as far to the other; of three in a line, the middle one to the left of the way."""
    place = np.array([[0.0, 0.0], [1.0, height], [2.0, 0.0]])
    found = _parted(place, np.array([[0, 2]]))
    steps = next(number for number in range(60) if abs(height) + 0.075 * number >= NEAR)
    np.testing.assert_allclose(found[:, 0], [0, 1, 2], atol=1e-12)
    np.testing.assert_allclose(found[:, 1], np.array([-0.025, 0.05, -0.025]) * steps * side + place[:, 1], atol=1e-12)
    np.testing.assert_array_equal(_parted(place, np.array([[0, 1], [1, 2]])), place)
