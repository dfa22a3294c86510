"""One receiver and its neighbours, as `privacy.masks` sees them: no core, no network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from p2pfl_me.keyring import Keyring, Pledges
from p2pfl_me.message import Packed, Vector
from p2pfl_me.privacy.fixed_point import FixedPoint
from p2pfl_me.privacy.mask_keys import MaskKeys
from p2pfl_me.privacy.masks import Giver, Summer, say_lives

RECEIVER, SIZE = 9, 6


def drawn(*labels: object) -> bytes:
    return hashlib.sha256(repr(labels).encode()).digest()


@cache
def public(peer: int) -> bytes:
    private = X25519PrivateKey.from_private_bytes(drawn("static", peer))
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def ring(peer: int, count: int, life: int = 0, contract: bytes = b"c" * 32, before: Keyring | None = None) -> Keyring:
    """`before`: of an earlier life, whose pledges this one knows."""
    publics = {other: public(other) for other in range(count)}
    pledges = before.pledges if before else Pledges()
    return Keyring(contract, drawn("static", peer), publics, drawn("life", peer, life), pledges=pledges)


@dataclass
class Around:
    """`count` givers of one receiver, each with its model of this round already given."""

    count: int
    least: int = 3
    bits: int = 32
    weight: float = 0.2
    circles: Mapping[int, Sequence[int]] | None = None
    """Whom the receiver tells each of them to be around it; all where it says nothing."""
    models: dict[int, Vector] = field(init=False)
    keys: dict[int, MaskKeys] = field(init=False)
    givers: dict[int, Giver] = field(init=False)
    given: dict[int, Packed] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.count)
        self.point = FixedPoint(self.bits, 1.0 if self.bits == 8 else 8.0, self.count)
        self.keys = {peer: MaskKeys(peer, ring(peer, self.count)) for peer in range(self.count)}
        self.lives = {peer: keys.public for peer, keys in self.keys.items()}
        around = {RECEIVER: frozenset(range(self.count))}
        self.givers = {peer: Giver(peer, keys, self.point, self.least, around) for peer, keys in self.keys.items()}
        self.models = {peer: rng.uniform(-1, 1, SIZE).astype(np.float32) for peer in range(self.count)}
        self.given = {peer: self.give(peer, circle=self._around(peer)) for peer in range(self.count)}
        self.summer = Summer(self.point, self.least)
        self.read = {peer: self.summer.read(content, SIZE) for peer, content in self.given.items()}

    def _around(self, peer: int) -> dict[int, bytes]:
        return {each: self.lives[each] for each in (self.circles or {}).get(peer, self.lives)}

    def give(self, peer: int, round: int = 0, circle: Mapping[int, bytes] | None = None) -> Packed:
        content = self.givers[peer].give(RECEIVER, round, self.models[peer], self.weight, circle or self.lives, peer)
        assert content is not None
        return content

    def mean(self, roster: Mapping[int, bytes] | range) -> Vector:
        total: Vector = np.sum([np.float64(self.weight) * self.models[peer] for peer in roster], axis=0)
        return total

    def named(self, *peers: int) -> Packed:
        return say_lives({peer: self.lives[peer] for peer in peers})
