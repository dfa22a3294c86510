"""Floods of one address: callers that hold the contract and no key, and a neighbour that says more than it may.

`scripts/bench/floods.py` measures what they take of a ring of links. Each of them goes on until its process ends.
"""

from __future__ import annotations

import contextlib
import os
import socket

import numpy as np

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.admission import edge_key
from p2pfl_me.wire.codec import Schema, encode
from p2pfl_me.wire.framing import Lengths
from p2pfl_me.wire.handshake import MAX_FRAME, Terms, hello, read_greeting
from p2pfl_me.wire.identity import new_identity
from p2pfl_me.wire.session import MESSAGE, RECEIVED
from tests.wire.raw import Caller

LIAR = 4
VALUES = 263_175
SCHEMA = Schema(VALUES, bytes(32))
PROLOGUE, SECTIONS = b"p" * 32, {"training": b"1" * 32}
RESET = b"\1\0\0\0\0\0\0\0"
"""For SO_LINGER: a connection that is closed is reset at once."""
HELD = 1000
"""Connections that a flood holds at a time."""


def hold(address: str, _: Terms, __: bytes) -> None:
    """A thousand connections that say nothing, made again when they are closed."""
    held: list[Caller] = []
    while True:
        with contextlib.suppress(OSError):
            held.append(Caller.of(address))
        if len(held) > HELD:
            held.pop(0).close()


def knock(address: str, _: Terms, __: bytes) -> None:
    """Connections that end as soon as they stand, by a reset."""
    while True:
        with contextlib.suppress(OSError), contextlib.closing(Caller.of(address)) as caller:
            caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def rubbish(address: str, _: Terms, __: bytes) -> None:
    """As much as a frame may hold, of nothing, again and again."""
    frame = Lengths().write(MAX_FRAME) + os.urandom(MAX_FRAME)
    while True:
        with contextlib.suppress(OSError), contextlib.closing(Caller.of(address)) as caller:
            for _ in range(1000):
                caller.socket.sendall(frame)


def resets(address: str, _: Terms, __: bytes) -> None:
    """Connections that are reset while much of what they sent lies unread."""
    junk = os.urandom(1 << 22)
    while True:
        with contextlib.suppress(OSError), contextlib.closing(Caller.of(address)) as caller:
            caller.socket.setblocking(False)
            caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            caller.socket.send(junk)


def unread(address: str, liar: Terms, public: bytes) -> None:
    """A neighbour that says more than it may, so that it is read later, and resets its connection before that."""
    while True:
        caller = linked(address, liar, public)
        with contextlib.suppress(OSError), contextlib.closing(caller):
            caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            for _ in range(30_000):
                caller.say(RECEIVED, bytes(16))


def proofs(address: str, _: Terms, public: bytes) -> None:
    """Handshakes that are well-formed, with keys that nobody knows."""
    thief = Terms(LIAR, new_identity(), PROLOGUE, SECTIONS)
    key = edge_key(thief.identity, public)
    while True:
        with contextlib.suppress(OSError), contextlib.closing(Caller.of(address)) as caller:
            if begin := caller.receive():
                caller.send(hello(thief, public, key, read_greeting(begin))[0])
                caller.receive()


def handshakes(address: str, liar: Terms, public: bytes) -> None:
    """A neighbour's, under contracts whose sections have ever new names."""
    key, number = edge_key(liar.identity, public), 0
    while True:
        number += 1
        terms = Terms(LIAR, liar.identity, b"q" * 32, {f"{number}-{k}": bytes(32) for k in range(60)})
        with contextlib.suppress(OSError), contextlib.closing(Caller.of(address)) as caller:
            if begin := caller.receive():
                caller.send(hello(terms, public, key, read_greeting(begin))[0])
                caller.receive()


def flaps(address: str, liar: Terms, public: bytes) -> None:
    """A neighbour whose link comes and goes."""
    while True:
        with contextlib.suppress(OSError, Exception), contextlib.closing(Caller.of(address)) as caller:
            caller.link(liar, public)


def linked(address: str, liar: Terms, public: bytes) -> Caller:
    while True:
        with contextlib.suppress(OSError, Exception):
            caller = Caller.of(address)
            caller.link(liar, public)
            return caller


def said_again(address: str, liar: Terms, public: bytes, kind: int, payload: bytes) -> None:
    """One thing without end, over a new link where the other end has had enough of the old one."""
    while True:
        with contextlib.suppress(OSError), contextlib.closing(linked(address, liar, public)) as caller:
            while True:
                caller.say(kind, payload)


def pings(address: str, liar: Terms, public: bytes) -> None:
    """A neighbour's heartbeats without end."""
    said_again(address, liar, public, RECEIVED, bytes(16))


def withdrawals(address: str, liar: Terms, public: bytes) -> None:
    """A neighbour's small messages without end."""
    header, _ = encode(Message(Kind.WITHDRAW, 1), LIAR, SCHEMA)
    said_again(address, liar, public, MESSAGE, header)


def beginnings(address: str, liar: Terms, public: bytes) -> None:
    """A neighbour's models, of which nothing but the header ever comes."""
    model = Message(Kind.PUSH, 1, 0, np.ones(VALUES, np.float32))
    header, _ = encode(model, LIAR, SCHEMA)
    said_again(address, liar, public, MESSAGE, header)


FLOODS = {each.__name__: each for each in (
    hold, knock, rubbish, resets, proofs, handshakes, flaps, pings, unread, withdrawals, beginnings,
)}  # fmt: skip
