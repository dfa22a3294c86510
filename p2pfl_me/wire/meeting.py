"""Where two ends of an edge meet that nobody can call: the few frames between an end and a relay. No socket here.

A relay greets like any listener. MEET is `4 | proof (32) | place (32)`: the proof names the caller, by the agreement
of its key and the relay's, and the place names the edge in the same way, so nothing that links two connections is in
clear. The relay answers ABSENT while the other end is not there, and MET once it is. From then on it passes on bytes:
the two ends greet each other and go through their own handshake, of which the relay has no key.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from p2pfl_me.errors import WireError
from p2pfl_me.wire.admission import PROOF, proof

MEET, ABSENT, MET = 4, 5, 6
"""Kinds of frame, beside those of `handshake`."""
WAIT_S = 10.0
"""How long a relay lets one end wait for the other; it may call again at once."""
_MEET = 1 + 2 * PROOF


def meet(key: bytes, caller: bytes, challenge: bytes, other: bytes) -> bytes:
    """The frame by which `caller` asks for `other` (public keys); `key` is that of its edge to the relay."""
    return bytes([MEET]) + proof(key, caller, challenge) + _place(key, caller, challenge, other)


def read_meet(frame: bytes) -> tuple[bytes, bytes]:
    """Proof and place of a MEET.

    Raises
    ------
    WireError
        It is something else.
    """
    if frame[:1] != bytes([MEET]) or len(frame) != _MEET:
        raise WireError("something else than a call for a neighbour")
    return frame[1 : 1 + PROOF], frame[1 + PROOF :]


def sought(key: bytes, caller: bytes, challenge: bytes, place: bytes, others: Iterable[bytes]) -> bytes | None:
    """Whom of `others` the caller asks for."""
    found = None
    for other in others:
        if hmac.compare_digest(_place(key, caller, challenge, other), place):
            found = other
    return found


def is_met(frame: bytes) -> bool:
    """Whether the other end is there; False: not yet.

    Raises
    ------
    WireError
        It is something else.
    """
    if len(frame) != 1 or frame[0] not in (ABSENT, MET):
        raise WireError("something else than a relay's answer")
    return frame[0] == MET


def _place(key: bytes, caller: bytes, challenge: bytes, other: bytes) -> bytes:
    return hmac.digest(key, b"place" + caller + challenge + other, "sha256")
