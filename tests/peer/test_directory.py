"""Who calls whom, and where a peer listens: by the contract, by `--listen`, and nowhere if nobody can call."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.peer.directory import Directory, directory_of
from p2pfl_me.peer.opening import links_of
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.topology import plan_of
from p2pfl_me.wire.identity import Identity, new_identity, save_identity
from tests.wire.peers import Recorder

KEYS: list[Identity] = [new_identity() for _ in range(4)]


def ring(*behind: int, addresses: bool = True) -> Contract:
    """Four labs on a ring; those `behind` a firewall only dial, and have an address all the same if `addresses`."""
    lines = []
    for peer, key in enumerate(KEYS):
        address = "" if peer in behind and not addresses else f", address: 'tcp://lab-{peer}.example:4000'"
        dials = ", dial_only: true" if peer in behind else ""
        lines.append(f"    - {{id: {peer}, public_key: '{key.public_text}'{address}{dials}}}\n")
    return contract_from_yaml(f"version: 1\nname: x\ntopology: {{kind: ring}}\npeers:\n  members:\n{''.join(lines)}")


def directory(folder: Path, contract: Contract, peer: int, listen: str | None = None) -> Directory:
    key = folder / f"{peer}.key"
    if not key.exists():
        save_identity(key, KEYS[peer])
    settings = PeerSettings(peer, contract, run=folder, home=folder / "home", key=key, listen=listen)
    return directory_of(settings, plan_of(contract))


@pytest.mark.parametrize("behind", [(), (0,), (1,), (3,), (0, 2), (1, 3)])
@pytest.mark.parametrize("addresses", [True, False])
def test_one_end_of_every_edge_calls_and_the_other_listens(
    tmp_path: Path, behind: tuple[int, ...], addresses: bool
) -> None:
    contract = ring(*behind, addresses=addresses)
    found = [directory(tmp_path, contract, peer) for peer in range(4)]
    calls = {(each.me, other.peer): other.is_dialled_by(each.me) for each in found for other in each.neighbours}
    for (me, other), dials in calls.items():
        assert dials != calls[other, me]
        assert not dials or (found[other].listen and other not in behind)
        assert dials or me not in behind
    for each in found:
        assert {other.peer for other in each.neighbours if not other.address} <= {*behind}, (
            "who can be called, is asked"
        )
        assert not [other for other in each.neighbours if other.address and other.peer in behind]
    for peer in behind:
        assert found[peer].listen is None, "nobody calls it, so it opens no port"
    if not behind:
        assert all(calls[pair] == (pair[0] < pair[1]) for pair in calls)


def test_two_labs_that_only_dial_are_no_neighbours() -> None:
    with pytest.raises(ContractError, match="peers 1 and 2 are neighbours, and both are dial_only"):
        plan_of(ring(1, 2))


def test_where_a_peer_listens_is_its_own_affair(tmp_path: Path) -> None:
    contract = ring()
    assert directory(tmp_path, contract, 2).listen == "tcp://*:4000"
    assert directory(tmp_path, contract, 2, "10.0.0.7:4100").listen == "tcp://10.0.0.7:4100"
    assert directory(tmp_path, contract, 2, "tcp://*:4100").listen == "tcp://*:4100"
    for bad in ("4100", "lab", "a b:1", "http://x:1"):
        with pytest.raises(ContractError, match="no address"):
            directory(tmp_path, contract, 2, bad)


@pytest.mark.parametrize("asks", [True, False])
def test_a_newcomer_asks_nobody_whether_it_is_known(tmp_path: Path, asks: bool) -> None:
    """Before its round its neighbours do not know its key."""
    contract = ring()
    links = links_of(contract, directory(tmp_path, contract, 3), contract.model.layout, Recorder(), asks=asks)
    assert math.isinf(links._multiplexer._liveness.ask_s) is not asks
