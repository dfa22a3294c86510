"""Encrypted links to the neighbours over ZeroMQ. There is no other kind: without a handshake nothing is sent.

The lower id of an edge dials, and both directions use that one connection. All methods belong to one asyncio loop. How
sockets are drained stands in `sockets`, what a handshake says in `handshake`, sealing and order in `session`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from p2pfl_me.errors import PeerError, WireError
from p2pfl_me.message import Message
from p2pfl_me.wire.books import Books, Ledger, Traffic
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.endpoint import Endpoint, LinkHandlers, Liveness
from p2pfl_me.wire.handshake import HELLO, REPLY, Terms, contracts_differ, hello, read_hello, read_reply, reply, tag_of
from p2pfl_me.wire.identity import Identity, fingerprint
from p2pfl_me.wire.malloc import reuse_freed_memory
from p2pfl_me.wire.noise import AwaitingReply
from p2pfl_me.wire.records import PAYLOAD
from p2pfl_me.wire.session import BYE, Outgoing, Session
from p2pfl_me.wire.sockets import Outcome, Route, Sockets
from p2pfl_me.wire.strangers import Strangers

__all__ = ["Endpoint", "LinkHandlers", "Links", "Liveness"]

BURST = 8
"""Records sent in one turn of the loop, so that no link starves the others."""
RETRY_FULL_S = 0.002
"""A link that was full is tried again when its socket wakes, and after this time in any case."""
PART_POLL_S = 0.001
LAST_FRAMES = 64
"""Frames still taken from a socket when a connection has ended."""
CANDIDATES = 4
"""Handshakes that may be under way with one neighbour."""


@dataclass(slots=True)
class _Neighbour:
    endpoint: Endpoint
    route: Route | None = None
    connected: bool = False
    session: Session | None = None
    heard: float = 0.0
    handshakes: dict[bytes, AwaitingReply] = field(default_factory=dict)
    candidates: deque[tuple[bytes, Session]] = field(default_factory=lambda: deque(maxlen=CANDIDATES))
    stuck: tuple[memoryview, Outgoing | None] | None = None
    pumping: bool = False
    retrying: bool = False
    quarantined: bool = False
    complaint: str = ""


class Links:
    """The links of one peer.

    Parameters
    ----------
    me, address, identity:
        This peer's id, the address it listens at (`tcp://HOST:PORT`) and its key pair.
    neighbours:
        The allow list: nobody else gets an answer.
    prologue, sections:
        The contract's digest (32 bytes) and the digests of its sections, which tell a neighbour what differs.
    schema:
        The shape of the models.
    handlers, ledger:
        Who is told; `ledger` gets one entry for each message that left.
    """

    def __init__(
        self,
        me: int,
        address: str,
        identity: Identity,
        neighbours: Sequence[Endpoint],
        *,
        prologue: bytes,
        sections: Mapping[str, bytes],
        schema: Schema,
        handlers: LinkHandlers,
        ledger: Ledger | None = None,
        liveness: Liveness | None = None,
    ) -> None:
        self._me, self._address, self._schema = me, address, schema
        self._terms = Terms(me, identity, prologue, dict(sections))
        self._neighbours = {endpoint.peer: _Neighbour(endpoint) for endpoint in neighbours}
        self._handlers = handlers
        self._liveness = liveness or Liveness()
        self._books = Books(self._neighbours, ledger)
        self._strangers = Strangers()
        self._by_route: dict[bytes, _Neighbour] = {}
        self._tick: asyncio.TimerHandle | None = None
        self._closed = False

    # -- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, and dial the neighbours with higher ids.

        Raises
        ------
        PeerError
            The port is taken or the address is not this machine's.
        """
        self._loop = asyncio.get_running_loop()
        self._sockets = Sockets(self, self._liveness.silence_s)
        if 4 * self._schema.size > PAYLOAD:
            reuse_freed_memory()
        try:
            self._sockets.listen(self._address)
        except PeerError as error:
            await self.close()
            raise PeerError(error.what, where=f"peer {self._me} at {error.where}", fix=error.fix) from error
        for peer, neighbour in self._neighbours.items():
            if peer > self._me:
                neighbour.route = peer
                self._sockets.dial(peer, neighbour.endpoint.address)
        self._beat()

    async def part(self, timeout_s: float) -> bool:
        """Wait until the neighbours have read all that was queued for them; False if the time did not suffice.

        Handing it to ZeroMQ is not enough: when a connection ends, the DEALER that dialled it (ZMQ_IMMEDIATE) drops
        what it has received and not yet delivered, and a neighbour would wait in vain for what was our last word.
        """
        for neighbour in self._neighbours.values():
            if neighbour.session:
                neighbour.session.queue_bye()
                self._pump_soon(neighbour)
        until = time.monotonic() + timeout_s
        while any(n.stuck or (n.session and not n.session.is_over) for n in self._neighbours.values()):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(PART_POLL_S)
        return True

    async def close(self) -> None:
        """Close all sockets (what ZeroMQ holds is still delivered for up to a second) and complete the ledger."""
        if self._closed:
            return
        self._closed = True
        if self._tick:
            self._tick.cancel()
        await self._sockets.close()
        await self._books.close()

    # -- use ----------------------------------------------------------------------------------------------------

    def send(self, peer: int, message: Message) -> bool:
        """Queue a message; False if there is no link. The caller must not write to `message.params` any more."""
        neighbour = self._neighbours[peer]
        if neighbour.session is None:
            return False
        neighbour.session.queue(message)
        self._pump_soon(neighbour)
        return True

    def quarantine(self, peer: int) -> None:
        """Drop the link to a neighbour and ignore it from now on."""
        neighbour = self._neighbours[peer]
        neighbour.quarantined = True
        if isinstance(neighbour.route, int):
            self._sockets.hang_up(peer)
        self._down(neighbour, "quarantined")

    @property
    def traffic(self) -> Mapping[int, Traffic]:
        """Bytes on the wire by neighbour, with seals, headers and ZeroMQ's framing."""
        return self._books.traffic

    @property
    def bytes_sent(self) -> int:
        """Bytes on the wire to all neighbours."""
        return sum(each.sent for each in self._books.traffic.values())

    @property
    def bytes_received(self) -> int:
        """Bytes on the wire from all neighbours; refused frames do not count."""
        return sum(each.received for each in self._books.traffic.values())

    # -- in (called by the sockets) -----------------------------------------------------------------------------

    def on_frame(self, route: Route, frame: memoryview) -> None:
        kind = frame[0] if len(frame) else -1
        if isinstance(route, int):
            neighbour = self._neighbours[route]
            if kind == REPLY:
                self._on_reply(neighbour, bytes(frame))
            else:
                self._on_record(neighbour, frame)
        elif kind == HELLO:
            self._on_hello(route, bytes(frame))
        elif known := self._by_route.get(route):
            self._on_record(known, frame)
        else:
            self._on_first_record(route, frame)

    def on_connected(self, peer: int) -> None:
        neighbour = self._neighbours[peer]
        neighbour.connected = True
        self._say_hello(neighbour)

    def on_disconnected(self, peer: int) -> None:
        neighbour = self._neighbours[peer]
        neighbour.connected = False
        neighbour.handshakes.clear()
        self._down(neighbour, "connection lost")

    def on_room(self) -> None:
        for neighbour in self._neighbours.values():
            if neighbour.stuck:
                self._pump(neighbour)

    def _on_record(self, neighbour: _Neighbour, frame: memoryview) -> None:
        peer, session = neighbour.endpoint.peer, neighbour.session
        if session is None or neighbour.quarantined:
            return
        try:
            session.receive(frame, lambda message: self._handlers.on_message(peer, message))
        except WireError as error:
            self._handlers.on_refused(peer, error.what)
            return
        neighbour.heard = time.monotonic()
        self._books.frame_received(peer, len(frame))
        if frame[0] == BYE:
            self._pump_soon(neighbour)  # the answer

    def _on_first_record(self, route: bytes, frame: memoryview) -> None:
        """Message 1 of IK can be replayed: only a first sealed record shows that the initiator is there now."""
        for neighbour in self._neighbours.values():
            for candidate, session in neighbour.candidates:
                if candidate == route and _confirms(session, frame):
                    self._down(neighbour, "the neighbour opened a new link")
                    neighbour.route = route
                    self._by_route = {r: n for r, n in self._by_route.items() if n is not neighbour}
                    self._by_route[route] = neighbour
                    self._up(neighbour, session, len(frame))
                    return
        self._refuse(None, "a frame outside any link")

    # -- handshake ------------------------------------------------------------------------------------------------

    def _say_hello(self, neighbour: _Neighbour) -> None:
        endpoint = neighbour.endpoint
        frame, tag, awaiting = hello(self._terms, endpoint.public_key)
        if self._sockets.send(endpoint.peer, frame) is not Outcome.SENT:
            return
        self._books.frame_sent(endpoint.peer, len(frame))
        neighbour.handshakes[tag] = awaiting
        while len(neighbour.handshakes) > CANDIDATES:
            del neighbour.handshakes[next(iter(neighbour.handshakes))]

    def _on_hello(self, route: bytes, frame: bytes) -> None:
        try:
            greeting = read_hello(self._terms, frame)
        except WireError as error:
            self._refuse(None, error.what)
            return
        peer = greeting.peer
        neighbour = self._neighbours.get(peer)
        if neighbour is None or neighbour.endpoint.public_key != greeting.key or peer > self._me:
            who = f"claiming to be peer {peer} ({fingerprint(greeting.key)})"
            self._refuse(None, f"a key outside the allow list, {who}")
            return
        if neighbour.quarantined:
            return
        if neighbour.route == route:
            # The neighbour has given up the session that this connection carried: its records would only be refused.
            self._down(neighbour, "the neighbour opened a new link")
            self._by_route.pop(route, None)
        answer, ciphers = reply(greeting)
        if self._sockets.send(route, answer) is not Outcome.SENT:
            return  # it went away again
        self._books.frame_sent(peer, len(answer))
        if greeting.differing:
            self._complain(neighbour, contracts_differ(peer, greeting.differing))
            return
        neighbour.complaint = ""
        neighbour.candidates.append((route, Session(self._me, peer, ciphers, self._schema)))

    def _on_reply(self, neighbour: _Neighbour, frame: bytes) -> None:
        awaiting = neighbour.handshakes.pop(tag_of(frame), None)
        if awaiting is None or neighbour.session or neighbour.quarantined:
            return
        peer = neighbour.endpoint.peer
        try:
            differing, ciphers = read_reply(awaiting, frame)
        except WireError as error:
            # Whoever listens there need not be the neighbour, so it does not count against it.
            self._refuse(None, f"{error.what}, from peer {peer}'s address {neighbour.endpoint.address}")
            return
        if differing:
            self._complain(neighbour, contracts_differ(peer, differing))
            return
        neighbour.complaint = ""
        self._up(neighbour, Session(self._me, peer, ciphers, self._schema), len(frame))

    def _complain(self, neighbour: _Neighbour, complaint: str) -> None:
        """Once, not at every retry."""
        if neighbour.complaint != complaint:
            neighbour.complaint = complaint
            self._handlers.on_refused(None, complaint)

    def _refuse(self, peer: int | None, reason: str) -> None:
        if line := self._strangers.line(time.monotonic(), reason):
            self._handlers.on_refused(peer, line)

    # -- up and down ------------------------------------------------------------------------------------------------

    def _up(self, neighbour: _Neighbour, session: Session, size: int) -> None:
        neighbour.session = session
        neighbour.heard = time.monotonic()
        neighbour.handshakes.clear()
        neighbour.candidates.clear()
        self._books.frame_received(neighbour.endpoint.peer, size)
        session.queue_ping()  # goes first: the dialler's first sealed record confirms the handshake
        self._pump_soon(neighbour)
        self._handlers.on_link(neighbour.endpoint.peer, True, "")

    def _down(self, neighbour: _Neighbour, reason: str) -> None:
        if neighbour.session is None:
            return
        neighbour.session = None
        neighbour.stuck = None
        self._books.sum_pings(neighbour.endpoint.peer)
        self._handlers.on_link(neighbour.endpoint.peer, False, reason)

    def _beat(self) -> None:
        """Heartbeats, silence, and new attempts."""
        if self._closed:
            return
        self._sockets.drain()
        now = time.monotonic()
        for neighbour in self._neighbours.values():
            if neighbour.session:
                if now - neighbour.heard > self._liveness.silence_s:
                    self._down(neighbour, f"silent for {self._liveness.silence_s:g} s")
                elif neighbour.session.is_idle:
                    neighbour.session.queue_ping()
                    self._pump_soon(neighbour)
            elif neighbour.connected and not neighbour.quarantined:
                self._say_hello(neighbour)
        all_up = all(neighbour.session for neighbour in self._neighbours.values())
        delay = self._liveness.ping_s if all_up else min(self._liveness.retry_s, self._liveness.ping_s)
        self._tick = self._loop.call_later(delay, self._beat)

    # -- out ----------------------------------------------------------------------------------------------------

    def _pump_soon(self, neighbour: _Neighbour) -> None:
        if not neighbour.pumping:
            neighbour.pumping = True
            self._loop.call_soon(self._pump_on, neighbour)

    def _pump_on(self, neighbour: _Neighbour) -> None:
        neighbour.pumping = False
        self._pump(neighbour)

    def _pump(self, neighbour: _Neighbour) -> None:
        """Seal and send a few records; come back for the rest, so that the other links have their turn."""
        for _ in range(BURST):
            session, route = neighbour.session, neighbour.route
            if session is None or route is None or self._closed:
                return
            following = neighbour.stuck or session.next_record()
            if following is None:
                return
            record, out = following
            outcome = self._sockets.send(route, record)
            if outcome is Outcome.FULL:
                neighbour.stuck = following
                self._retry_later(neighbour)
                return
            if outcome is Outcome.GONE:
                self._on_gone(neighbour)
                return
            neighbour.stuck = None
            self._book(neighbour.endpoint.peer, out, len(record))
        self._pump_soon(neighbour)

    def _on_gone(self, neighbour: _Neighbour) -> None:
        neighbour.stuck, neighbour.route = None, None
        self._sockets.drain(LAST_FRAMES)  # what arrived before the end still counts
        self._down(neighbour, "connection lost")

    def _retry_later(self, neighbour: _Neighbour) -> None:
        if not neighbour.retrying:
            neighbour.retrying = True
            self._loop.call_later(RETRY_FULL_S, self._retry, neighbour)

    def _retry(self, neighbour: _Neighbour) -> None:
        neighbour.retrying = False
        if neighbour.stuck:
            self._pump(neighbour)

    def _book(self, peer: int, out: Outgoing | None, size: int) -> None:
        wire = self._books.frame_sent(peer, size)
        if out is None:
            self._books.ping_sent(peer, wire)
            return
        out.wire += wire
        if out.is_done:
            self._books.message_sent(peer, out)


def _confirms(session: Session, frame: memoryview) -> bool:
    try:
        session.receive(frame, lambda message: None)
    except WireError:
        return False
    return True
