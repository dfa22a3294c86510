"""Changes that are often asked for, from a contract to the next: a member comes, goes, moves, has another key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import networkx as nx

from p2pfl_me.contract import Contract, contract_from_values
from p2pfl_me.errors import ContractError

DIALS = "dial-only"
"""In place of an address: nobody can call this member."""


def without(contract: Contract, peer: int) -> Contract:
    """The contract that a member has left, and the graph mended.

    A kind of graph is made anew of those who stay. Of a list of edges the leaver's go; where the rest falls apart, its
    neighbours are joined in a ring, by their ids. Of a star whose center leaves, the lowest id becomes the center.

    Raises
    ------
    ContractError
        No such member takes part, or nobody could stay.
    """
    values = _values(contract)
    for member in _members(values, contract):
        if member["id"] == peer and not member.get("left"):
            member["left"] = True
            break
    else:
        raise _nobody(contract, peer)
    if values["topology"]["kind"] == "edges":
        values["topology"]["edges"] = _mended([(a, b) for a, b in values["topology"]["edges"]], peer)
    if values["topology"].get("center") == peer:
        values["topology"]["center"] = next((each for each in contract.peers.present if each != peer), peer)
    return _contract(values, contract)


def with_member(contract: Contract, address: str, key: str, meets: Iterable[int] = ()) -> Contract:
    """The contract with one member more, whose id is the next one; `meets` are its neighbours in a list of edges.

    `address`: where the others call it; `dial-only` where nobody can.

    Raises
    ------
    ContractError
        No such member can be.
    """
    values = _values(contract)
    members, peer = _members(values, contract), contract.peers.count
    where = {"dial_only": True} if address == DIALS else {"address": address}
    members.append({"id": peer, **where, "public_key": key})
    if values["topology"]["kind"] == "edges":
        values["topology"]["edges"] += [[other, peer] for other in sorted(set(meets))]
    return _contract(values, contract)


def with_changed(contract: Contract, peer: int, changed: Mapping[str, Any]) -> Contract:
    """The contract with other values for a member: `address`, `public_key`, `dial_only`.

    Raises
    ------
    ContractError
        No such member takes part, or it cannot have these.
    """
    values = _values(contract)
    for member in _members(values, contract):
        if member["id"] == peer and not member.get("left"):
            member.update(changed)
            return _contract(values, contract)
    raise _nobody(contract, peer)


def _mended(edges: list[tuple[int, int]], gone: int) -> list[list[int]]:
    graph = nx.Graph(edges)
    around = sorted(graph.neighbors(gone)) if gone in graph else []
    graph.remove_nodes_from([gone])
    if len(graph) > 1 and not nx.is_connected(graph):
        graph.add_edges_from(pairwise(around))
        if len(around) > 2:
            graph.add_edge(around[0], around[-1])
    return [list(pair) for pair in sorted((min(a, b), max(a, b)) for a, b in graph.edges)]


def with_set(contract: Contract, overrides: Sequence[str]) -> Contract:
    """The contract with `section.key=value` texts put in place, as `training.rounds=80`.

    Raises
    ------
    ContractError
        It cannot say that.
    """
    return contract_from_values(_values(contract), contract.name, overrides)


def _values(contract: Contract) -> dict[str, Any]:
    return contract.model_dump(mode="json", exclude_none=True)


def _members(values: Mapping[str, Any], contract: Contract) -> list[dict[str, Any]]:
    members: list[dict[str, Any]] | None = values["peers"].get("members")
    if members is None:
        raise ContractError(
            "names no members: all its peers are on this machine", where=contract.name, fix="write peers.members"
        )
    return members


def _contract(values: dict[str, Any], before: Contract) -> Contract:
    return contract_from_values(values, before.name)


def _nobody(contract: Contract, peer: int) -> ContractError:
    there = ", ".join(map(str, contract.peers.present))
    return ContractError(f"no peer {peer} takes part", where=contract.name, fix=f"those who do: {there}")
