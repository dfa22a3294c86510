"""What is said of keys once a contract stands: this one follows that one, and this one is good no more. Pure.

A certificate carries seals as views do (`views.seal`): one for each member who shall believe it, so identities need no
second key, and what convinces one member cannot be shown to another. A rotation has two for each: the old key says who
follows, the new one that whoever made it holds it. A revocation is sealed by the key itself, or by members.
"""

from __future__ import annotations

import hmac
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from p2pfl_me.errors import ContractError, IdentityError
from p2pfl_me.membership.views import LONGEST, key_bytes, key_text, seal
from p2pfl_me.parsed import json_of

ROTATION, REVOCATION = "p2pme rotation 1", "p2pme revocation 1"
LAST = 2**40
"""Seconds since 1970 beyond which no end of a rotation lies."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """The key `new` follows `old` (32 bytes each); `old` is good beside it before `until` (seconds since 1970, UTC).

    `seals`: verifier's key (base64) -> the seals (hex) of the old key and of the new one.
    """

    old: bytes
    new: bytes
    until: int
    seals: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def statement(self) -> bytes:
        """What is sealed."""
        return f"{ROTATION}\n{key_text(self.old)}\n{key_text(self.new)}\n{self.until}\n".encode()

    def sealed(self, old: X25519PrivateKey, new: X25519PrivateKey, verifiers: Iterable[bytes]) -> Rotation:
        """With the seals of both private keys for whoever holds one of the `verifiers`' keys.

        Raises
        ------
        ContractError
            One of them is no key.
        """
        made = {
            key_text(key): (seal(self.statement, old, key, key).hex(), seal(self.statement, new, key, key).hex())
            for key in verifiers
        }
        return replace(self, seals={**self.seals, **made})

    def holds(self, private: X25519PrivateKey) -> bool:
        """Whether the holder of `private` can see that both keys have said so."""
        own = private.public_key().public_bytes_raw()
        told = self.seals.get(key_text(own))
        return told is not None and all(
            hmac.compare_digest(seal(self.statement, private, public, own).hex(), each)
            for public, each in zip((self.old, self.new), told, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Revocation:
    """The key (32 bytes) is good no more. `seals`: signer's key (base64) -> verifier's key -> seal (hex)."""

    key: bytes
    seals: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def statement(self) -> bytes:
        """What is sealed."""
        return f"{REVOCATION}\n{key_text(self.key)}\n".encode()

    def sealed(self, private: X25519PrivateKey, verifiers: Iterable[bytes]) -> Revocation:
        """With the seals of one more signer, for whoever holds one of the `verifiers`' keys.

        Raises
        ------
        ContractError
            One of them is no key.
        """
        made = {key_text(key): seal(self.statement, private, key, key).hex() for key in verifiers}
        return replace(self, seals={**self.seals, key_text(private.public_key().public_bytes_raw()): made})

    def signers(self, private: X25519PrivateKey, keys: Iterable[bytes]) -> frozenset[bytes]:
        """Those of the `keys` whose seal the holder of `private` can see to be theirs."""
        own = private.public_key().public_bytes_raw()

        def holds(public: bytes) -> bool:
            told = self.seals.get(key_text(public), {}).get(key_text(own))
            return told is not None and hmac.compare_digest(seal(self.statement, private, public, own).hex(), told)

        return frozenset(public for public in keys if holds(public))


Certificate = Rotation | Revocation


@dataclass(frozen=True, slots=True)
class Book:
    """What one member believes of keys. `contested`: keys that two different ones claim to follow, so neither does."""

    rotations: Mapping[bytes, Rotation] = field(default_factory=lambda: MappingProxyType({}))
    revoked: frozenset[bytes] = frozenset()
    contested: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, certificates: Iterable[Certificate]) -> Book:
        """Of certificates that have been believed, in whatever order they are read again."""
        followers: dict[bytes, dict[bytes, Rotation]] = defaultdict(dict)
        revoked = set()
        for each in certificates:
            if isinstance(each, Rotation):
                followers[each.old].setdefault(each.new, each)
            else:
                revoked.add(each.key)
        sure = {old: next(iter(found.values())) for old, found in followers.items() if len(found) == 1}
        return cls(MappingProxyType(sure), frozenset(revoked), frozenset(followers.keys() - sure.keys()))

    def good(self, stated: bytes, now: float) -> tuple[bytes, ...]:
        """The keys of whom a contract names by the key `stated`: the newest first, then those that are still good."""
        found, key = [], stated
        for _ in range(len(self.rotations) + 1):
            follows = self.rotations.get(key)
            if key not in self.revoked and (follows is None or now < follows.until):
                found.append(key)
            if follows is None:
                break
            key = follows.new
        return tuple(reversed(found))

    def said(self, stated: bytes) -> tuple[bytes, ...]:
        """The keys by which whoever is named by `stated` can have approved of something: all that have followed it and
        are not revoked, also those whose time is over, since nothing that is sealed says when."""
        found, key = [], stated
        for _ in range(len(self.rotations) + 1):
            if key not in self.revoked:
                found.append(key)
            if (follows := self.rotations.get(key)) is None:
                break
            key = follows.new
        return tuple(found)

    def changes_at(self) -> list[int]:
        """When what is good changes by itself, seconds since 1970."""
        return sorted(each.until for each in self.rotations.values())

    def with_rotation(self, given: Rotation) -> Book:
        """With one more, whose seals hold; one that is known already changes nothing.

        Raises
        ------
        IdentityError
            The old key is revoked or has another follower, or the new one is revoked or in use.
        """
        known = self.rotations.get(given.old)
        if known is not None and known.new == given.new:
            return self
        if given.old in self.revoked:
            raise IdentityError(
                "the key that signed it is revoked, so whoever holds it now may be anybody",
                fix="the laboratory's next key comes in a changed contract that the members agree to",
            )
        if known is not None or given.old in self.contested:
            raise IdentityError(
                "two different keys claim to follow the same one, so more than one has it",
                fix="call the laboratory, compare fingerprints (`p2pme keys fingerprint --words`), and have the stolen "
                "keys revoked",
            )
        if given.new in self.revoked:
            raise IdentityError("the new key is revoked", fix="ask for a rotation to another")
        if given.new == given.old or given.new in {*self.rotations, *(each.new for each in self.rotations.values())}:
            raise IdentityError(
                "the new key has been in use before; keys do not come back", fix="ask for a rotation to a fresh key"
            )
        return replace(self, rotations=MappingProxyType({**self.rotations, given.old: given}))

    def with_revocation(self, given: Revocation) -> Book:
        """With one more, which enough have sealed."""
        return replace(self, revoked=self.revoked | {given.key})


def as_text(certificate: Certificate) -> str:
    """A certificate as JSON."""
    if isinstance(certificate, Rotation):
        values: dict[str, Any] = {
            "form": ROTATION,
            "old": key_text(certificate.old),
            "new": key_text(certificate.new),
            "until": certificate.until,
            "seals": {verifier: list(made) for verifier, made in certificate.seals.items()},
        }
    else:
        seals = {signer: dict(made) for signer, made in certificate.seals.items()}
        values = {"form": REVOCATION, "key": key_text(certificate.key), "seals": seals}
    return json.dumps(values, indent=1, sort_keys=True) + "\n"


def from_text(text: str, where: str) -> Certificate:
    """Read what `as_text` wrote.

    Raises
    ------
    ContractError
        It is something else.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError("too long")
        values = json_of(text)
        if values["form"] == REVOCATION:
            made = {_key(signer): _seals(each) for signer, each in values["seals"].items()}
            return Revocation(key_bytes(values["key"]), made)
        if values["form"] != ROTATION or type(values["until"]) is not int or not 0 < values["until"] < LAST:
            raise ValueError("another form")
        pairs = {_key(verifier): _pair(each) for verifier, each in values["seals"].items()}
        return Rotation(key_bytes(values["old"]), key_bytes(values["new"]), values["until"], pairs)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ContractError(
            "is no certificate of p2pme",
            where=where,
            fix="make one with `p2pme keys rotate` or `p2pme keys revoke`",
        ) from error


def until_after(now: float, days: float) -> int:
    """The end of a rotation that is made now: seconds since 1970, whole."""
    return math.ceil(now + 86_400 * days)


def _key(text: str) -> str:
    return key_text(key_bytes(text))


def _seal(told: object) -> str:
    if not isinstance(told, str) or not told.isascii():
        raise ValueError("a seal that is none")
    return told


def _seals(made: Mapping[str, object]) -> dict[str, str]:
    return {_key(verifier): _seal(told) for verifier, told in made.items()}


def _pair(made: Any) -> tuple[str, str]:
    old, new = made
    return _seal(old), _seal(new)
