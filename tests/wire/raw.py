"""Callers over plain TCP: strangers, thieves, eavesdroppers and liars, who may send whatever they like."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

from p2pfl_me.wire.admission import edge_key
from p2pfl_me.wire.framing import PREFIX, Lengths
from p2pfl_me.wire.handshake import Terms, hello, read_greeting, read_reply
from p2pfl_me.wire.records import Opener, Sealer
from p2pfl_me.wire.session import STANDING
from p2pfl_me.wire.stream_sockets import split_address


@dataclass
class Caller:
    """A blocking connection that speaks frames."""

    socket: socket.socket
    sealer: Sealer = field(default_factory=lambda: Sealer(bytes(32)))
    opener: Opener = field(default_factory=lambda: Opener(bytes(32)))
    lengths: tuple[Lengths, Lengths] = field(default_factory=lambda: (Lengths(), Lengths()))
    """Of what we send, and of what we receive."""

    @classmethod
    def of(cls, address: str) -> Caller:
        return cls(socket.create_connection(split_address(address), timeout=20))

    def send(self, frame: bytes | memoryview) -> None:
        self.socket.sendall(self.lengths[0].write(len(frame)) + bytes(frame))

    def receive(self) -> bytes:
        """The next frame; empty at the end of the connection."""
        begin = self._exactly(PREFIX)
        return self._exactly(self.lengths[1].read(begin)) if begin else b""

    def say(self, kind: int, payload: bytes) -> None:
        self.send(self.sealer.seal(kind, payload))

    def link(self, terms: Terms, public: bytes) -> None:
        """The whole handshake of a neighbour that dials."""
        frame, awaiting = hello(terms, public, edge_key(terms.identity, public), read_greeting(self.receive()))
        self.send(frame)
        differing, ciphers = read_reply(awaiting, self.receive())
        assert not differing
        self.sealer, self.opener = Sealer(ciphers.send), Opener(ciphers.receive)
        self.lengths = Lengths(ciphers.send), Lengths(ciphers.receive)
        self.say(STANDING, os.urandom(8) + bytes(24))

    def is_cut(self) -> bool:
        """Read on until the other end closes the connection."""
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self.socket.close()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                return b""
            data += piece
        return data


Change = Callable[[bytes, bool], bytes]
"""What becomes of bytes on the way; True towards the listener."""


@dataclass
class LossyLine:
    """One way of a connection over a line that is long and loses segments: to TCP's reader all comes, in order, late.

    A segment that is lost is sent again after `rto_s`, then after twice that, and so on; what follows it waits.
    """

    random: Random
    delay_s: float = 0.1
    loss: float = 0.1
    rto_s: float = 0.4
    segment: int = 1400
    lost: int = 0
    _last: float = 0.0

    def arrivals(self, now: float, size: int) -> Iterator[tuple[float, int]]:
        """When the pieces of `size` bytes that are sent now come, in seconds of the same clock, and their bytes."""
        for begin in range(0, size, self.segment):
            at = now + self.delay_s
            for attempt in count():
                if self.random.random() >= self.loss:
                    break
                self.lost += 1
                at += self.rto_s * 2**attempt
            self._last = max(self._last, at)
            yield self._last, min(self.segment, size - begin)


@dataclass
class Tap:
    """A man in the middle: passes bytes on, keeps them, and changes what `change` changes."""

    onward: str
    change: Change = lambda data, _: data
    seen: list[tuple[bool, bytes]] = field(default_factory=list)
    connections: int = 0
    rate: float = 0.0
    """Bytes a second each way, 0 for no limit."""
    pause: Callable[[], Awaitable[None]] | None = None
    """Waited for before anything is passed on."""
    line: Callable[[], LossyLine] | None = None
    """Makes what each way of a connection goes over."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def open(self) -> str:
        """Listen; the address that a dialler is to be given."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End all connections there are."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there, back = await asyncio.open_connection(*split_address(self.onward))
        except OSError:
            writer.close()
            return
        self._writers += [writer, back]
        for source, sink, towards in ((reader, back, True), (there, writer, False)):
            way = self._over(self.line(), source, sink) if self.line else self._pass_on(source, sink, towards)
            self._tasks.add(asyncio.create_task(way))

    async def _over(self, line: LossyLine, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass on over a line; so much is under way at most as the queue holds."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1000)
        clock = asyncio.get_running_loop().time

        async def arrive() -> None:
            while True:
                at, data = await under_way.get()
                await asyncio.sleep(at - clock())
                if not data:
                    return
                sink.write(data)
                await sink.drain()

        arriving = asyncio.create_task(arrive())
        try:
            while data := await source.read(1 << 16):
                begin = 0
                for at, size in line.arrivals(clock(), len(data)):
                    await under_way.put((at, data[begin : begin + size]))
                    begin += size
            await under_way.put((max(clock() + line.delay_s, line._last), b""))
            await arriving
        except ConnectionError:
            pass
        finally:
            arriving.cancel()
            sink.close()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, towards: bool) -> None:
        try:
            while data := await source.read(max(1, int(self.rate / 20)) if self.rate else 1 << 16):
                self.seen.append((towards, data))
                if self.rate:
                    await asyncio.sleep(len(data) / self.rate)
                if self.pause:
                    await self.pause()
                sink.write(self.change(data, towards))
                await sink.drain()
        except ConnectionError:
            pass
        sink.close()
