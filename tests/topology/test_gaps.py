"""Peers whose ids have gaps, since some have left: the graph of those who are there, under their own names."""

from __future__ import annotations

from typing import Any

import pytest

from p2pfl_me.errors import ContractError
from p2pfl_me.topology import directed_figures, directed_schedule_of, schedule_of, spectral_figures
from p2pfl_me.topology.arcs import RankedArcs, as_directed
from p2pfl_me.topology.kind import TOPOLOGIES
from p2pfl_me.topology.schedule import RankedSchedule
from p2pfl_me.topology.spectral import round_rms
from tests.topology.drawing import contract_of

IDS, SIZE = (0, 2, 3, 6, 7), 9
KINDS: list[tuple[str, dict[str, Any]]] = [("ring", {}), ("base", {"meets": 2}), ("star", {}), ("mesh", {})]
ONE_WAY: list[tuple[str, dict[str, Any]]] = [("one_peer_exponential", {}), ("equi_static", {"directed": True})]


@pytest.mark.parametrize(("kind", "values"), KINDS)
def test_a_symmetric_schedule_is_that_of_the_ranks(kind: str, values: dict[str, Any]) -> None:
    inner = schedule_of(contract_of(kind, len(IDS), **values))
    named = RankedSchedule(inner, IDS, SIZE)
    assert (named.size, named.period) == (SIZE, inner.period)
    for round in range(3):
        edges = [(IDS[edge.a], IDS[edge.b], edge.weight) for edge in inner.edges(round)]
        assert [(edge.a, edge.b, edge.weight) for edge in named.edges(round)] == edges and edges
        for rank, peer in enumerate(IDS):
            assert named.weights(peer, round) == {IDS[k]: share for k, share in inner.weights(rank, round).items()}
            assert named.neighbours(peer) == tuple(IDS[other] for other in inner.neighbours(rank))
    for gone in (1, 4, 5, 8):
        assert named.weights(gone, 0) == {} and named.neighbours(gone) == ()
    assert spectral_figures(named) == spectral_figures(inner) and round_rms(named, 1) == round_rms(inner, 1)
    arcs, directed = as_directed(named), as_directed(inner)
    assert directed_figures(arcs) == directed_figures(directed) and arcs.size == SIZE
    assert [(IDS[arc.sender], IDS[arc.receiver]) for arc in directed.arcs(1)] == [
        (arc.sender, arc.receiver) for arc in arcs.arcs(1)
    ]
    for nobody in (-1, SIZE):
        for ask in (lambda peer: named.weights(peer, 0), named.neighbours):
            with pytest.raises(ContractError, match="peer"):
                ask(nobody)


@pytest.mark.parametrize(("kind", "values"), ONE_WAY)
def test_a_directed_schedule_is_that_of_the_ranks(kind: str, values: dict[str, Any]) -> None:
    inner = directed_schedule_of(contract_of(kind, len(IDS), **values))
    named = RankedArcs(inner, IDS, SIZE)
    assert (named.size, named.period) == (SIZE, inner.period)
    for round in range(3):
        arcs = [(IDS[arc.sender], IDS[arc.receiver], arc.weight) for arc in inner.arcs(round)]
        assert [(arc.sender, arc.receiver, arc.weight) for arc in named.arcs(round)] == arcs and arcs
        for rank, peer in enumerate(IDS):
            assert named.receivers(peer, round) == {IDS[k]: s for k, s in inner.receivers(rank, round).items()}
            assert named.senders(peer, round) == {IDS[k]: s for k, s in inner.senders(rank, round).items()}
            assert named.neighbours(peer) == tuple(IDS[other] for other in inner.neighbours(rank))
    assert directed_figures(named) == directed_figures(inner)
    for gone in (1, 4, 5, 8):
        assert named.receivers(gone, 0) == named.senders(gone, 0) == {} and named.neighbours(gone) == ()
    for ask in (lambda peer: named.receivers(peer, 0), lambda peer: named.senders(peer, 0), named.neighbours):
        with pytest.raises(ContractError, match="peer"):
            ask(SIZE)


def test_a_graph_that_names_peers_names_those_who_are_there() -> None:
    edges = TOPOLOGIES.of("edges", edges=[[0, 2], [2, 3], [3, 7], [6, 7]])
    assert edges.among(IDS).edges == ((0, 1), (1, 2), (2, 4), (3, 4))  # type: ignore[attr-defined]
    assert edges.among(tuple(range(8))) is edges
    with pytest.raises(ContractError, match=r"\[2, 3\] names peer 3, which has left") as refused:
        edges.among((0, 2, 6, 7))
    assert refused.value.where == "topology.edges.1"
    star = TOPOLOGIES.of("star", center=3)
    assert star.among(IDS).center == 2  # type: ignore[attr-defined]
    with pytest.raises(ContractError, match=r"center is peer 4, which has left\n.*take one of 0, 2, 3, 6, 7"):
        TOPOLOGIES.of("star", center=4).among(IDS)
    beyond = TOPOLOGIES.of("star", center=8)
    assert beyond.among(IDS) is beyond
    with pytest.raises(ContractError, match="center is peer 5, and the contract has 5 peers"):
        list(TOPOLOGIES.of("star", center=5).pairs(5))
    ring = TOPOLOGIES.of("ring")
    assert ring.among(IDS) is ring
