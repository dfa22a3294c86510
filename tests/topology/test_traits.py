"""What each kind says of itself is what its schedule does, and what nobody wrote is what is stated."""

from __future__ import annotations

import networkx as nx
import pytest

from p2pfl_me.aggregation import AGGREGATIONS
from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.contract.template import contract_text
from p2pfl_me.errors import ContractError
from p2pfl_me.topology import StaticSchedule, build_graph, density, enough, layout, mixing, plan_of, spectral, summary
from p2pfl_me.topology.arcs import DirectedSchedule
from p2pfl_me.topology.density import require_few_edges
from p2pfl_me.topology.kind import TOPOLOGIES
from p2pfl_me.topology.weighing import WEIGHTS
from p2pfl_me.topology.weights import optimal

COUNT = 8
NEEDED = {"edges": {"edges": [(0, 1), (1, 2)]}, "torus": {"rows": 2, "columns": 3}}
"""Options without which there is no such graph; the defaults of others stand in `approved_declared.txt`."""
OF_THEIR_OWN = [
    kind for kind in TOPOLOGIES if (one := TOPOLOGIES.of(kind, **NEEDED.get(kind, {}))).own_weights and not one.one_way
]


@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_the_list_of_kinds_states_what_is_left_out(kind: str) -> None:
    topology = TOPOLOGIES.of(kind, **NEEDED.get(kind, {}))
    for key, value in topology.model_dump(exclude={"kind", "seed"}).items():
        if value and kind not in NEEDED:
            assert f"{key} ({value}" in topology.needs


@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_traits_are_those_of_the_schedule(kind: str) -> None:
    about = TOPOLOGIES[kind]
    contract = contract_from_yaml(contract_text(kind, COUNT))
    plan = plan_of(contract)
    directed = isinstance(plan, DirectedSchedule)
    assert contract.topology.one_way == directed
    met = {
        tuple((arc.sender, arc.receiver) for arc in plan.arcs(round))
        if isinstance(plan, DirectedSchedule)
        else tuple((edge.a, edge.b) for edge in plan.edges(round))
        for round in range(12)
    }
    assert about.changes == (len(met) > 1)
    if not about.own_weights:
        weighed = StaticSchedule(build_graph(contract.topology, COUNT), WEIGHTS.of("metropolis").weigh)
        assert not isinstance(plan, DirectedSchedule) and plan.edges(3) == weighed.edges(0)


@pytest.mark.parametrize("kind", OF_THEIR_OWN)
def test_what_brings_its_weights_takes_no_others(kind: str) -> None:
    with pytest.raises(ContractError, match="own mixing weights"):
        contract_text(kind, COUNT, overrides=["gossip.weights=constant"])


def test_a_graph_with_too_few_neighbours_for_the_aggregation_is_refused() -> None:
    text = "version: 1\nname: few\ntopology: {kind: TOPOLOGY}\npeers: {loopback: {count: 8}}\n"
    text += "gossip: {aggregation: {kind: trimmed_mean, trim: 1}}\n"
    least = AGGREGATIONS.of("trimmed_mean", trim=1).least_neighbours
    with pytest.raises(ContractError, match=f"peer 0 has 1 neighbour in a round, and aggregation .* needs {least}"):
        plan_of(contract_from_yaml(text.replace("TOPOLOGY", "line")))
    assert plan_of(contract_from_yaml(text.replace("TOPOLOGY", "mesh"))).size == 8


def test_a_graph_of_more_edges_than_can_be_held_is_refused_to_the_very_edge() -> None:
    most = TOPOLOGIES.of("regular", degree=200)
    require_few_edges(most, 10_000)  # a million
    with pytest.raises(ContractError, match=r"degree 202 makes 1,010,000 edges of 10000 peers.*\n.*at most 200 works"):
        require_few_edges(TOPOLOGIES.of("regular", degree=202), 10_000)
    with pytest.raises(ContractError, match=r"at most 0\.0222 works"):
        require_few_edges(TOPOLOGIES.of("random", probability=0.5), 9_487)
    require_few_edges(TOPOLOGIES.of("random", probability=1.0), 1_414)  # 998,991
    with pytest.raises(ContractError, match="1,000,405 edges"):
        require_few_edges(TOPOLOGIES.of("random", probability=1.0), 1_415)
    with pytest.raises(ContractError, match="neighbours 400"):
        require_few_edges(TOPOLOGIES.of("small_world", neighbours=400), 10_000)
    more_than_there_are = TOPOLOGIES.of("regular", degree=2_000)
    require_few_edges(more_than_there_are, 1_414)  # the graph itself says that nobody has so many neighbours
    with pytest.raises(ContractError, match="degree 2000 makes 1,415,000 edges"):
        require_few_edges(more_than_there_are, 1_415)
    require_few_edges(TOPOLOGIES.of("ring"), 10**7)


def test_the_best_weights_are_solved_for_64_peers_at_most() -> None:
    with pytest.raises(ContractError, match="at most 64 peers, and there are 65"):
        WEIGHTS.of("optimal").weigh(nx.cycle_graph(65))
    assert WEIGHTS.of("optimal").weigh(nx.empty_graph(65)) == {}, "of no edge there is nothing to solve"


def test_eigenvalues_are_computed_for_2000_peers_at_most() -> None:
    with pytest.raises(ContractError, match="more than 2000 peers"):
        WEIGHTS.of("constant").weigh(nx.path_graph(2001))


@pytest.mark.parametrize(
    ("found", "stated"),
    [
        (density.MOST_EDGES, 1_000_000),
        ((enough.LOOKED_AT, summary.SHOWN_EDGES, mixing.MOST_EIGENVALUES), (64, 60, 2_000)),
        ((optimal.MOST_PEERS, optimal.GRID), (64, 2.0**-16)),
        ((layout.STRESS_LIMIT, layout.DRAWN_LINKS, layout.SMALL), (200, 50_000, 40)),
        ((layout.STARTS, layout.STARTS_OF_LARGE), (24, 3)),
        ((spectral.EXACT, spectral.SUDDEN, spectral.EPS), (1e-9, 1e-6, 1e-3)),
        ((spectral.WINDOW, spectral.COUNTED, spectral.MEMORY), (256, 64, 0.99)),
    ],
)
def test_limits_are_what_is_stated(found: object, stated: object) -> None:
    """Measured or reckoned beside each; half or double of one would break no other test."""
    assert found == stated
