"""One link: what sealing costs beside plain ZeroMQ, one way between two processes.

    python scripts/bench/link.py                 # 29.4 MB messages, as `block5` sends them

Five ways take turns in one run, so that the machine's mood falls on all of them: plain ZeroMQ with a message as one
frame, plain ZeroMQ with a message as 1 MiB frames, `p2pfl_me.wire.links` (authenticated, encrypted, checked, booked in
the ledger), its records in a bare loop that seals and sends, receives, opens and checks, and does nothing else, and
the same bare loop over a TCP socket without ZeroMQ, each record in memory that is used again. In each the message ends
in a float32 array of the receiver. Every way has two processes of its own: in shared ones, the memory that one way
left behind made another up to twice as slow or fast. Compare the ratios between machines: the bare loops say what the
processor's AES and the kernel allow, the sealed link beside them what the rest of the link costs.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from types import TracebackType

import numpy as np
import zmq
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from p2pfl_me.machine import reuse_freed_memory
from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.codec import Header, Schema, check_weights
from p2pfl_me.wire.endpoint import News
from p2pfl_me.wire.identity import Identity, new_identity, public_from_text
from p2pfl_me.wire.links import Endpoint, Links
from p2pfl_me.wire.noise import TAG, nonce
from p2pfl_me.wire.records import HEADER, PAYLOAD, Opener, Sealer
from p2pfl_me.wire.session import BODY

PIECE = 1 << 20


class Plain(AbstractContextManager["Plain"]):
    """A DEALER that sends or a ROUTER that receives, both with the high-water mark of a real application."""

    def __init__(self, port: int, values: int, piece: int, *, sends: bool) -> None:
        self.context = zmq.Context()
        self.model = np.ones(values, np.float32)
        self.view, self.piece = self.model.data.cast("B"), piece
        self.socket = self.context.socket(zmq.DEALER if sends else zmq.ROUTER)
        if sends:
            self.socket.connect(f"tcp://127.0.0.1:{port}")
        else:
            self.socket.bind(f"tcp://127.0.0.1:{port}")

    def send(self, messages: int) -> None:
        for _ in range(messages):
            for begin in range(0, self.view.nbytes, self.piece):
                self.socket.send(self.view[begin : begin + self.piece], copy=False)
        assert self.socket.recv() == b"done"

    def receive(self, messages: int) -> None:
        identity = b""
        for _ in range(messages):
            for begin in range(0, self.view.nbytes, self.piece):
                identity = self.socket.recv()
                self.socket.recv_into(self.view[begin : begin + self.piece])
        self.socket.send_multipart([identity, b"done"])

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.context.destroy()


class Bare(Plain):
    """The link's records without the link: no handshake, ledger, queue, heartbeat or second thread."""

    def __init__(self, port: int, values: int, *, sends: bool) -> None:
        reuse_freed_memory()  # as the link does
        super().__init__(port, values, PAYLOAD, sends=sends)
        self.sealer, self.opener = Sealer(bytes(32)), Opener(bytes(32))

    def send(self, messages: int) -> None:
        for _ in range(messages):
            for begin in range(0, self.view.nbytes, self.piece):
                self.socket.send(self.sealer.seal(BODY, self.view[begin : begin + self.piece]), copy=False)
        assert self.socket.recv() == b"done"

    def receive(self, messages: int) -> None:
        identity = b""
        header = Header(Kind.ANSWER, 0, 0, 0, self.view.nbytes)
        for _ in range(messages):
            model = np.empty_like(self.model)
            view = model.data.cast("B")
            for begin in range(0, view.nbytes, self.piece):
                identity = self.socket.recv()
                piece = slice(begin, begin + self.piece)
                self.opener.open_into(self.socket.recv(copy=False).buffer, view[piece])
                check_weights(header, model[begin // 4 : (begin + self.piece) // 4])
        self.socket.send_multipart([identity, b"done"])


class Stream(AbstractContextManager["Stream"]):
    """Records of the link's form and size over one TCP connection: no ZeroMQ, no thread, no memory but two buffers."""

    def __init__(self, port: int, values: int, *, sends: bool) -> None:
        self.model = np.ones(values, np.float32)
        self.view = self.model.data.cast("B")
        self.record = np.empty(HEADER + PAYLOAD + TAG, np.uint8).data
        self.aead, self.counter = AESGCM(bytes(32)), 0
        self.server = None if sends else socket.create_server(("127.0.0.1", port))
        self.socket = socket.create_connection(("127.0.0.1", port)) if sends else socket.socket()

    def pieces(self) -> Iterator[tuple[bytes, slice, memoryview]]:
        for begin in range(0, self.view.nbytes, PAYLOAD):
            piece = slice(begin, min(begin + PAYLOAD, self.view.nbytes))
            yield nonce(self.counter), piece, self.record[: HEADER + piece.stop - piece.start + TAG]
            self.counter += 1

    def send(self, messages: int) -> None:
        for _ in range(messages):
            for number, piece, record in self.pieces():
                self.aead.encrypt_into(number, self.view[piece], bytes(record[:HEADER]), record[HEADER:])
                self.socket.sendall(record)
        assert self.socket.recv(1)

    def receive(self, messages: int) -> None:
        if self.server:
            self.socket, _ = self.server.accept()
            self.server.close()
            self.server = None
        header = Header(Kind.ANSWER, 0, 0, 0, self.view.nbytes)
        for _ in range(messages):
            for number, piece, record in self.pieces():
                got = 0
                while got < len(record):
                    got += self.socket.recv_into(record[got:])
                self.aead.decrypt_into(number, record[HEADER:], bytes(record[:HEADER]), self.view[piece])
                check_weights(header, self.model[piece.start // 4 : piece.stop // 4])
        self.socket.sendall(b"!")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()


class Sealed(AbstractContextManager["Sealed"]):
    """One end of a real link; peer 0 dials and sends, peer 1 listens and receives."""

    def __init__(self, me: int, identity: Identity, other: bytes, ports: tuple[int, int], values: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.news = asyncio.Event()
        self.models = self.confirmations = 0
        self.other = 1 - me
        self.model = np.ones(values, np.float32)
        self.links = Links(
            me,
            f"tcp://127.0.0.1:{ports[me]}",
            identity,
            [Endpoint(self.other, f"tcp://127.0.0.1:{ports[self.other]}", other)],
            prologue=bytes(32),
            sections={},
            schema=Schema(values, bytes(32)),
            handlers=self,
            ledger=lambda entry: None,
        )
        self.loop.run_until_complete(self.links.start())
        self.is_up = False

    def on_message(self, peer: int, message: Message) -> None:
        self.models += message.params is not None
        self.confirmations += message.params is None
        self.news.set()

    def on_link(self, peer: int, up: bool, reason: str) -> None:
        self.is_up = up
        self.news.set()

    def on_refused(self, peer: int | None, reason: str) -> None:
        raise SystemExit(f"refused: {reason}")

    def on_news(self, news: News) -> None:
        pass

    def on_failed(self, error: Exception) -> None:
        raise error

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.news.clear()
            await self.news.wait()

    def send(self, messages: int) -> None:
        async def scene() -> None:
            await self.until(lambda: self.is_up)
            for round in range(messages):
                self.links.send(self.other, Message(Kind.ANSWER, round, round, self.model))
            await self.until(lambda: self.confirmations == 1)
            self.confirmations = 0

        self.loop.run_until_complete(scene())

    def receive(self, messages: int) -> None:
        async def scene() -> None:
            await self.until(lambda: self.models == messages)
            self.models = 0
            self.links.send(self.other, Message(Kind.SKIP, 0))
            await self.links.part(5)

        self.loop.run_until_complete(scene())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.loop.run_until_complete(self.links.close())
        self.loop.close()


Way = Plain | Stream | Sealed
WAYS: dict[str, Callable[[int, Identity, bytes, tuple[int, int], int], Way]] = {
    "plain, one frame": lambda me, _, __, ports, values: Plain(ports[0], values, 4 * values, sends=me == 0),
    "plain, 1 MiB frames": lambda me, _, __, ports, values: Plain(ports[0], values, PIECE, sends=me == 0),
    "sealed link": Sealed,
    "sealed, bare loop": lambda me, _, __, ports, values: Bare(ports[0], values, sends=me == 0),
    "sealed, bare TCP": lambda me, _, __, ports, values: Stream(ports[0], values, sends=me == 0),
}
BASE = "plain, one frame"


def end(way: str, me: int, pipe: Connection, ports: tuple[int, int], values: int) -> None:
    """One process: sends or receives as many messages as the pipe asks for and answers with its CPU seconds."""
    identity = new_identity()
    pipe.send(identity.public_text)
    with WAYS[way](me, identity, public_from_text(pipe.recv()), ports, values) as one:
        pipe.send("ready")
        while (messages := pipe.recv()) is not None:
            before = time.process_time()
            (one.send if me == 0 else one.receive)(messages)
            pipe.send(time.process_time() - before)


def pair(way: str, values: int) -> list[Connection]:
    """The pipes to a sending and a receiving process, which end with this one."""
    fresh, pipes = multiprocessing.get_context("spawn"), []
    first, second = free_ports(2)
    for me in range(2):
        here, there = fresh.Pipe()
        fresh.Process(target=end, args=(way, me, there, (first, second), values), daemon=True).start()
        pipes.append(here)
    keys = [pipe.recv() for pipe in pipes]
    for me in (1, 0):  # the receiver listens before the sender dials
        pipes[me].send(keys[1 - me])
        assert pipes[me].recv() == "ready"
    return pipes


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=7_342_599, help="float32 values a message")
    parser.add_argument("--messages", type=int, default=8, help="messages a measurement")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    pairs = {way: pair(way, arguments.values) for way in WAYS}
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    cpu: dict[str, list[tuple[float, ...]]] = {way: [] for way in WAYS}
    megabytes = 4e-6 * arguments.values * arguments.messages
    for repeat in range(arguments.repeats + 1):
        for way, pipes in pairs.items():
            begun = time.perf_counter()
            for pipe in reversed(pipes):
                pipe.send(arguments.messages)
            used = [pipe.recv() for pipe in pipes]
            if repeat:  # the first is for warming up
                rates[way].append(megabytes / (time.perf_counter() - begun))
                cpu[way].append(tuple(1e3 * each / megabytes for each in used))
    for pipes in pairs.values():
        for pipe in pipes:
            pipe.send(None)
    base = statistics.median(rates[BASE])
    each = 4e-6 * arguments.values
    print(f"{arguments.repeats} x {arguments.messages} messages of {each:.1f} MB")
    print("median MB/s (range), CPU ms per MB sending + receiving")
    for way, values in rates.items():
        middle = statistics.median(values)
        sending, receiving = (statistics.median(side) for side in zip(*cpu[way], strict=True))
        ratio = statistics.median(value / plain for value, plain in zip(values, rates[BASE], strict=True))
        print(
            f"{way:20} {middle:6.0f} ({min(values):.0f}-{max(values):.0f})  {sending:.2f} + {receiving:.2f}"
            f"  {middle / base:.2f} of plain one frame (median of pairs {ratio:.2f})"
        )


if __name__ == "__main__":
    main()
