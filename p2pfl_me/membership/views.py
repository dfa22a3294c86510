"""A view: one change of a contract, numbered, and who of the members has approved it.

An approval is a seal for each of the others, under a key that only the two of them can have (X25519 of their
identities, HKDF, HMAC-SHA-256): nobody can make one in another's name, and no key beside those of the contract is
needed. What an approver says to one it could leave unsaid to another, so each checks the seals that are meant for it.
"""

from __future__ import annotations

import base64
import hmac
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from p2pfl_me.errors import ContractError
from p2pfl_me.message import MAX_ROUND
from p2pfl_me.parsed import json_of

Keys = Mapping[int, tuple[bytes, ...]]
"""Members' raw public keys, 32 bytes each, by id: by any of its own a member approves, and once."""
FORM = "p2pme view 2"
LONGEST = 1 << 20
"""Characters of a view's text that are looked at."""


@dataclass(frozen=True, slots=True)
class View:
    """The `number`-th change of a run: from the contract with digest `before` (hex) to the one with `after`, which is
    the YAML text `contract`, and which holds from `round` on (0: from the next start of each peer).

    `seals`: approver's id -> verifier's public key (base64) -> the seal (hex) that it made for it.
    """

    number: int
    before: str
    after: str
    round: int = 0
    contract: str = field(default="", repr=False)
    seals: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    @property
    def statement(self) -> bytes:
        """What is approved."""
        return f"{FORM}\n{self.number}\n{self.before}\n{self.after}\n{self.round}\n".encode()

    def approved(self, me: int, private: X25519PrivateKey, verifiers: Iterable[bytes]) -> View:
        """The view with the approval of member `me`, for whoever holds one of the `verifiers`' keys.

        Raises
        ------
        ContractError
            One of them is no key.
        """
        made = {key_text(key): seal(self.statement, private, key, key).hex() for key in verifiers}
        return replace(self, seals={**self.seals, me: {**self.seals.get(me, {}), **made}})

    def approvers(self, mine: Iterable[X25519PrivateKey], keys: Keys) -> frozenset[int]:
        """The members whose approval the holder of the keys `mine` can see to be theirs, its own among them."""
        own = [(private, private.public_key().public_bytes_raw()) for private in mine]

        def holds(approver: int, public: bytes) -> bool:
            made = self.seals.get(approver, {})
            return any(
                (told := made.get(key_text(mine))) is not None
                and hmac.compare_digest(seal(self.statement, private, public, mine).hex(), told)
                for private, mine in own
            )

        return frozenset(member for member, each in keys.items() if any(holds(member, public) for public in each))

    def joined(self, other: View, approvers: Iterable[int], *, instead: bool = False) -> View:
        """With the approvals of these members in the `other` text of the view; `instead` of those that are here."""
        found = {who: other.seals[who] for who in approvers if who in other.seals}
        return replace(self, seals={**self.seals, **found} if instead else {**found, **self.seals})


def needed(share: float, members: int) -> int:
    """How many of so many members are `share` of them, one at least."""
    return max(1, math.ceil(share * members - 1e-9))


def as_text(view: View) -> str:
    """A view as JSON."""
    seals = {str(who): dict(made) for who, made in view.seals.items()}
    values = {
        "form": FORM,
        "number": view.number,
        "before": view.before,
        "after": view.after,
        "round": view.round,
        "contract": view.contract,
        "seals": seals,
    }
    return json.dumps(values, indent=1, sort_keys=True) + "\n"


def from_text(text: str, where: str) -> View:
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
        counts = values["number"], values["round"]
        if values["form"] != FORM or any(type(each) is not int or not 0 <= each <= MAX_ROUND for each in counts):
            raise ValueError("another form")
        if not isinstance(values["contract"], str):
            raise ValueError("a contract that is no text")
        seals = {int(who): dict(_made(made)) for who, made in values["seals"].items()}
        before, after = _digest(values["before"]), _digest(values["after"])
        return View(values["number"], before, after, values["round"], values["contract"], seals)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ContractError("is no view of p2pme", where=where, fix="make one with `p2pme propose`") from error


def _digest(told: Any) -> str:
    if not isinstance(told, str) or not told.isascii() or len(told) > 128:  # it goes into a statement, as bytes
        raise ValueError("a digest that is none")
    return told


def _made(made: Any) -> Iterator[tuple[str, str]]:
    for key, seal in made.items():
        if not isinstance(seal, str) or not seal.isascii():
            raise ValueError("a seal that is none")
        yield str(key), seal


def seal(statement: bytes, private: X25519PrivateKey, other: bytes, verifier: bytes) -> bytes:
    """The seal of a statement for `verifier`: of the two who share the key, each makes the same one.

    Raises
    ------
    ContractError
        `other` is no key.
    """
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError as error:
        raise ContractError(f"the public key {key_text(other)} is no key", fix="correct the contract") from error
    key = HKDF(SHA256(), 32, salt=None, info=FORM.encode()).derive(shared)
    return hmac.digest(key, statement + b"for " + verifier, "sha256")


def key_text(public: bytes) -> str:
    """A public key as it stands in a contract."""
    return base64.b64encode(public).decode()


def key_bytes(text: str) -> bytes:
    """The 32 bytes of a public key as text. Raises `ValueError` where it is none."""
    raw = base64.b64decode(text, validate=True)
    if len(raw) != 32:
        raise ValueError(f"a public key of {len(raw)} bytes")
    return raw
