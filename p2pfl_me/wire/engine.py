"""The links as their thread sees them: frames to sessions, sessions to frames, links that come up and go down.

Who may come in stands in `handshaker`, sealing and order in `session`, sockets in `sockets`, the thread in `reactor`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from p2pfl_me.errors import PeerError, WireError
from p2pfl_me.message import Message
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.endpoint import Endpoint, Liveness
from p2pfl_me.wire.handshake import HELLO, REPLY, Terms
from p2pfl_me.wire.handshaker import Handshaker
from p2pfl_me.wire.neighbour import Neighbour
from p2pfl_me.wire.reactor import Reactor
from p2pfl_me.wire.refusal_log import RefusalLog
from p2pfl_me.wire.session import Outgoing, Session
from p2pfl_me.wire.sockets import Outcome, Route, Sockets
from p2pfl_me.wire.traffic import Ledger, TrafficLedger

BURST = 4
"""Records sent to a neighbour in one turn, so that no link starves the others."""
REDIAL_S = 1.0
LAST_FRAMES = 64
"""Frames still taken from a socket when a connection has ended."""


class LinkEvents(Protocol):
    """Who is told, from the engine's thread. `link` numbers a neighbour's links: what was said on one ends with it."""

    @property
    def is_full(self) -> bool:
        """Whether enough has been told that nobody has listened to yet: then nothing more is received."""

    def on_message(self, peer: int, message: Message) -> None: ...
    def on_link(self, peer: int, up: bool, reason: str, link: int) -> None: ...
    def on_refused(self, peer: int | None, reason: str) -> None: ...
    def on_failed(self, error: Exception) -> None: ...


class Engine:
    """All links of one peer. Every method but `wake` belongs to the reactor's thread."""

    def __init__(
        self,
        terms: Terms,
        address: str,
        neighbours: Sequence[Endpoint],
        schema: Schema,
        liveness: Liveness,
        ledger: Ledger | None,
        events: LinkEvents,
    ) -> None:
        self.reactor = Reactor(self, f"links-{terms.me}")
        self._me, self._address, self._liveness, self._events = terms.me, address, liveness, events
        self._public_key = terms.identity.public
        self._neighbours = {endpoint.peer: Neighbour(endpoint) for endpoint in neighbours}
        self.traffic = TrafficLedger(self._neighbours, ledger, self.reactor.post)
        self._sockets = Sockets(self, liveness.silence_s)
        self._handshaker = Handshaker(terms, schema, self._neighbours, self, self.traffic, self._sockets.send)
        self._refusal_log = RefusalLog()

    # -- calls from outside, by the reactor ---------------------------------------------------------------------

    def start(self) -> None:
        """Listen, and dial the neighbours with higher ids.

        Raises
        ------
        PeerError
            The port is taken or the address is not this machine's.
        """
        try:
            self._sockets.listen(self._address, self._public_key)
        except PeerError as error:
            raise PeerError(error.what, where=f"peer {self._me} at {error.where}", fix=error.fix) from error
        for peer, neighbour in self._neighbours.items():
            if peer > self._me:
                neighbour.route = peer
                self._dial(neighbour)
        self._beat()

    def send(self, peer: int, out: Outgoing, link: int) -> None:
        """Queue a message that was meant for the neighbour's link of that number."""
        neighbour = self._neighbours[peer]
        if neighbour.session and neighbour.link == link:
            neighbour.session.queue_encoded(out)

    def say_bye(self) -> None:
        """Ask every neighbour to say when it has read all that was queued for it."""
        for neighbour in self._neighbours.values():
            if neighbour.session:
                neighbour.session.queue_bye()

    def is_over(self) -> bool:
        """Whether all who are there have said so."""
        return not any(n.stuck or (n.session and not n.session.is_over) for n in self._neighbours.values())

    def quarantine(self, peer: int) -> None:
        """Drop the link to a neighbour and ignore it from now on."""
        neighbour = self._neighbours[peer]
        neighbour.quarantined = True
        if isinstance(neighbour.route, int):
            self._sockets.hang_up(peer)
        self.down(neighbour, "quarantined")

    # -- the machine that the reactor drives --------------------------------------------------------------------

    def turn(self) -> bool:
        moved = not self._events.is_full and self._sockets.receive()
        for neighbour in self._neighbours.values():
            moved |= self._pump(neighbour)
        return moved

    def wait(self, timeout_s: float | None) -> None:
        self._sockets.wait(timeout_s, hear=not self._events.is_full)

    def wake(self) -> None:
        self._sockets.wake()

    def failed(self, error: Exception) -> None:
        self._events.on_failed(error)

    def close(self) -> None:
        """Close all sockets (what ZeroMQ holds is still delivered for up to a second) and complete the ledger."""
        self._sockets.close()
        self.traffic.close()

    # -- in (called by the sockets) -----------------------------------------------------------------------------

    def on_frame(self, route: Route, frame: memoryview) -> None:
        kind = frame[0] if len(frame) else -1
        if isinstance(route, int):
            neighbour = self._neighbours[route]
            if kind == REPLY:
                self._handshaker.on_reply(neighbour, bytes(frame))
            else:
                self._on_record(neighbour, frame)
        elif kind == HELLO:
            self._handshaker.on_hello(route, bytes(frame))
        elif known := self._handshaker.known(route):
            self._on_record(known, frame)
        else:
            self._handshaker.on_first_record(route, frame)

    def on_connected(self, peer: int) -> None:
        neighbour = self._neighbours[peer]
        neighbour.connected = True
        self._handshaker.say_hello(neighbour)

    def on_disconnected(self, peer: int) -> None:
        neighbour = self._neighbours[peer]
        neighbour.connected = False
        neighbour.handshakes.clear()
        self.down(neighbour, "connection lost")

    def on_turned_away(self, peer: int, why: str) -> None:
        neighbour = self._neighbours[peer]
        self._handshaker.complain(neighbour, f"peer {peer} at {neighbour.endpoint.address} {why}")
        # ZeroMQ does not dial again who has turned it away; but the right one may listen there later.
        self.reactor.call_later(REDIAL_S, lambda: self._dial_again(neighbour))

    def on_stranger(self, address: str) -> None:
        self.stranger(f"a connection from {address} by somebody who does not know this peer's public key")

    def _dial(self, neighbour: Neighbour) -> None:
        self._sockets.dial(neighbour.peer, neighbour.endpoint.address, neighbour.endpoint.public_key)

    def _dial_again(self, neighbour: Neighbour) -> None:
        if not neighbour.quarantined and not neighbour.connected:
            self._sockets.hang_up(neighbour.peer)
            self._dial(neighbour)

    def _on_record(self, neighbour: Neighbour, frame: memoryview) -> None:
        peer, session = neighbour.peer, neighbour.session
        if session is None or neighbour.quarantined:
            return
        try:
            session.receive(frame, lambda message: self._events.on_message(peer, message))
        except WireError as error:
            self._events.on_refused(peer, error.what)
            return
        neighbour.heard = time.monotonic()
        self.traffic.frame_received(peer, len(frame))

    # -- up and down (called by the handshaker, too) -------------------------------------------------------------

    def up(self, neighbour: Neighbour, session: Session, size: int) -> None:
        neighbour.session = session
        neighbour.link += 1
        neighbour.heard = time.monotonic()
        neighbour.handshakes.clear()
        neighbour.candidates.clear()
        self.traffic.frame_received(neighbour.peer, size)
        session.queue_ping()  # goes first: the dialler's first sealed record confirms the handshake
        self._events.on_link(neighbour.peer, True, "", neighbour.link)

    def down(self, neighbour: Neighbour, reason: str) -> None:
        if neighbour.session is None:
            return
        neighbour.session = None
        neighbour.stuck = None
        self.traffic.sum_pings(neighbour.peer)
        self._events.on_link(neighbour.peer, False, reason, neighbour.link)

    def differs(self, complaint: str) -> None:
        self._events.on_refused(None, complaint)

    def stranger(self, reason: str) -> None:
        if line := self._refusal_log.line(time.monotonic(), reason):
            self._events.on_refused(None, line)

    def _beat(self) -> None:
        """Heartbeats, silence, and new attempts."""
        deaf = self._events.is_full
        if not deaf:
            self._sockets.receive(LAST_FRAMES)  # what has come and was not looked at is no silence
        now = time.monotonic()
        for neighbour in self._neighbours.values():
            if neighbour.session:
                if deaf:
                    neighbour.heard = now
                if now - neighbour.heard > self._liveness.silence_s:
                    self.down(neighbour, f"silent for {self._liveness.silence_s:g} s")
                elif neighbour.session.is_idle:
                    neighbour.session.queue_ping()
            elif neighbour.connected and not neighbour.quarantined:
                self._handshaker.say_hello(neighbour)
        all_up = all(neighbour.session for neighbour in self._neighbours.values())
        delay = self._liveness.ping_s if all_up else min(self._liveness.retry_s, self._liveness.ping_s)
        self.reactor.call_later(delay, self._beat)

    # -- out ----------------------------------------------------------------------------------------------------

    def _pump(self, neighbour: Neighbour) -> bool:
        """Seal and send a few records; whether any left."""
        for sent in range(BURST):
            session, route = neighbour.session, neighbour.route
            if session is None or route is None:
                return sent > 0
            following = neighbour.stuck or session.next_record()
            if following is None:
                return sent > 0
            record, out = following
            outcome = self._sockets.send(route, record)
            if outcome is Outcome.FULL:
                neighbour.stuck = following
                return sent > 0
            if outcome is Outcome.GONE:
                self._on_gone(neighbour)
                return True
            neighbour.stuck = None
            self._book(neighbour.peer, out, len(record))
        return True

    def _on_gone(self, neighbour: Neighbour) -> None:
        neighbour.stuck, neighbour.route = None, None
        self._sockets.receive(LAST_FRAMES)  # what arrived before the end still counts
        self.down(neighbour, "connection lost")

    def _book(self, peer: int, out: Outgoing | None, size: int) -> None:
        wire = self.traffic.frame_sent(peer, size)
        if out is None:
            self.traffic.ping_sent(peer, wire)
            return
        out.wire += wire
        if out.is_done:
            self.traffic.message_sent(peer, out)
