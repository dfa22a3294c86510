"""The word that ZeroMQ asks for before it takes a frame: without it, a stranger could fill this machine's memory.

ZeroMQ collects the parts of a message until the last has come, however many, and no option bounds them. So a listener
demands ZMTP's PLAIN handshake, whose password here follows from the listener's public key: whoever has the contract
knows it. It is no secret from those who can listen in on the line, and nothing else rests on it; who speaks is settled
by Noise, and every frame still passes `handshaker`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import zmq

USER = b"p2pfl_me"
_ZAP = "inproc://zeromq.zap.01"
"""Where ZeroMQ asks (RFC 27)."""
BURST = 32
"""Answers in one turn, so that a crowd at the door does not hold up the links."""
_ASKED = 8
"""Frames of a question: version, request, domain, address, identity, mechanism, user, password."""


def word(public_key: bytes) -> bytes:
    """What a caller must say to the holder of `public_key`."""
    return hashlib.sha256(b"p2pfl_me knock 1\0" + public_key).hexdigest().encode()


class Admission:
    """Answers ZeroMQ's questions about those who call at one context's ROUTER. One thread's, like all sockets."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], due: bytes) -> None:
        self._due = due
        self.socket = context.socket(zmq.REP)
        self.socket.bind(_ZAP)

    def answer(self) -> list[str]:
        """Answer some of those who wait at the door; the addresses of those who were turned away."""
        turned_away: list[str] = []
        for _ in range(BURST):
            try:
                asked = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            welcome = _knows(asked, self._due)
            if not welcome:
                turned_away.append(asked[3].decode(errors="replace") if len(asked) > 3 else "an unknown address")
            status = (b"200", b"OK") if welcome else (b"400", b"unknown")
            self.socket.send_multipart([b"1.0", asked[1], *status, b"", b""])
        return turned_away

    def close(self) -> None:
        self.socket.close(linger=0)


def _knows(asked: Sequence[bytes], due: bytes) -> bool:
    return len(asked) == _ASKED and asked[5:7] == [b"PLAIN", USER] and hmac.compare_digest(asked[7], due)
