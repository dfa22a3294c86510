"""Two members that only dial can never meet, so no edge may join them."""

from __future__ import annotations

import pytest

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.topology import plan_of


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
