"""Encrypted links to the neighbours over ZeroMQ. There is no other kind: without a handshake nothing is sent.

The lower id of an edge dials: its DEALER connects to the other's ROUTER, and both directions use that connection. All
methods belong to one asyncio loop; sockets are drained when their descriptor wakes, without a thread of their own.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgpack
import zmq
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from p2pfl_me.errors import PeerError, WireError
from p2pfl_me.message import Message, Vector
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.identity import Identity, fingerprint
from p2pfl_me.wire.noise import AwaitingReply, Initiator, Introduced, Responder
from p2pfl_me.wire.records import RECORD
from p2pfl_me.wire.session import Outgoing, Session

VERSION = 1
HELLO, REPLY = 1, 2
"""Kinds of handshake frame; sealed records have kinds of their own (`session`)."""
TAG = 8
"""Bytes of the initiator's ephemeral key that a reply repeats, so that a late reply finds its handshake."""

BURST = 8
"""Records sent or received in one turn of the loop, so that no link starves the others."""
HIGH_WATER = 6
"""Records that ZeroMQ may hold per connection and direction: bounds memory, keeps the wire busy."""
RETRY_FULL_S = 0.001
CANDIDATES = 4


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A neighbour: where it listens and who it is (public key, 32 bytes)."""

    peer: int
    address: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Liveness:
    """Seconds between heartbeats, of silence that mean a neighbour is gone, and between attempts to reach one."""

    ping_s: float = 1.0
    silence_s: float = 20.0
    retry_s: float = 0.5


class LinkHandlers(Protocol):
    """What the owner of the links is told, always from the loop's thread and never from inside a call of its own."""

    def on_message(self, peer: int, message: Message) -> None: ...
    def on_link(self, peer: int, up: bool, reason: str) -> None: ...
    def on_refused(self, peer: int | None, reason: str) -> None: ...


Ledger = Callable[[Mapping[str, Any]], None]


@dataclass(slots=True)
class _Neighbour:
    endpoint: Endpoint
    dealer: zmq.Socket[bytes] | None = None
    monitor: zmq.Socket[bytes] | None = None
    identity: bytes = b""
    session: Session | None = None
    heard: float = 0.0
    handshakes: dict[bytes, AwaitingReply] = field(default_factory=dict)
    candidates: deque[tuple[bytes, Session]] = field(default_factory=lambda: deque(maxlen=CANDIDATES))
    stuck: tuple[bytes, Outgoing | None] | None = None
    pumping: bool = False
    quarantined: bool = False
    sent: int = 0
    received: int = 0
    pings: int = 0
    ping_bytes: int = 0
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
        self._me, self._address, self._identity = me, address, identity
        self._neighbours = {endpoint.peer: _Neighbour(endpoint) for endpoint in neighbours}
        self._prologue, self._sections, self._schema = prologue, dict(sections), schema
        self._handlers, self._ledger = handlers, ledger or (lambda entry: None)
        self._liveness = liveness or Liveness()
        self._by_identity: dict[bytes, _Neighbour] = {}
        self._digest_of: tuple[Vector, str] | None = None
        self._context = zmq.Context()
        self._router: zmq.Socket[bytes] | None = None
        self._watched: list[int] = []
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
        router = self._router = self._socket(zmq.ROUTER)
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        try:
            router.bind(_bindable(self._address))
        except zmq.ZMQError as error:
            raise PeerError(
                f"cannot listen: {error.strerror.lower() if error.strerror else error}",
                where=f"peer {self._me} at {self._address}",
                fix="is this peer running already? Stop it, or choose other ports in the contract "
                "(locally: --set peers.loopback.base_port=N)",
            ) from error
        self._watch(router, self._drain_router)
        for peer, neighbour in self._neighbours.items():
            if peer > self._me:
                self._dial(neighbour)
        self._beat()

    async def flush(self, timeout_s: float) -> bool:
        """Wait until all that was queued has been handed to the network; False if the time did not suffice."""
        until = time.monotonic() + timeout_s
        while any(n.stuck or (n.session and not n.session.is_idle) for n in self._neighbours.values()):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.005)
        return True

    async def close(self) -> None:
        """Close all sockets; ZeroMQ still delivers what it holds for up to two seconds."""
        if self._closed:
            return
        self._closed = True
        if self._tick:
            self._tick.cancel()
        for descriptor in self._watched:
            self._loop.remove_reader(descriptor)
        for neighbour in self._neighbours.values():
            self._book_pings(neighbour)
            if neighbour.dealer:
                neighbour.dealer.disable_monitor()
                neighbour.dealer.close()
            if neighbour.monitor:
                neighbour.monitor.close()
        if self._router:
            self._router.close()
        await asyncio.to_thread(self._context.term)

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
        self._down(neighbour, "quarantined")

    @property
    def bytes_sent(self) -> int:
        """Bytes on the wire, with seals, headers and ZeroMQ's framing."""
        return sum(neighbour.sent for neighbour in self._neighbours.values())

    @property
    def bytes_received(self) -> int:
        return sum(neighbour.received for neighbour in self._neighbours.values())

    # -- sockets ------------------------------------------------------------------------------------------------

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 2000)
        socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
        # ZeroMQ drops the connection before it allocates anything larger.
        socket.setsockopt(zmq.MAXMSGSIZE, RECORD)
        return socket

    def _dial(self, neighbour: _Neighbour) -> None:
        dealer = neighbour.dealer = self._socket(zmq.DEALER)
        dealer.setsockopt(zmq.IMMEDIATE, 1)  # nothing queues for a peer that is not there
        dealer.setsockopt(zmq.RECONNECT_IVL, 100)
        dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        neighbour.monitor = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._watch(dealer, lambda: self._drain_dealer(neighbour))
        self._watch(neighbour.monitor, lambda: self._drain_monitor(neighbour))
        dealer.connect(neighbour.endpoint.address)

    def _watch(self, socket: zmq.Socket[bytes], drain: Callable[[], None]) -> None:
        descriptor = socket.getsockopt(zmq.FD)
        assert isinstance(descriptor, int)
        self._watched.append(descriptor)
        self._loop.add_reader(descriptor, drain)
        self._loop.call_soon(drain)  # the descriptor only wakes for what happens from now on

    def _drain_router(self) -> None:
        if self._closed:
            return
        assert self._router is not None
        for _ in range(BURST):
            try:
                frames = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            if len(frames) == 2:
                self._from_router(bytes(frames[0].buffer), frames[1].buffer)
        self._loop.call_soon(self._drain_router)

    def _drain_dealer(self, neighbour: _Neighbour) -> None:
        if self._closed:
            return
        assert neighbour.dealer is not None
        for _ in range(BURST):
            try:
                frames = neighbour.dealer.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            if len(frames) == 1:
                self._from_dealer(neighbour, frames[0].buffer)
        self._loop.call_soon(self._drain_dealer, neighbour)

    def _drain_monitor(self, neighbour: _Neighbour) -> None:
        if self._closed:
            return
        assert neighbour.monitor is not None
        gone = False
        while True:
            try:
                neighbour.monitor.recv_multipart(zmq.NOBLOCK)
                gone = True
            except zmq.Again:
                break
        if gone:
            self._drain_dealer(neighbour)  # what arrived before the end still counts
            self._down(neighbour, "connection lost")

    # -- in -----------------------------------------------------------------------------------------------------

    def _from_router(self, identity: bytes, frame: memoryview) -> None:
        kind = frame[0] if len(frame) else -1
        if kind == HELLO:
            self._on_hello(identity, bytes(frame))
            return
        if known := self._by_identity.get(identity):
            self._on_record(known, frame)
            return
        for neighbour in self._neighbours.values():
            for candidate, session in neighbour.candidates:
                if candidate == identity and self._confirms(neighbour, session, frame):
                    self._by_identity = {i: n for i, n in self._by_identity.items() if n is not neighbour}
                    self._down(neighbour, "the neighbour opened a new link")
                    neighbour.identity = identity
                    self._by_identity[identity] = neighbour
                    self._up(neighbour, session, frame)
                    session.queue_ping()
                    self._pump_soon(neighbour)
                    return
        self._handlers.on_refused(None, "a frame outside any link")

    def _confirms(self, neighbour: _Neighbour, session: Session, frame: memoryview) -> bool:
        """Message 1 of IK can be replayed: only a first record shows that the initiator is there now."""
        try:
            session.receive(frame, lambda message: None)
        except WireError:
            return False
        return True

    def _from_dealer(self, neighbour: _Neighbour, frame: memoryview) -> None:
        if len(frame) and frame[0] == REPLY:
            self._on_reply(neighbour, bytes(frame))
        elif neighbour.session:
            self._on_record(neighbour, frame)

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
        neighbour.received += _on_wire(len(frame))

    # -- handshake ------------------------------------------------------------------------------------------------

    def _say_hello(self, neighbour: _Neighbour) -> None:
        assert neighbour.dealer is not None
        ephemeral = X25519PrivateKey.generate()
        payload = msgpack.packb([self._me, self._sections])
        initiator = Initiator(self._identity.private, neighbour.endpoint.public_key, self._prologue, ephemeral)
        message, awaiting = initiator.write(payload)
        frame = bytes([HELLO, VERSION]) + self._prologue + message
        try:
            neighbour.dealer.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return  # not connected yet
        neighbour.sent += _on_wire(len(frame))
        neighbour.handshakes[message[:TAG]] = awaiting
        while len(neighbour.handshakes) > CANDIDATES:
            del neighbour.handshakes[next(iter(neighbour.handshakes))]
        self._loop.call_soon(self._drain_dealer, neighbour)

    def _on_hello(self, identity: bytes, frame: bytes) -> None:
        if len(frame) < 34 or frame[1] != VERSION:
            self._handlers.on_refused(None, "a handshake of another version of p2pme, or none at all")
            return
        claimed, message = frame[2:34], frame[34:]
        try:
            # Under the digest that the other side claims: so we know who it is even when our contracts differ.
            payload, introduced = Responder(self._identity.private, claimed).read(message)
            peer, sections = _introduction(payload)
        except WireError as error:
            self._handlers.on_refused(None, error.what)
            return
        neighbour = self._neighbours.get(peer)
        if neighbour is None or neighbour.endpoint.public_key != introduced.remote or peer > self._me:
            print_ = fingerprint(introduced.remote)
            self._handlers.on_refused(None, f"a key outside the allow list, claiming to be peer {peer} ({print_})")
            return
        if neighbour.quarantined:
            return
        if claimed != self._prologue:
            differing = self._differing(sections)
            self._reply(identity, neighbour, introduced, message[:TAG], differing)
            self._complain(neighbour, _contracts_differ(peer, differing))
            return
        neighbour.complaint = ""
        session = self._reply(identity, neighbour, introduced, message[:TAG], [])
        if session:
            neighbour.candidates.append((identity, session))

    def _reply(
        self, identity: bytes, neighbour: _Neighbour, introduced: Introduced, tag: bytes, differing: list[str]
    ) -> Session | None:
        message, ciphers = introduced.write(msgpack.packb(differing))
        frame = bytes([REPLY]) + tag + message
        assert self._router is not None
        try:
            self._router.send_multipart([identity, frame], zmq.NOBLOCK)
        except zmq.ZMQError:
            return None  # it went away again
        neighbour.sent += _on_wire(len(frame))
        return None if differing else Session(self._me, neighbour.endpoint.peer, ciphers, self._schema)

    def _on_reply(self, neighbour: _Neighbour, frame: bytes) -> None:
        awaiting = neighbour.handshakes.pop(frame[1 : 1 + TAG], None)
        if awaiting is None or neighbour.session or neighbour.quarantined:
            return
        peer = neighbour.endpoint.peer
        try:
            payload, ciphers = awaiting.read(frame[1 + TAG :])
            differing = _names(payload)
        except WireError as error:
            self._handlers.on_refused(peer, error.what)
            return
        if differing:
            self._complain(neighbour, _contracts_differ(peer, differing))
            return
        session = Session(self._me, peer, ciphers, self._schema)
        session.queue_ping()  # the first sealed record confirms the handshake
        self._up(neighbour, session, frame)
        self._pump_soon(neighbour)

    def _differing(self, theirs: Mapping[str, bytes]) -> list[str]:
        keys = sorted(self._sections.keys() | theirs.keys())
        return [key for key in keys if self._sections.get(key) != theirs.get(key)] or ["contract"]

    def _complain(self, neighbour: _Neighbour, complaint: str) -> None:
        """Once, not at every retry."""
        if neighbour.complaint != complaint:
            neighbour.complaint = complaint
            self._handlers.on_refused(None, complaint)

    # -- up and down ------------------------------------------------------------------------------------------------

    def _up(self, neighbour: _Neighbour, session: Session, frame: bytes | memoryview) -> None:
        neighbour.session = session
        neighbour.heard = time.monotonic()
        neighbour.received += _on_wire(len(frame))
        neighbour.handshakes.clear()
        neighbour.candidates.clear()
        self._handlers.on_link(neighbour.endpoint.peer, True, "")

    def _down(self, neighbour: _Neighbour, reason: str) -> None:
        if neighbour.session is None:
            return
        neighbour.session = None
        neighbour.stuck = None
        self._by_identity.pop(neighbour.identity, None)
        self._book_pings(neighbour)
        self._handlers.on_link(neighbour.endpoint.peer, False, reason)

    def _beat(self) -> None:
        """Heartbeats, silence, and new attempts; also drains, should a wake-up of a descriptor have been missed."""
        if self._closed:
            return
        now = time.monotonic()
        self._drain_router()
        for neighbour in self._neighbours.values():
            if neighbour.dealer:
                self._drain_dealer(neighbour)
                self._drain_monitor(neighbour)
            if neighbour.session:
                if now - neighbour.heard > self._liveness.silence_s:
                    self._down(neighbour, f"silent for {self._liveness.silence_s:g} s")
                elif neighbour.session.is_idle:
                    neighbour.session.queue_ping()
                    self._pump(neighbour)
            elif neighbour.dealer and not neighbour.quarantined:
                self._say_hello(neighbour)
        all_up = all(neighbour.session for neighbour in self._neighbours.values())
        delay = self._liveness.ping_s if all_up else min(self._liveness.retry_s, self._liveness.ping_s)
        self._tick = self._loop.call_later(delay, self._beat)

    # -- out ----------------------------------------------------------------------------------------------------

    def _pump_soon(self, neighbour: _Neighbour) -> None:
        if not neighbour.pumping:
            neighbour.pumping = True
            self._loop.call_soon(self._pump, neighbour)

    def _pump(self, neighbour: _Neighbour) -> None:
        """Seal and send a few records; come back for the rest, so that the other links have their turn."""
        neighbour.pumping = False
        if self._closed:
            return
        for _ in range(BURST):
            session = neighbour.session
            if session is None:
                return
            if neighbour.stuck:
                record, out = neighbour.stuck
                view = memoryview(record)
            elif (following := session.next_record()) is not None:
                view, out = following
            else:
                self._drain_after_send(neighbour)
                return
            try:
                self._transmit(neighbour, view)
            except zmq.Again:
                neighbour.stuck = (bytes(view), out)
                neighbour.pumping = True
                self._loop.call_later(RETRY_FULL_S, self._pump, neighbour)
                self._drain_after_send(neighbour)
                return
            except zmq.ZMQError:
                self._drain_router()  # what arrived before the end still counts
                self._down(neighbour, "connection lost")
                return
            neighbour.stuck = None
            self._book(neighbour, out, _on_wire(len(view)))
        self._drain_after_send(neighbour)
        self._pump_soon(neighbour)

    def _transmit(self, neighbour: _Neighbour, record: memoryview) -> None:
        # ZeroMQ copies the record: the sealer's buffer is free again at once and stays in the cache.
        if neighbour.dealer:
            neighbour.dealer.send(record, zmq.NOBLOCK, copy=True)
        else:
            assert self._router is not None
            self._router.send(neighbour.identity, zmq.SNDMORE | zmq.NOBLOCK)
            self._router.send(record, zmq.NOBLOCK, copy=True)

    def _drain_after_send(self, neighbour: _Neighbour) -> None:
        """A ZeroMQ descriptor wakes once per change; a send may have taken the wake-up of an arrival."""
        if neighbour.dealer:
            self._loop.call_soon(self._drain_dealer, neighbour)
        else:
            self._loop.call_soon(self._drain_router)

    # -- books --------------------------------------------------------------------------------------------------

    def _book(self, neighbour: _Neighbour, out: Outgoing | None, wire: int) -> None:
        neighbour.sent += wire
        if out is None:
            neighbour.pings += 1
            neighbour.ping_bytes += wire
            return
        out.wire += wire
        if out.is_done:
            message = out.message
            self._ledger(
                {
                    "to": neighbour.endpoint.peer,
                    "kind": message.kind.value,
                    "round": message.round,
                    "bytes": len(out.header) + (out.body.nbytes if out.body else 0),
                    "wire": out.wire,
                    "sha256": self._digest(message.params) if message.params is not None else None,
                }
            )

    def _book_pings(self, neighbour: _Neighbour) -> None:
        if neighbour.pings:
            peer, count, wire = neighbour.endpoint.peer, neighbour.pings, neighbour.ping_bytes
            self._ledger({"to": peer, "kind": "ping", "count": count, "bytes": 0, "wire": wire, "sha256": None})
            neighbour.pings = neighbour.ping_bytes = 0

    def _digest(self, params: Vector) -> str:
        """SHA-256 of a model; the same array goes to several neighbours and is digested once."""
        if self._digest_of is None or self._digest_of[0] is not params:
            self._digest_of = (params, hashlib.sha256(params.data.cast("B")).hexdigest())
        return self._digest_of[1]


def _on_wire(size: int) -> int:
    """Bytes of one ZMTP frame: flags and a length of one or eight bytes before `size` bytes (RFC 23)."""
    return size + (2 if size <= 255 else 9)


def _bindable(address: str) -> str:
    """Loopback addresses are bound as they stand; of any other, the port on every interface of this machine."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if host.startswith("127.") or host in {"localhost", "[::1]"}:
        return address.replace("localhost", "127.0.0.1")
    return f"tcp://*:{port}"


def _introduction(payload: bytes) -> tuple[int, dict[str, bytes]]:
    try:
        peer, sections = msgpack.unpackb(payload, max_ext_len=0, max_map_len=64)
    except Exception as error:  # msgpack raises many kinds on hostile bytes
        raise WireError("an introduction that cannot be read") from error
    if type(peer) is not int or not isinstance(sections, dict):
        raise WireError("an introduction that cannot be read")
    return peer, {str(key): value for key, value in sections.items() if isinstance(value, bytes)}


def _names(payload: bytes) -> list[str]:
    try:
        names = msgpack.unpackb(payload, max_ext_len=0, max_array_len=64)
    except Exception as error:  # msgpack raises many kinds on hostile bytes
        raise WireError("a reply that cannot be read") from error
    if not isinstance(names, list):
        raise WireError("a reply that cannot be read")
    return [str(name)[:64] for name in names]


def _contracts_differ(peer: int, sections: Sequence[str]) -> str:
    parts = ", ".join(f"`{section}`" for section in sections)
    return f"peer {peer} has another contract: {parts} differ; compare the files and restart the one that is wrong"
