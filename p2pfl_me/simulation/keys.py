"""Keys for simulated peers, from the contract's seed: what they hide is summed to the same bits whatever they are.

A simulation hides nothing from the machine that it runs on; equal runs have equal messages this way.
"""

from __future__ import annotations

import hashlib
from functools import cache

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from p2pfl_me.contract import Contract
from p2pfl_me.keyring import Keyring, Pledges


def simulated_keys(
    contract: Contract, peer: int, life: int, *, rehearsed: bool = False, pledges: Pledges | None = None
) -> Keyring | None:
    """The keys of one life of a simulated peer; None where the contract needs none.

    `pledges`: those of its lives before. `rehearsed`: what costs much and changes no sum is left out, as it is where
    it is not installed.
    """
    form, seed, count = contract.privacy.exchange, contract.seed, contract.peers.count
    if not form.needs_keys:
        return None
    own = _drawn(seed, peer), _publics(seed, count), _drawn(seed, peer, life)
    rehearsed = rehearsed or not form.is_installed
    return Keyring(_drawn(seed, "contract"), *own, rehearsed=rehearsed, pledges=pledges or Pledges())


@cache
def _publics(seed: int, count: int) -> dict[int, bytes]:
    return {peer: _public(_drawn(seed, peer)) for peer in range(count)}


def _public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _drawn(*labels: int | str) -> bytes:
    return hashlib.sha256(repr(("simulated key", *labels)).encode()).digest()
