"""Which labs can meet at all: one of the two ends of every edge must be one that others can call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pfl_me.errors import ContractError

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract
    from p2pfl_me.topology.directed import Plan


def require_dialable(contract: Contract, plan: Plan) -> None:
    """See that no edge joins two members that only dial.

    Raises
    ------
    ContractError
        One does; nobody would ever call the other.
    """
    behind = [member.id for member in contract.peers.members or () if member.dial_only]
    for peer in behind:
        if met := sorted(set(plan.neighbours(peer)) & set(behind)):
            raise ContractError(
                f"peers {min(peer, met[0])} and {max(peer, met[0])} are neighbours, and both are dial_only: "
                "neither can be called",
                where=contract.name,
                fix="number the members so that no two of them are neighbours (kind: edges names each edge), or let "
                "one of the two listen",
            )
