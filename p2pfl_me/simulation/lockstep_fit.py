"""Which contracts can run in lockstep, asked before anything starts; imports no torch."""

from __future__ import annotations

from p2pfl_me.contract import Contract
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.kind import PROTOCOLS


def require_lockstep(contract: Contract, where: str = "") -> None:
    """Refuse what lockstep cannot run to the bits of real peers.

    Raises
    ------
    ContractError
        With the nearest thing that works. `where` is the contract's file.
    """
    gossip = contract.gossip
    known = ", ".join(name for name, kind in PROTOCOLS.items() if kind.in_lockstep)
    if not gossip.protocol.in_lockstep:
        what, fix = f"peers of {gossip.protocol.kind} do not move in lockstep", f"take a protocol of rounds ({known})"
    elif contract.privacy.exchange.needs_keys:
        form = contract.privacy.exchange
        what, fix = (
            f"privacy.exchange: {form} needs keys and messages, and it has neither",
            "write privacy.exchange: plain",
        )
    elif contract.peers.widths:
        what, fix = "its columns hold whole models, and peers.widths slices some", "leave peers.widths out"
    elif contract.privacy.protects:
        what, fix = "it sends no messages, and keeps no ledger of what they would tell", "leave the section privacy out"
    elif gossip.patience:
        what, fix = "patience lets peers stop in different rounds", "leave gossip.patience out"
    else:
        return
    raise ContractError(f"lockstep cannot run it: {what}", where=where, fix=f"{fix}, or take --engine simulate")
