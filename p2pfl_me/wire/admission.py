"""Who may come in, before anything is kept for it: the proof of an edge, and how much room strangers get.

A listener greets each caller with a challenge. Only the two ends of an edge can answer it: the key of the proof follows
from the agreement of their static keys (X25519, HKDF), so no stranger can compute it, an eavesdropper cannot use it
again, and the answer names the neighbour before its handshake costs anything. Nothing secret rests on it: who speaks is
settled by Noise. What is in clear looks random, to everybody who holds neither key.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from p2pfl_me.wire.budget import Bucket
from p2pfl_me.wire.identity import Identity
from p2pfl_me.wire.noise import agree

CHALLENGE, PROOF = 16, 32
"""Bytes of a challenge, and of the answer to it."""
WAITING = 64
"""Callers that may be on their way through the handshake at a time."""
CALLS_A_SECOND, CALLS_AT_ONCE = 1000.0, 200.0
"""Connections that are looked at, from everybody together; the rest wait in the kernel."""
CALLS_A_SECOND_OF_ONE, CALLS_AT_ONCE_OF_ONE = 10.0, 64.0
"""Of one address, so that a crowd from one cannot keep a neighbour at another out."""
ADDRESSES = 1024
"""Addresses whose calls are counted; beyond them the one that has not called for longest is forgotten."""


def edge_key(identity: Identity, remote: bytes) -> bytes:
    """The key of the proofs of the edge to the holder of `remote`, the same at both ends.

    Raises
    ------
    WireError
        `remote` is no public key.
    """
    ends = b"".join(sorted((identity.public, remote)))
    return HKDF(SHA256(), 32, salt=None, info=b"p2pfl_me edge 2" + ends).derive(agree(identity.private, remote))


def proof(key: bytes, caller: bytes, challenge: bytes) -> bytes:
    """The answer of `caller` (its public key) to a challenge: nobody's own answer can be turned against it."""
    return hmac.digest(key, b"proof" + caller + challenge, "sha256")


def masked(key: bytes, challenge: bytes, digest: bytes) -> bytes:
    """A contract's digest (32 bytes) so that only the other end can read it; the same again gives it back."""
    mask = hmac.digest(key, b"digest" + challenge, "sha256")
    return bytes(a ^ b for a, b in zip(digest, mask, strict=True))


class Edge(Protocol):
    """Two keys: the other end's public one, and the key of the proofs between them."""

    @property
    def public(self) -> bytes: ...
    @property
    def key(self) -> bytes: ...


E = TypeVar("E", bound=Edge)


def caller_of(edges: Iterable[E], challenge: bytes, answer: bytes) -> E | None:
    """The edge at whose other end this answer was given."""
    found = None
    for edge in edges:
        if hmac.compare_digest(proof(edge.key, edge.public, challenge), answer):
            found = edge
    return found


C = TypeVar("C", bound=Hashable)


@dataclass(slots=True)
class WaitingRoom(Generic[C]):
    """Callers that have not yet shown who they are. Pure; the caller has the clock.

    When it is full, the one that has waited longest goes, of the address that fills most of it.
    """

    most: int = WAITING
    _waiting: dict[C, str] = field(default_factory=dict)
    _all: Bucket = field(default_factory=lambda: Bucket(CALLS_A_SECOND, CALLS_AT_ONCE))
    _of_one: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)

    def looks(self, now: float) -> float:
        """Count one more call; for how many seconds no other should be looked at."""
        return self._all.charge(now)

    def admits(self, now: float, host: str) -> bool:
        """Whether a caller from this address may begin a handshake now."""
        home = network_of(host)
        bucket = self._of_one.pop(home, None) or Bucket(CALLS_A_SECOND_OF_ONE, CALLS_AT_ONCE_OF_ONE)
        self._of_one[home] = bucket
        while len(self._of_one) > ADDRESSES:
            self._of_one.popitem(last=False)
        return bucket.take(now)

    def enter(self, one: C, host: str) -> C | None:
        """Let a caller wait; who has to go for it, if anybody."""
        goes = None
        if len(self._waiting) >= self.most:
            crowded, _ = Counter(self._waiting.values()).most_common(1)[0]
            goes = next(each for each, home in self._waiting.items() if home == crowded)
            del self._waiting[goes]
        self._waiting[one] = network_of(host)
        return goes

    def leave(self, one: C) -> None:
        """It has come in, or gone."""
        self._waiting.pop(one, None)


def network_of(host: str) -> str:
    """Whom an address is counted for: itself, or the /64 network of an IPv6 one, all of which one host may have."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)
