"""A relay: two ends of an edge that nobody can call both call it, and it passes on what they seal.

It knows the edges that may meet here and the public keys of their ends; whoever holds none of the private keys gets a
greeting and a place in the waiting room of strangers, as at any listener. It has no key to what it passes on: the ends'
handshake goes through it. What it holds of a connection is bounded, and whoever reads slowly makes the other wait.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from p2pfl_me.errors import PeerError, WireError
from p2pfl_me.wire.admission import CHALLENGE, WaitingRoom, caller_of, edge_key
from p2pfl_me.wire.budget import Bucket
from p2pfl_me.wire.endpoint import AsStated, Trust
from p2pfl_me.wire.framing import PREFIX, Lengths
from p2pfl_me.wire.handshake import greeting
from p2pfl_me.wire.handshake_stages import HANDSHAKE_S
from p2pfl_me.wire.identity import Identity
from p2pfl_me.wire.meeting import ABSENT, MET, WAIT_S, read_meet, sought
from p2pfl_me.wire.refusal_log import BURST, REFILL_S, StrangersLog
from p2pfl_me.wire.stream_sockets import BACKLOG, LINGER_S, split_address

PIECE = 1 << 16
"""Most bytes taken from one end before they have been handed to the other."""
IDLE_S = 60.0
"""Two ends that hear nothing of each other for so long have gone: they send a sign of life every second."""
MEETINGS = (1.0, 20.0)
"""Calls of one end for one neighbour, a second and at once."""
_MEET_FRAME = 65

ALIVE_S = 2.0
"""An end that has been heard so lately is alive, and says something every second."""
TWICE = "two processes run with one key; whoever has it should stop one"
LOOK_S = 1.0
"""Between two looks at which keys are good."""

Edge = tuple[bytes, bytes]
"""Public keys, as the contract states them, of who calls and of whom it wants to meet."""


@dataclass(frozen=True, slots=True)
class _Key:
    """A key that is good for the member of a `stated` one, and the key of its proofs to us."""

    stated: bytes
    public: bytes
    key: bytes


@dataclass(slots=True, eq=False)
class _End:
    """One end's connection. `met` is the other's, once it is there."""

    edge: Edge
    reader: asyncio.StreamReader = field(repr=False)
    writer: asyncio.StreamWriter = field(repr=False)
    met: asyncio.Future[_End] = field(repr=False)
    heard_at: float = -math.inf
    """When it last said something to the other."""

    def say(self, kind: int) -> None:
        self.writer.write(Lengths().write(1) + bytes([kind]))


class RelayServer:
    """Serves the `edges` (public keys of both ends) under the key of `identity`; one event loop's.

    Parameters
    ----------
    bytes_per_s:
        What one end may send to the other; more is read later.
    tell:
        Gets a line where something has happened that whoever runs it should know; floods are told in bounded many.
    name:
        How an end is named in these lines, by the key that the contract states.
    trust:
        Which keys are good for that one.
    """

    def __init__(
        self,
        identity: Identity,
        edges: Iterable[Edge],
        bytes_per_s: float,
        tell: Callable[[str], None],
        name: Callable[[bytes], str],
        trust: Trust | None = None,
    ) -> None:
        self._rate, self._tell, self._name = bytes_per_s, tell, name
        self._trust, self._looked_at = trust or AsStated(), -math.inf
        self._others: dict[bytes, set[bytes]] = {}
        for one, other in edges:
            self._others.setdefault(one, set()).add(other)
            self._others.setdefault(other, set()).add(one)
        self._identity = identity
        self._ends: list[_Key] = []
        self._room: WaitingRoom[asyncio.StreamWriter] = WaitingRoom()
        self._there: dict[Edge, _End] = {}
        """The newest connection of each end of each edge."""
        self._meetings: dict[Edge, Bucket] = {}
        self._refusals, self._news = StrangersLog(), Bucket(1 / REFILL_S, BURST)
        self._tasks: set[asyncio.Task[None]] = set()
        self.passed_on = 0
        """Bytes that went from one end to another."""

    @property
    def held(self) -> int:
        """Connections of ends that have shown who they are."""
        return len(self._there)

    def listen(self, address: str) -> socket.socket:
        """A socket at `tcp://HOST:PORT` for `serve`; `*` stands for every interface.

        Raises
        ------
        PeerError
            The port is taken or the address is not this machine's.
        """
        host, port = split_address(address)
        try:
            if host == "*":
                dual = socket.has_dualstack_ipv6()
                family = socket.AF_INET6 if dual else socket.AF_INET
                made = socket.create_server(("", port), family=family, backlog=BACKLOG, dualstack_ipv6=dual)
            else:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                made = socket.create_server((host, port), family=family, backlog=BACKLOG)
        except (OSError, OverflowError) as error:
            what = f"cannot listen: {(getattr(error, 'strerror', None) or str(error)).lower()}"
            raise PeerError(
                what, where=address, fix="stop what holds the port, or choose another with --listen"
            ) from error
        made.setblocking(False)
        return made

    async def serve(self, listener: socket.socket) -> None:
        """Until cancelled; all connections end with it."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    connection, address = await loop.sock_accept(listener)
                except OSError:  # no descriptors left, or the caller has gone again
                    await asyncio.sleep(0.1)
                    continue
                if not self._room.admits(time.monotonic(), str(address[0])):
                    connection.close()
                    self._refuse(f"a connection from {address[0]}, of which there are too many")
                else:
                    task = loop.create_task(self._attend(connection, str(address[0])))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                if pause := self._room.looks(time.monotonic()):
                    await asyncio.sleep(pause)
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _look(self, now: float) -> None:
        """Which keys are good for the members may change while this runs."""
        if now - self._looked_at < LOOK_S:
            return
        if self._trust.look() or not self._ends:
            self._ends = [
                _Key(stated, public, edge_key(self._identity, public))
                for stated in self._others
                for public in self._trust.good(stated)
            ]
        self._looked_at = now

    # -- one connection -----------------------------------------------------------------------------------------

    async def _attend(self, connection: socket.socket, host: str) -> None:
        """A connection from its first byte to its last."""
        try:
            reader, writer = await asyncio.open_connection(sock=connection, limit=PIECE)
        except OSError:
            connection.close()
            return
        if (goes := self._room.enter(writer, host)) is not None:
            goes.transport.abort()
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                edge = await self._introduced(reader, writer)
            self._room.leave(writer)
            if edge is not None:
                await self._meet(_End(edge, reader, writer, asyncio.get_running_loop().create_future()))
        except WireError as error:
            self._refuse(f"{error.what}, from {host}")
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # it has gone, or has had its time
        finally:
            self._room.leave(writer)
            _end(writer)

    async def _introduced(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Edge | None:
        """Who calls, and for whom; None if it has called too often.

        Raises
        ------
        WireError
            A stranger.
        """
        challenge, lengths = os.urandom(CHALLENGE), Lengths()
        greeted = greeting(challenge)
        writer.write(Lengths().write(len(greeted)) + greeted)
        size = lengths.read(await reader.readexactly(PREFIX))
        if size != _MEET_FRAME:
            raise WireError(f"a frame of {size} bytes where a call for a neighbour was due")
        proof, place = read_meet(await reader.readexactly(size))
        self._look(time.monotonic())
        caller = caller_of(self._ends, challenge, proof)
        if caller is None:
            raise WireError("a key that no member has who meets others here, or made for another key than ours")
        other = sought(caller.key, caller.public, challenge, place, self._others[caller.stated])
        if other is None:
            raise WireError(f"{self._name(caller.stated)} asks for one whom it does not meet here")
        edge = (caller.stated, other)
        bucket = self._meetings.setdefault(edge, Bucket(*MEETINGS))
        return edge if bucket.take(time.monotonic()) else None

    async def _meet(self, end: _End) -> None:
        """Wait for the other end, if it is not there, and pass on what this one says."""
        caller, sought_one = end.edge
        if before := self._there.pop(end.edge, None):
            before.writer.transport.abort()  # one at a time, the newest
            if time.monotonic() - before.heard_at < ALIVE_S:
                self._refuse(f"{self._name(caller)} calls while an earlier call of its own is alive: {TWICE}")
        other = self._there.get((sought_one, caller))
        self._there[end.edge] = end
        try:
            if other is not None and not other.met.done():
                other.met.set_result(end)
                end.met.set_result(other)
                for each in (end, other):
                    each.say(MET)
                if self._news.take(time.monotonic()):
                    self._tell(f"{self._name(caller)} and {self._name(sought_one)} have met")
            else:
                end.say(ABSENT)
                if (said := await self._joined(end)) is None:
                    return
                end.met.result().writer.write(said)
            await self._pass_on(end, end.met.result())
        finally:
            if self._there.get(end.edge) is end:
                del self._there[end.edge]

    async def _joined(self, end: _End) -> bytes | None:
        """What an end has said to the other, who came while it waited; None if it said something before, or went."""
        word = asyncio.create_task(end.reader.read(PIECE))
        waited: set[asyncio.Future[Any]] = {word, end.met}
        await asyncio.wait(waited, timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        word.cancel()
        await asyncio.wait({word})
        said = b"" if word.cancelled() else word.result()
        return said if end.met.done() and (said or word.cancelled()) else None

    async def _pass_on(self, end: _End, other: _End) -> None:
        """From one end to the other until one of them ends; then both do."""
        bucket = Bucket(self._rate, max(PIECE, self._rate / 4))
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    data = await end.reader.read(PIECE)
                if not data:
                    break
                self.passed_on += len(data)
                end.heard_at = time.monotonic()
                other.writer.write(data)
                await other.writer.drain()
                if pause := bucket.charge(time.monotonic(), len(data)):
                    await asyncio.sleep(pause)
        finally:
            _end(other.writer)

    def _refuse(self, reason: str) -> None:
        if line := self._refusals.line(time.monotonic(), reason):
            self._tell(line)


def _end(writer: asyncio.StreamWriter) -> None:
    """Close a connection: what it has not been handed yet still leaves, unless its other end does not read."""
    writer.close()
    asyncio.get_running_loop().call_later(LINGER_S, writer.transport.abort)
