"""Who comes in: the two frames of a handshake, and the first sealed record that completes it for the listener.

A stranger's key gets not one byte. Nothing here trusts a frame before it has authenticated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from p2pfl_me.errors import WireError
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.handshake import Terms, contracts_differ, hello, read_hello, read_reply, reply, tag_of
from p2pfl_me.wire.identity import fingerprint
from p2pfl_me.wire.neighbour import CANDIDATES, Neighbour
from p2pfl_me.wire.session import Session
from p2pfl_me.wire.sockets import Outcome, Route
from p2pfl_me.wire.traffic import TrafficLedger


class HandshakeEvents(Protocol):
    """Whom the handshaker tells."""

    def up(self, neighbour: Neighbour, session: Session, size: int) -> None:
        """The handshake is complete; its last frame had `size` bytes."""

    def down(self, neighbour: Neighbour, reason: str) -> None: ...
    def stranger(self, reason: str) -> None: ...
    def differs(self, complaint: str) -> None: ...


class Handshaker:
    """The handshakes of one peer. `send` hands a frame to the network."""

    def __init__(
        self,
        terms: Terms,
        schema: Schema,
        neighbours: Mapping[int, Neighbour],
        events: HandshakeEvents,
        traffic: TrafficLedger,
        send: Callable[[Route, bytes], Outcome],
    ) -> None:
        self._terms, self._schema, self._neighbours = terms, schema, neighbours
        self._events, self._traffic, self._send = events, traffic, send
        self._by_route: dict[bytes, Neighbour] = {}

    def known(self, route: bytes) -> Neighbour | None:
        """The neighbour whose link came in by this connection."""
        return self._by_route.get(route)

    def say_hello(self, neighbour: Neighbour) -> None:
        """Begin a handshake with a neighbour that we dial."""
        try:
            frame, tag, awaiting = hello(self._terms, neighbour.endpoint.public_key)
        except WireError:
            why = "the public key that the contract names is no key; correct the contract"
            self.complain(neighbour, f"peer {neighbour.peer}: {why}")
            return
        if self._send(neighbour.peer, frame) is not Outcome.SENT:
            return
        self._traffic.frame_sent(neighbour.peer, len(frame))
        neighbour.handshakes[tag] = awaiting
        while len(neighbour.handshakes) > CANDIDATES:
            del neighbour.handshakes[next(iter(neighbour.handshakes))]

    def on_hello(self, route: bytes, frame: bytes) -> None:
        """Answer a neighbour that dials us, and nobody else."""
        try:
            greeting = read_hello(self._terms, frame)
        except WireError as error:
            self._events.stranger(error.what)
            return
        peer = greeting.peer
        neighbour = self._neighbours.get(peer)
        if neighbour is None or neighbour.endpoint.public_key != greeting.key or peer > self._terms.me:
            who = f"claiming to be peer {peer} ({fingerprint(greeting.key)})"
            self._events.stranger(f"a key outside the allow list, {who}")
            return
        if neighbour.quarantined or greeting.tag in neighbour.greeted:
            return
        neighbour.greeted.append(greeting.tag)
        if neighbour.route == route:
            # The neighbour has given up the session that this connection carried: its records would only be refused.
            self._events.down(neighbour, "the neighbour opened a new link")
            self._by_route.pop(route, None)
        answer, ciphers = reply(greeting)
        if self._send(route, answer) is not Outcome.SENT:
            return  # it went away again
        self._traffic.frame_sent(peer, len(answer))
        if greeting.differing:
            self.complain(neighbour, contracts_differ(peer, greeting.differing))
            return
        neighbour.complaint = ""
        neighbour.candidates.append((route, Session(self._terms.me, peer, ciphers, self._schema)))

    def on_reply(self, neighbour: Neighbour, frame: bytes) -> None:
        """Complete a handshake that we began."""
        awaiting = neighbour.handshakes.pop(tag_of(frame), None)
        if awaiting is None or neighbour.session or neighbour.quarantined:
            return
        peer = neighbour.peer
        try:
            differing, ciphers = read_reply(awaiting, frame)
        except WireError as error:
            # Whoever listens there need not be the neighbour, so it does not count against it.
            self._events.stranger(f"{error.what}, from peer {peer}'s address {neighbour.endpoint.address}")
            return
        if differing:
            self.complain(neighbour, contracts_differ(peer, differing))
            return
        neighbour.complaint = ""
        self._events.up(neighbour, Session(self._terms.me, peer, ciphers, self._schema), len(frame))

    def on_first_record(self, route: bytes, frame: memoryview) -> None:
        """Message 1 of IK can be replayed: only a first sealed record shows that the initiator is there now."""
        for neighbour in self._neighbours.values():
            for candidate, session in neighbour.candidates:
                if candidate == route and _confirms(session, frame):
                    self._events.down(neighbour, "the neighbour opened a new link")
                    neighbour.route = route
                    self._by_route = {r: n for r, n in self._by_route.items() if n is not neighbour}
                    self._by_route[route] = neighbour
                    self._events.up(neighbour, session, len(frame))
                    return
        self._events.stranger("a frame outside any link")

    def complain(self, neighbour: Neighbour, complaint: str) -> None:
        """Once, not at every retry."""
        if neighbour.complaint != complaint:
            neighbour.complaint = complaint
            self._events.differs(complaint)


def _confirms(session: Session, frame: memoryview) -> bool:
    try:
        session.receive(frame, lambda message: None)
    except WireError:
        return False
    return True
