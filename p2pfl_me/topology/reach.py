"""Which labs can meet at all: one of the two ends of every edge can be called, or they meet at a relay."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from p2pfl_me.errors import ContractError

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract
    from p2pfl_me.topology.directed import Plan


NAMED = 5
"""Edges that a complaint names."""


def relayed_edges(contract: Contract, plan: Plan) -> list[tuple[int, int]]:
    """The edges, lower id first, of two members that only dial: these meet at a relay."""
    behind = {member.id for member in contract.peers.members or () if member.dial_only}
    return [(peer, other) for peer in sorted(behind) for other in plan.neighbours(peer) if peer < other in behind]


def require_dialable(contract: Contract, plan: Plan) -> None:
    """See that no edge joins two members that only dial, unless the contract names a relay.

    Raises
    ------
    ContractError
        One does; nobody would ever call the other. It names ids for these members where they would need no relay, if
        there are such.
    """
    edges = relayed_edges(contract, plan)
    if not edges or contract.peers.relays:
        return
    behind = [member.id for member in contract.peers.members or () if member.dial_only]
    (one, other), more = edges[0], ", ".join(f"{a} and {b}" for a, b in edges[1:NAMED])
    others = f" (so are {more}{', ...' if len(edges) > NAMED else ''})" if more else ""
    seats = apart(plan, len(behind))
    numbers = f"give those that only dial the ids {', '.join(map(str, seats))}, or " if seats else ""
    raise ContractError(
        f"peers {one} and {other} are neighbours, and both are dial_only: neither can be called{others}",
        where=contract.name,
        fix=f"{numbers}let one of the two listen, or name a relay where they meet "
        "(peers.relays: address and public_key of a machine that runs `p2pme relay`)",
    )


def seating(plan: Plan, behind: Collection[int]) -> tuple[int, ...] | None:
    """Which place of the graph each peer takes, so that no two of those `behind` a firewall are neighbours; None where
    none is found. All others keep their order."""
    seats = apart(plan, len(behind))
    if not seats:
        return None
    rest = (seat for seat in range(plan.size) if seat not in set(seats))
    kept = iter(seats)
    return tuple(next(kept) if peer in behind else next(rest) for peer in range(plan.size))


def apart(plan: Plan, count: int) -> list[int]:
    """So many ids of which no two are neighbours, lowest first; empty if none are found.

    The least linked one goes first, then the least linked of those that are left (Halldorsson and Radhakrishnan 1997,
    greedy independent sets): not always the most that there are, always such as are apart.
    """
    left = {peer: set(plan.neighbours(peer)) for peer in range(plan.size)}
    found: list[int] = []
    while left and len(found) < count:
        peer = min(left, key=lambda each: (len(left[each]), each))
        found.append(peer)
        gone = left[peer] & left.keys() | {peer}
        for each in gone:
            del left[each]
        for met in left.values():
            met -= gone
    return sorted(found) if len(found) == count else []
