"""One lab of 25 s a round among labs of 1 s, on every graph of five: it is waited for, and costs no other edge a round.

Deadlines are the contract's defaults (15 s at least, 120 s at most).
"""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx
import pytest

from p2pfl_me.gossip.outlook import Outlook
from p2pfl_me.gossip.protocol import Send
from p2pfl_me.gossip.settings import Settings
from p2pfl_me.gossip.stop import StopRule
from p2pfl_me.message import Kind, Message
from p2pfl_me.simulation.faults import FaultModel, Partition
from tests.gossip.liars import Liar
from tests.gossip.swarms import Swarm, contract_of, run
from tests.gossip.test_protocols import RING, apart, idle

DEFAULT = {"deadline": {"min_s": 15.0, "max_s": 120.0}}
SLOW_S, ROUNDS = 25.0, 6


def graphs() -> Iterator[list[tuple[int, int]]]:
    """Every connected graph of five peers, once."""
    for graph in nx.graph_atlas_g():
        if graph.number_of_nodes() == 5 and nx.is_connected(graph):
            yield sorted((min(edge), max(edge)) for edge in graph.edges)


def missed(swarm: Swarm) -> dict[tuple[int, int], list[int]]:
    """(peer, neighbour) -> the rounds in which it was missing."""
    found: dict[tuple[int, int], list[int]] = {}
    for peer, rounds in swarm.mixed.items():
        for mixed in rounds:
            for other in mixed.missing:
                found.setdefault((peer, other), []).append(mixed.round)
    return found


@pytest.mark.few(1)
@pytest.mark.parametrize("slow", range(5))
def test_a_slow_lab_costs_nobody_a_round_on_any_graph(slow: int) -> None:
    all_graphs = list(graphs())
    assert len(all_graphs) == 21
    for edges in all_graphs:
        contract = contract_of({"kind": "edges", "edges": edges}, 5, ROUNDS, DEFAULT)
        swarm = run(contract, apart(5), idle, FaultModel(slow={slow: SLOW_S}))
        assert not missed(swarm), (edges, missed(swarm))
        assert all(finish.is_whole and finish.rounds == ROUNDS for finish in swarm.finished.values()), edges
        assert max(swarm.ended.values()) < ROUNDS * (SLOW_S + 2), edges


@pytest.mark.parametrize("gossip", [{"protocol": "gradient_tracking"}, {"protocol": "qg_dsgdm"}])
def test_what_is_built_on_that_exchange_waits_alike(gossip: dict[str, str]) -> None:
    swarm = run(contract_of(RING, 5, ROUNDS, {**DEFAULT, **gossip}), apart(5), idle, FaultModel(slow={2: SLOW_S}))
    assert not missed(swarm)


def words(contract_gossip: dict[str, object], faults: FaultModel) -> list[Message]:
    """Every LATER that peers of a ring say."""
    said: list[Message] = []

    class Overheard(Liar):
        def say(self, now: float, send: Send) -> list[Send]:
            if send.message.kind in {Kind.LATER, Kind.WAITS}:
                said.append(send.message)
            return [send]

    everyone = dict.fromkeys(range(5), Overheard)
    run(contract_of(RING, 5, ROUNDS, contract_gossip), apart(5), idle, faults, liars=everyone)
    return said


def test_quick_peers_foretell_nothing_and_slow_ones_a_few_words_a_round() -> None:
    assert not words(DEFAULT, FaultModel())
    said = words(DEFAULT, FaultModel(slow={2: SLOW_S}))
    assert 0 < len(said) <= 4 * 2 * 5 * ROUNDS


def test_a_lab_slower_than_the_longest_deadline_costs_that_and_no_more() -> None:
    """The fast edges beyond its neighbours lose nothing; its own are given up after 120 s."""
    swarm = run(contract_of(RING, 5, ROUNDS, DEFAULT), apart(5), idle, FaultModel(slow={2: 500.0}))
    waits = [mixed.wait for peer in (0, 1, 3, 4) for mixed in swarm.mixed[peer]]
    assert max(waits) <= 120.01
    edges = set(missed(swarm))
    assert edges and all(2 in edge for edge in edges), edges
    assert max(swarm.ended[peer] for peer in (0, 1, 3, 4)) < 250, "two deadlines, then nobody waits for it"


def test_who_is_slow_and_dies_is_not_waited_for() -> None:
    faults = FaultModel(slow={2: SLOW_S}, partitions=(Partition(30.0, 1e6, frozenset({2})),), silence_s=1.0)
    swarm = run(contract_of(RING, 5, ROUNDS, DEFAULT), apart(5), idle, faults)
    assert max(swarm.ended[peer] for peer in (0, 1, 3, 4)) < 60


@pytest.mark.parametrize(
    ("now", "seconds", "says"),
    [
        (0.0, 7.5, None),  # not longer than half of the shortest deadline
        (0.0, 25.0, 25_000),
        (0.0, 1e9, 1_000_000_000),  # that much is no wait, and bounded as every number is
        (20.0, 8.0, None),  # 28 s: said before, but for less than a quarter of the shortest deadline
        (20.0, 9.0, 9_000),
    ],
)
def test_a_word_is_said_where_it_is_news(now: float, seconds: float, says: int | None) -> None:
    outlook = Outlook(Settings(StopRule(1), 15.0, 120.0, 6.0, 600.0))
    if now:
        assert outlook.word(0.0, 25.0) == 25_000
    assert outlook.word(now, seconds) == says
