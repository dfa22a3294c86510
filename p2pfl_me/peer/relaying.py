"""A relay for the contract's members that only dial: `p2pme relay`. It keeps nothing and can read nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from p2pfl_me.contract import Contract
from p2pfl_me.contract.members import Relay
from p2pfl_me.counting import many
from p2pfl_me.errors import ContractError, IdentityError
from p2pfl_me.exits import Exit
from p2pfl_me.output import put, wait_for_no_reader
from p2pfl_me.peer.directory import listening_at
from p2pfl_me.peer.stopping import heard_by
from p2pfl_me.peer.trust import Trust
from p2pfl_me.topology import plan_of
from p2pfl_me.topology.reach import relayed_edges
from p2pfl_me.wire.identity import fingerprint, load_identity, public_from_text
from p2pfl_me.wire.relay import RelayServer


def relay(contract: Contract, home: Path, key: Path, listen: str | None, bytes_per_s: float) -> Exit:
    """Serve until a signal stops it.

    Raises
    ------
    ContractError
        The contract names no such relay, or no edge that needs one.
    IdentityError
        The key is none of a relay of the contract.
    PeerError
        The port is taken or the address is not this machine's.
    """
    plan, identity = plan_of(contract), load_identity(key)
    if not contract.peers.relays:
        raise ContractError(
            "names no relay",
            where=contract.name,
            fix="add this one to peers.relays in all peers' contract, with its address and public_key",
        )
    mine = next((each for each in contract.peers.relays if public_from_text(each.public_key) == identity.public), None)
    if mine is None:
        raise IdentityError(
            f"this key ({fingerprint(identity.public)}) is none of the relays that the contract names",
            where=str(key),
            fix="name the right file, or put its public key (`p2pme keys show`) into peers.relays for all",
        )
    edges = relayed_edges(contract, plan)
    if not edges:
        raise ContractError(
            "no two neighbours only dial, so nobody would come",
            where=contract.name,
            fix="run no relay, or mark the members that nobody can call (dial_only: true)",
        )
    met = [(_public(contract, one), _public(contract, other)) for one, other in edges]
    wait_for_no_reader()
    server = RelayServer(identity, met, bytes_per_s, put, _names(contract), Trust(home))
    return asyncio.run(_serve(contract, mine, server, listening_at(mine.address, listen), len(edges)))


async def _serve(contract: Contract, mine: Relay, server: RelayServer, listen: str, edges: int) -> Exit:
    listener = server.listen(listen)
    task = asyncio.create_task(server.serve(listener))
    place = f"{many(edges, 'edge')} may meet at {mine.address}; listening at {listen}"
    with heard_by(asyncio.get_running_loop(), task.cancel):
        put(f"relay for {contract.name}: {place}")
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()
    put(f"stopped; {server.passed_on} bytes were passed on")
    return Exit.STOPPED


def _public(contract: Contract, peer: int) -> bytes:
    return public_from_text(contract.peers.member(peer).public_key or "")


def _names(contract: Contract) -> Callable[[bytes], str]:
    names = {
        public_from_text(each.public_key): f"peer {each.id}" for each in contract.peers.members or () if each.public_key
    }
    return names.__getitem__
