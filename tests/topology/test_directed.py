"""The seam to push-sum: arcs, receivers and senders tell the same, nobody gives all of itself away, no n x n."""

from __future__ import annotations

import hashlib
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.topology import (
    StaticSchedule,
    as_directed,
    build_graph,
    diameter,
    directed_figures,
    directed_schedule_of,
    mixing_matrix,
    schedule_of,
    spectral_figures,
)
from p2pfl_me.topology.averaging import mixing_curve
from p2pfl_me.topology.kind import TOPOLOGIES
from tests.topology.drawing import connected_graphs, contract_of, push_matrix

DIRECTED: list[tuple[str, dict[str, Any]]] = [
    ("one_peer_exponential", {}),
    ("epidemic_local", {"sends": 1}),
    ("equi_static", {"directed": True}),
    ("equi_static", {"directed": True, "shifts": 7}),
    ("equi_dynamic", {"directed": True}),
    ("equi_dynamic", {"directed": True, "shifts": 3}),
]
SYMMETRIC: list[tuple[str, dict[str, Any]]] = [
    ("ring", {}),
    ("base", {"meets": 2}),
    ("equi_static", {}),
    ("equi_dynamic", {}),
    ("equi_dynamic", {"shifts": 3}),
]
THOUSANDS = 10_000


@given(st.sampled_from(DIRECTED + SYMMETRIC), st.integers(1, 25), st.integers(0, 10**6))
def test_arcs_receivers_senders_and_links_tell_the_same(
    kind: tuple[str, dict[str, Any]], count: int, round: int
) -> None:
    schedule = directed_schedule_of(contract_of(kind[0], count, **kind[1]))
    assert schedule.size == count
    arcs = [(arc.sender, arc.receiver) for arc in schedule.arcs(round)]
    assert arcs == sorted(set(arcs))
    matrix = push_matrix(schedule, round)
    assert matrix.min() >= 0
    assert (np.diag(matrix) > 1e-9).all()
    np.testing.assert_allclose(matrix.sum(0), 1)
    for peer in range(count):
        receivers, senders = schedule.receivers(peer, round), schedule.senders(peer, round)
        assert list(receivers.items()) == [(a.receiver, a.weight) for a in schedule.arcs(round) if a.sender == peer]
        assert list(senders.items()) == [(a.sender, a.weight) for a in schedule.arcs(round) if a.receiver == peer]
        assert (receivers.keys() | senders.keys()) <= set(schedule.neighbours(peer)) - {peer}
        assert list(schedule.neighbours(peer)) == sorted(set(schedule.neighbours(peer)))
    if schedule.period is not None:
        assert schedule.arcs(round + schedule.period) == schedule.arcs(round)


@pytest.mark.parametrize(("kind", "values"), DIRECTED)
@pytest.mark.parametrize("count", [1, 2, 3, 8, 15])
def test_links_are_symmetric_and_are_those_of_the_drawn_graph(kind: str, values: dict[str, Any], count: int) -> None:
    contract = contract_of(kind, count, **values)
    schedule, graph = directed_schedule_of(contract), build_graph(contract.topology, count)
    assert [list(schedule.neighbours(peer)) for peer in range(count)] == [sorted(graph[peer]) for peer in range(count)]


@pytest.mark.thorough
@given(connected_graphs())
def test_a_symmetric_schedule_keeps_its_matrix_and_its_figures(graph: Any) -> None:
    schedule = StaticSchedule(graph)
    directed = as_directed(schedule)
    np.testing.assert_allclose(push_matrix(directed), mixing_matrix(schedule), atol=1e-12)
    expected, found = spectral_figures(schedule), directed_figures(directed)
    assert (found.edges, found.diameter, found.peers) == (expected.edges, expected.diameter, expected.peers)
    assert found.models_per_round == pytest.approx(expected.models_per_round)
    assert found.effective_neighbours == pytest.approx(expected.effective_neighbours)
    assert found.exact_after == expected.exact_after
    assert found.beta == pytest.approx(expected.beta, abs=1e-12)
    assert found.rms == pytest.approx(expected.rms, abs=1e-12)


def test_the_course_of_mixing_is_what_push_sum_leaves_of_random_models() -> None:
    """Where a peer gives more than it gets its weight falls, and z = x / w divides by it."""
    schedule = directed_schedule_of(contract_of("epidemic_local", 9, sends=2))
    models = np.random.default_rng(0).normal(size=(9, 20_000))
    mean, held, weight, left = models.mean(0), models, np.ones((9, 1)), [1.0]
    for round in range(6):
        held, weight = push_matrix(schedule, round) @ held, push_matrix(schedule, round) @ weight
        left.append(float(np.linalg.norm(held / weight - mean) / np.linalg.norm(models - mean)))
    assert np.ptp(weight) > 0.1
    np.testing.assert_allclose(mixing_curve(schedule, 6), left, rtol=0.02)


@pytest.mark.parametrize(("kind", "values"), DIRECTED)
def test_what_needs_symmetric_edges_is_refused_with_the_way_out(kind: str, values: dict[str, Any]) -> None:
    contract = contract_of(kind, 10, **values)
    assert contract.topology.one_way
    with pytest.raises(ContractError, match=f"{kind} is directed, and protocol dpsgd needs symmetric edges") as caught:
        schedule_of(contract)
    assert "gossip.protocol: push_sum" in caught.value.fix
    assert ("topology.directed: false" in caught.value.fix) == kind.startswith("equi")


@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_every_kind_has_a_directed_view(kind: str) -> None:
    contract = contract_of(kind, 8, **TOPOLOGIES[kind].example(8))
    directed = directed_schedule_of(contract)
    assert directed.size == 8
    assert diameter(directed) >= 1
    if not contract.topology.one_way:
        np.testing.assert_allclose(push_matrix(directed, 3), mixing_matrix(schedule_of(contract), 3), atol=1e-12)


@pytest.mark.parametrize(("kind", "values"), DIRECTED)
@pytest.mark.parametrize("peer", [-1, 10])
def test_a_peer_outside_is_refused(kind: str, values: dict[str, Any], peer: int) -> None:
    schedule = directed_schedule_of(contract_of(kind, 10, **values))
    for ask in (schedule.neighbours, lambda peer: schedule.senders(peer, 0), lambda peer: schedule.receivers(peer, 0)):
        with pytest.raises(ContractError, match=r"ids are 0\.\.9"):
            ask(peer)


def test_shares_cannot_be_changed_by_who_reads_them() -> None:
    for kind, values in DIRECTED:
        shares = directed_schedule_of(contract_of(kind, 10, **values)).receivers(0, 0)
        with pytest.raises(TypeError):
            shares[1] = 0.9  # type: ignore[index]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        *DIRECTED,
        *(pytest.param(*each, marks=pytest.mark.thorough) for each in SYMMETRIC if each[0].startswith("equi")),
    ],
)
def test_ten_thousand_peers_take_arcs_not_matrices(kind: str, values: dict[str, Any]) -> None:
    """A byte for each pair would be 100 MB, a matrix of floats 800."""
    contract = contract_of(kind, THOUSANDS, **values)
    tracemalloc.start()
    try:
        schedule = directed_schedule_of(contract)
        links = len(schedule.neighbours(9_999))
        arcs = sum(1 for _ in schedule.arcs(1))
        known = set(schedule.receivers(9_999, 1)) | set(schedule.senders(9_999, 1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < min(1_000 * arcs, THOUSANDS**2 * 3 // 4)
    assert THOUSANDS / 2 <= arcs <= 30 * THOUSANDS
    assert len(known) <= links <= THOUSANDS - 1


@pytest.mark.parametrize(
    ("kind", "values", "digest"),
    [
        ("epidemic_local", {"seed": 7}, "701002d15f7f"),
        ("equi_static", {"seed": 7, "directed": True}, "021a6de3aae1"),
        ("equi_static", {"seed": 7}, "929f723d542d"),
        ("equi_dynamic", {"seed": 7, "directed": True}, "d3b2a3092d99"),
        ("equi_dynamic", {"seed": 7}, "d62598ff6713"),
        ("equi_dynamic", {"seed": 7, "shifts": 3}, "d134a44cd648"),
    ],
)
def test_a_draw_is_the_same_on_every_machine_and_version(kind: str, values: dict[str, Any], digest: str) -> None:
    """Peers draw for themselves: a changed digest here means that old and new peers cannot meet."""
    schedule = directed_schedule_of(contract_of(kind, 50, **values))
    drawn = [[(arc.sender, arc.receiver) for arc in schedule.arcs(round)] for round in range(20)]
    assert hashlib.sha256(repr(drawn).encode()).hexdigest()[:12] == digest


@pytest.mark.parametrize(("kind", "values"), [each for each in DIRECTED if each[0].startswith("e")])
def test_seeds_differ(kind: str, values: dict[str, Any]) -> None:
    drawn = {directed_schedule_of(contract_of(kind, 101, seed=seed, **values)).arcs(0) for seed in range(6)}
    assert len(drawn) == 6


def test_the_contract_says_what_is_directed() -> None:
    def loaded(topology: str) -> Contract:
        return contract_from_yaml(f"version: 1\nname: d\ntopology: {topology}\npeers: {{loopback: {{count: 5}}}}\n")

    assert loaded("{kind: epidemic_local, sends: 3}").topology.one_way
    assert not loaded("{kind: equi_dynamic}").topology.one_way
    with pytest.raises(ContractError, match="shift"):
        loaded("{kind: equi_static, shift: 3}")
