"""Two members that only dial can never meet, so no edge may join them."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import pytest

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.contract.model import Member
from p2pfl_me.contract.template import contract_text
from p2pfl_me.errors import ContractError
from p2pfl_me.topology import plan_of
from p2pfl_me.topology.reach import relayed_edges
from p2pfl_me.wire.identity import new_identity


def ring(*behind: int) -> Contract:
    members = "".join(
        f"\n    - {{id: {peer}, public_key: '{bytes([65 + peer]).decode() * 42}A=', "
        + ("dial_only: true}" if peer in behind else f"address: 'tcp://10.0.0.{peer + 1}:4000'}}")
        for peer in range(5)
    )
    return contract_from_yaml(f"version: 1\nname: labs\ntopology: {{kind: ring}}\npeers:\n  members:{members}\n")


@pytest.mark.parametrize("behind", [(), (0,), (4,), (0, 2), (1, 4), (0, 3)])
def test_members_that_only_dial_may_be_in_a_graph_where_each_meets_others(behind: tuple[int, ...]) -> None:
    assert plan_of(ring(*behind)).size == 5


@pytest.mark.parametrize(("behind", "pair"), [((0, 1), "0 and 1"), ((2, 3), "2 and 3"), ((4, 0, 2), "0 and 4")])
def test_two_neighbours_of_them_are_refused_by_their_ids(behind: tuple[int, ...], pair: str) -> None:
    with pytest.raises(ContractError, match=f"peers {pair} are neighbours, and both are dial_only") as caught:
        plan_of(ring(*behind))
    assert caught.value.where == "labs" and "let one of the two listen" in caught.value.fix


OTHERWISE = (
    "let one of the two listen, or name a relay where they meet (peers.relays: address and public_key of a machine "
    "that runs `p2pme relay`)"
)


@pytest.mark.parametrize(
    ("behind", "more", "seats"),
    [
        ((0, 1), "", "0, 2"),
        ((4, 0, 1), " (so are 0 and 4)", ""),
        ((0, 1, 2, 3), " (so are 1 and 2, 2 and 3)", ""),
        ((0, 1, 2, 3, 4), " (so are 0 and 4, 1 and 2, 2 and 3, 3 and 4)", ""),
    ],
)
def test_what_is_refused_says_which_others_are_and_which_ids_would_do(
    behind: tuple[int, ...], more: str, seats: str
) -> None:
    with pytest.raises(ContractError) as caught:
        plan_of(ring(*behind))
    assert caught.value.what == f"peers 0 and 1 are neighbours, and both are dial_only: neither can be called{more}"
    assert caught.value.fix == (f"give those that only dial the ids {seats}, or " if seats else "") + OTHERWISE


def lab(k: int, *, dials: bool) -> Member:
    where = {"dial_only": True} if dials else {"address": f"tcp://lab-{k}.example:4000"}
    return Member.model_validate({"id": k, **where, "public_key": new_identity().public_text})


@pytest.mark.parametrize("kind", ["ring", "line", "star", "torus", "hypercube", "mesh", "exponential", "edges"])
def test_a_new_contract_seats_those_who_only_dial_apart_wherever_any_seating_does(kind: str) -> None:
    """Against every seating that there is."""
    count = 8 if kind in {"hypercube", "torus"} else 6
    options = ["topology.rows=2", "topology.columns=4"] if kind == "torus" else []
    graph = contract_from_yaml(contract_text(kind, count, overrides=options))
    plan = plan_of(graph)
    for many in range(2, count):
        seats = combinations(range(count), many)
        can_be = any(not any(b in plan.neighbours(a) for a, b in combinations(each, 2)) for each in seats)
        behind = set(range(many))
        members = [lab(k, dials=k in behind) for k in range(count)]
        if not can_be:
            with pytest.raises(ContractError, match="are neighbours, and both are dial_only"):
                contract_text(kind, overrides=options, members=members)
            continue
        made = contract_from_yaml(contract_text(kind, overrides=options, members=members))
        found = plan_of(made)
        assert not relayed_edges(made, found)
        one, other = (nx.Graph((a, b) for a in range(count) for b in each.neighbours(a)) for each in (plan, found))
        assert nx.is_isomorphic(one, other)


def test_where_no_seating_does_each_edge_that_needs_a_relay_is_named() -> None:
    members = [lab(k, dials=k > 0) for k in range(4)]
    with pytest.raises(ContractError, match=r"peers 1 and 2 are neighbours.*\(so are 2 and 3\)"):
        contract_text("ring", members=members)


def test_of_very_many_edges_five_are_named() -> None:
    members = [lab(k, dials=k > 0) for k in range(8)]
    with pytest.raises(ContractError, match=r"\(so are 2 and 3, 3 and 4, 4 and 5, 5 and 6, \.\.\.\)"):
        contract_text("line", members=members)
    with pytest.raises(ContractError, match=r"\(so are 2 and 3, 3 and 4, 4 and 5, 5 and 6\)"):
        contract_text("line", members=members[:7])
