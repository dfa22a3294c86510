"""What `p2pme topology show` says of directed kinds."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from p2pfl_me.cli.json_output import object_text
from p2pfl_me.topology.summary import SHOWN_EDGES, as_object, as_text, summarise
from tests.topology.drawing import contract_of


def test_a_directed_kind_is_called_so_and_shows_its_arcs() -> None:
    text = as_text(summarise(contract_of("one_peer_exponential", 8)))
    assert "one_peer_exponential, directed, 8 peers, 8 arcs in the first round, others in each of 3, then again" in text
    assert "arcs       0>1 1>2" in text
    assert "sends      1 models a peer and round" in text
    assert "exact after 3 rounds" in text


def test_the_same_kind_undirected_shows_edges() -> None:
    directed = as_text(summarise(contract_of("equi_static", 10, directed=True)))
    undirected = as_text(summarise(contract_of("equi_static", 10)))
    assert ", directed, " in directed and "arcs" in directed and "edges" not in directed
    assert "directed" not in undirected and "edges" in undirected and "arcs" not in undirected


@pytest.mark.parametrize(("count", "near"), [(5, "4 peers agree after 2 rounds, 8 after 3"), (10, "8 peers agree")])
def test_peers_for_whom_a_schedule_is_not_exact_are_told_the_nearest_numbers(count: int, near: str) -> None:
    assert near in as_text(summarise(contract_of("one_peer_exponential", count)))
    assert "never exact" not in as_text(summarise(contract_of("one_peer_exponential", 8)))


def test_json_names_the_sender_first() -> None:
    said = json.loads(object_text(as_object(summarise(contract_of("one_peer_exponential", 5)), None)))
    assert said["directed"] is True
    assert said["edges"] == [[0, 1, 0.5], [1, 2, 0.5], [2, 3, 0.5], [3, 4, 0.5], [4, 0, 0.5]]
    assert said["figures"]["exact_after"] is None
    ring = json.loads(object_text(as_object(summarise(contract_of("ring", 5)), None)))
    assert ring["directed"] is False
    assert [0, 4, 1 / 3] in ring["edges"]


def test_figures_are_reckoned_up_to_the_very_number_that_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pfl_me.topology.summary.MOST_EIGENVALUES", 5)
    shown = {count: summarise(contract_of("ring", count)) for count in (4, 5, 6)}
    assert [count for count, each in shown.items() if each.figures] == [4, 5]
    assert [each.links for each in shown.values()] == [4, 5, 6]
    assert "none above 5 peers" in as_text(shown[6]) and shown[6].weights == "metropolis"


def test_very_many_peers_get_no_figures() -> None:
    summary = summarise(contract_of("epidemic_local", 2001))
    assert summary.figures is None
    assert len(summary.edges) == 4002


def test_a_mesh_of_thousands_is_summed_up_without_its_edges() -> None:
    tracemalloc.start()
    text = as_text(summarise(contract_of("mesh", 2_001), SHOWN_EDGES))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "mesh, 2001 peers, 2001000 edges" in text and "and 2000940 more" in text
    assert most < 4_000_000


@pytest.mark.parametrize("kind", ["ring", "star", "epidemic", "equi_dynamic", "one_peer_exponential"])
def test_the_first_edges_are_told_as_if_all_were_held(kind: str) -> None:
    contract = contract_of(kind, 90)
    assert as_text(summarise(contract, SHOWN_EDGES)) == as_text(summarise(contract))
