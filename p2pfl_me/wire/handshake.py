"""The frames of the handshake: who speaks, under which contract, and where two contracts differ. No socket here.

The listener begins: GREETING is `3 | 2 | challenge (16)`. HELLO is `1 | proof (32) | masked contract digest (32)
| Noise message 1`, REPLY is `2 | Noise message 2`. The Noise prologue is the digest that the initiator claims and the
challenge: so it is authenticated even when the two contracts differ, and nothing that it said on another connection can
be said again. The two messages say also which versions of what follows each end speaks (`versions.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import msgpack
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from p2pfl_me.errors import WireError
from p2pfl_me.wire.admission import CHALLENGE, PROOF, masked, proof
from p2pfl_me.wire.apart import COMPARE
from p2pfl_me.wire.bounded import unpacked_list
from p2pfl_me.wire.identity import Identity
from p2pfl_me.wire.noise import KEY, AwaitingReply, Ciphers, Initiator, Introduced, Responder
from p2pfl_me.wire.versions import BEFORE, OURS, Spoken, spoken

VERSION = 2
"""Of the handshake's own frames."""
SPEAKS = "speaks"
"""Beside the digests of an introduction; whoever knows of no versions takes it for no digest, and passes it over."""
HELLO, REPLY, GREETING = 1, 2, 3
"""Kinds of handshake frame; sealed records have kinds of their own (`session`)."""
DIGEST = 32
MAX_PAYLOAD = 4096
"""Most bytes of what a handshake says: a digest for each of the contract's sections."""
MAX_FRAME = MAX_PAYLOAD + 256
"""Most bytes of one of its frames."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Who we are and what we agreed to: the contract's digest (32 bytes) and those of its sections.

    `earlier`: keys of ours that `identity` has followed and that may still be good. `stated`: the public key by which
    the contract names us, if that is another than the identity's.
    """

    me: int
    identity: Identity
    prologue: bytes
    sections: Mapping[str, bytes]
    earlier: tuple[Identity, ...] = ()
    stated: bytes | None = None
    news: bytes | None = field(default=None, repr=False)
    """What is told to a neighbour that has another contract: the changes that led to ours. None: nothing is."""
    speaks: Spoken = OURS

    def identities(self, good: Collection[bytes]) -> tuple[Identity, ...]:
        """Ours whose public keys are among the good ones, the newest first."""
        return tuple(each for each in (self.identity, *self.earlier) if each.public in good)

    def differing(self, theirs: Mapping[str, bytes]) -> list[str]:
        """The sections that differ, `contract` if none can be named."""
        keys = sorted(self.sections.keys() | theirs.keys())
        return [key for key in keys if self.sections.get(key) != theirs.get(key)] or ["contract"]


@dataclass(frozen=True, slots=True)
class Introduction:
    """A HELLO that authenticates: `key` belongs to whoever made it, on this connection.

    `differing` names the sections of the contract that differ from ours; empty when the contracts are one.
    """

    peer: int
    key: bytes
    differing: tuple[str, ...]
    introduced: Introduced = field(repr=False)
    ours: Spoken = OURS
    theirs: Spoken = BEFORE

    @property
    def version(self) -> int | None:
        """Of the links, that both take; None if they speak none in common."""
        return self.ours.common(self.theirs)


class OtherVersion(WireError):
    """The neighbour, which has shown its key, speaks no version of the links that we speak."""


def greeting(challenge: bytes) -> bytes:
    """The first frame of a connection, from whoever was called."""
    return bytes([GREETING, VERSION]) + challenge


def read_greeting(frame: bytes) -> bytes:
    """The challenge of a GREETING.

    Raises
    ------
    WireError
        Another version, or something else altogether.
    """
    if len(frame) < 2 or frame[0] != GREETING:
        raise WireError("no greeting of p2pme")
    if frame[1] != VERSION:
        raise WireError(f"it greets as version {frame[1]} of p2pme, and this is {VERSION}; update the older p2pme")
    if len(frame) != 2 + CHALLENGE:
        raise WireError("no greeting of p2pme")
    return frame[2:]


def hello(
    terms: Terms, remote: bytes, key: bytes, challenge: bytes, ephemeral: X25519PrivateKey | None = None
) -> tuple[bytes, AwaitingReply]:
    """A HELLO to the holder of the public key `remote`, and the state that reads the reply; `key` is the edge's."""
    spoken_here = {SPEAKS: bytes([terms.speaks.oldest, terms.speaks.newest])} if terms.speaks.says_so else {}
    payload = msgpack.packb([terms.me, {**terms.sections, **spoken_here}])
    prologue = terms.prologue + challenge
    message, awaiting = Initiator(terms.identity.private, remote, prologue, ephemeral).write(payload)
    answer = proof(key, terms.identity.public, challenge)
    return bytes([HELLO]) + answer + masked(key, challenge, terms.prologue) + message, awaiting


def proof_of(frame: bytes) -> bytes:
    """The answer to the challenge that a HELLO begins with; it names the edge.

    Raises
    ------
    WireError
        No HELLO, by its length and kind.
    """
    if frame[:1] != bytes([HELLO]) or not 1 + PROOF + DIGEST < len(frame) <= MAX_FRAME:
        raise WireError("something else than a handshake of p2pme")
    return frame[1 : 1 + PROOF]


def ephemeral_of(frame: bytes) -> bytes:
    """The public key that a HELLO was made with, which is in clear."""
    return frame[1 + PROOF + DIGEST :][:KEY]


def read_hello(terms: Terms, key: bytes, challenge: bytes, frame: bytes) -> Introduction:
    """Read a HELLO whose proof is that of the edge with this key.

    Raises
    ------
    WireError
        Not made for our key, or an introduction that cannot be read.
    """
    claimed = masked(key, challenge, frame[1 + PROOF : 1 + PROOF + DIGEST])
    payload, introduced = Responder(terms.identity.private, claimed + challenge).read(frame[1 + PROOF + DIGEST :])
    match unpacked_list(payload, "an introduction", MAX_PAYLOAD):
        case [int(peer), dict(sections)] if not isinstance(peer, bool):
            theirs = {_printable(name): value for name, value in sections.items() if _is_digest(name, value)}
            said = sections.get(SPEAKS) if terms.speaks.says_so else None
        case _:
            raise WireError("an introduction that cannot be read")
    speaks = BEFORE if said is None else spoken(*said) if isinstance(said, bytes) and len(said) == 2 else None
    if speaks is None:
        raise WireError("an introduction that cannot be read")
    differing = () if claimed == terms.prologue else tuple(terms.differing(theirs))
    return Introduction(peer, introduced.remote, differing, introduced, terms.speaks, speaks)


def reply(introduction: Introduction) -> tuple[bytes, Ciphers]:
    """The REPLY: consent, or the names of the sections that differ; before them what is spoken here, for whoever has
    said what it speaks."""
    made = introduction
    said = [made.ours.oldest, made.ours.newest] if made.ours.says_so and made.theirs.says_so else []
    names = made.differing or (() if said or made.version else (SPEAKS,))
    message, ciphers = made.introduced.write(msgpack.packb([*said, *names]))
    return bytes([REPLY]) + message, ciphers


def read_reply(awaiting: AwaitingReply, frame: bytes, ours: Spoken = OURS) -> tuple[list[str], Ciphers]:
    """Read a REPLY: the sections that differ (none: the link stands) and the keys.

    Raises
    ------
    OtherVersion
        It speaks no version that we speak.
    WireError
        Not from the holder of the key that we dialled, or unreadable.
    """
    if frame[:1] != bytes([REPLY]):
        raise WireError("something else than a reply")
    payload, ciphers = awaiting.read(frame[1:])
    names, theirs = unpacked_list(payload, "a reply", MAX_PAYLOAD), BEFORE
    if ours.says_so and len(names) > 1 and (said := spoken(*names[:2])):
        names, theirs = names[2:], said
    if not all(isinstance(name, str) for name in names):
        raise WireError("a reply that cannot be read")
    if ours.common(theirs) is None:
        raise OtherVersion(ours.parted(theirs))
    return [_printable(name) for name in names], ciphers


def contracts_differ(peer: int, sections: Sequence[str], why: str = COMPARE) -> str:
    parts = ", ".join(f"`{_printable(section)}`" for section in sections)
    return f"peer {peer} has another contract: {parts} differ; {why}"


def _printable(text: str) -> str:
    """What a neighbour says goes to a terminal: no escape sequence and no line of its own."""
    return "".join(each if each.isascii() and each.isprintable() else "?" for each in text)[:64]


def _is_digest(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, bytes) and len(value) == DIGEST
