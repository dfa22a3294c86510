"""Which numbers of peers a topology can have."""

from __future__ import annotations

from pydantic import ValidationError

from p2pfl_me.contract import Contract
from p2pfl_me.contract.members import HIGHEST_PORT, MOST_PEERS
from p2pfl_me.contract.model import Loopback, Peers
from p2pfl_me.errors import ContractError
from p2pfl_me.topology import plan_of


def with_peers(contract: Contract, count: int, where: str = "") -> Contract:
    """The contract with `count` peers on loopback, of its widths, at its own base port or as near as they fit.

    Raises
    ------
    ContractError
        There can't be so many or so few. `where` is the contract's file.
    """
    port = contract.peers.loopback.base_port if contract.peers.loopback else Loopback(count=1).base_port
    widths = {peer: width for peer, width in contract.peers.widths.items() if peer < count}
    try:
        peers = Peers(loopback=Loopback(count=count, base_port=min(port, HIGHEST_PORT + 1 - count)), widths=widths)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ContractError(
            f"no {count} peers: {reason}", where=where or contract.name, fix="take another --peers, or change `peers`"
        ) from None
    return contract.model_copy(update={"peers": peers})


def require_fit(contract: Contract, where: str) -> None:
    """Refuse a contract whose topology cannot have its number of peers, and name the nearest number that works.

    Raises
    ------
    ContractError
        `where` is the contract's file.
    """
    try:
        plan_of(contract)
    except ContractError as error:
        count = contract.peers.count
        near = nearest(contract)
        fix = f"take --peers {near}, the nearest number that works here; or change the topology: {error.fix}"
        raise ContractError(
            f"no {contract.topology.kind} of {count} peers: {error.what}",
            where=where,
            fix=fix if near else error.fix,
        ) from error


def nearest(contract: Contract) -> int | None:
    """The number of peers nearest to the contract's that its topology can have, 2 at least; of two, the smaller."""
    count = contract.peers.count
    for distance in range(1, max(count, 64)):
        for other in (count - distance, count + distance):
            if 2 <= other <= MOST_PEERS and _fits(contract, other):
                return other
    return None


def _fits(contract: Contract, count: int) -> bool:
    try:
        plan_of(with_peers(contract, count))
    except ContractError:
        return False
    return True
