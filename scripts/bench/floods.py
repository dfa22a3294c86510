"""A ring of links under each flood, from one address: how much of its speed it keeps, and what the attacked peer takes.

    python scripts/bench/floods.py                   # all of them, five pairs each: some five minutes
    python scripts/bench/floods.py --only handshakes --pairs 15

Four processes swap models of 1 MB around a ring, a round at a time, with nothing to train: all that a flood can slow
down is what is measured. Peer 1 is attacked, by strangers who hold the contract and no key, or by peer 4, a neighbour
of its that lies. A pair is a moment undisturbed and, right after it, a moment under the flood, which is stopped in
between; what stands here is the median of the pairs, with the least and the most. The attackers run on this machine,
with the lowest priority, so the ratio holds what they cost as well as what they do. What they do alone is CPU time of
the attacked peer beside its rounds: as a part of a core, and for each MB that the flood brought. Ends with 1 if the
median flood took more than half of the speed, or the attacked peer died or grew by 200 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.admission import edge_key
from p2pfl_me.wire.codec import Schema, encode
from p2pfl_me.wire.endpoint import News
from p2pfl_me.wire.framing import Lengths
from p2pfl_me.wire.handshake import MAX_FRAME, Terms, hello, read_greeting
from p2pfl_me.wire.identity import Identity, new_identity
from p2pfl_me.wire.links import Endpoint, Links
from p2pfl_me.wire.noise import private_bytes
from p2pfl_me.wire.session import MESSAGE, RECEIVED
from tests.wire.peers import free_ports
from tests.wire.raw import Caller

RING, ATTACKED, LIAR = 4, 1, 4
VALUES = 263_175
SCHEMA = Schema(VALUES, bytes(32))
PROLOGUE, SECTIONS = b"p" * 32, {"training": b"1" * 32}
RESET = b"\1\0\0\0\0\0\0\0"
"""For SO_LINGER: a connection that is closed is reset at once."""
SETTLE_S = 0.4
"""Between the flood's beginning or end and what is measured."""
HELD = 1000
"""Connections that a flood holds at a time."""


class Peer:
    """One process of the ring: a round is a model to each neighbour and one from each."""

    def __init__(self, me: int, keys: list[Identity], ports: list[int]) -> None:
        self.neighbours = [(me - 1) % RING, (me + 1) % RING]
        known = [*self.neighbours, *([LIAR] if me == ATTACKED else [])]
        self.endpoints = [Endpoint(k, f"tcp://127.0.0.1:{ports[k]}", keys[k].public, me < k < RING) for k in known]
        self.came = dict.fromkeys(self.neighbours, 0)
        self.up: set[int] = set()
        self.lines = self.rounds = 0
        self.news = asyncio.Event()
        self.links = Links(
            me, f"tcp://127.0.0.1:{ports[me]}", keys[me], self.endpoints, prologue=PROLOGUE, sections=SECTIONS,
            schema=SCHEMA, handlers=self, ledger=lambda entry: None,
        )  # fmt: skip

    def on_message(self, peer: int, message: Message) -> None:
        if peer in self.came and message.kind is Kind.PUSH:
            self.came[peer] += 1
            self.news.set()

    def on_link(self, peer: int, up: bool, reason: str) -> None:
        (self.up.add if up else self.up.discard)(peer)
        self.lines += 1
        self.news.set()

    def on_refused(self, peer: int | None, reason: str) -> None:
        self.lines += 1

    def on_news(self, news: News) -> None:
        pass

    def on_failed(self, error: Exception) -> None:
        raise SystemExit(f"the links have ended: {error!r}")

    async def run(self, pipe: Connection) -> None:
        await self.links.start()
        loop = asyncio.get_running_loop()
        loop.add_reader(pipe.fileno(), lambda: pipe.send(self.told(pipe.recv())))
        model = np.ones(VALUES, np.float32)
        while True:
            await self.until(lambda: self.up.issuperset(self.neighbours))
            for peer in self.neighbours:
                self.links.send(peer, Message(Kind.PUSH, self.rounds, 0, model))
            await self.until(lambda: min(self.came.values()) > self.rounds)
            self.rounds += 1

    def told(self, question: object) -> dict[str, float]:
        if question is None:
            os._exit(0)
        own = Path("/proc/self")
        megabytes = int((own / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        files = len(list((own / "fd").iterdir()))
        figures = {"rounds": self.rounds, "MB": megabytes, "files": files, "lines": self.lines}
        return figures | {"at": time.monotonic(), "cpu": time.process_time()}

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.news.clear()
            await self.news.wait()


# -- floods -----------------------------------------------------------------------------------------------------------


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


def pings(address: str, liar: Terms, public: bytes) -> None:
    """A neighbour's heartbeats without end."""
    caller = linked(address, liar, public)
    while True:
        caller.say(RECEIVED, bytes(16))


def withdrawals(address: str, liar: Terms, public: bytes) -> None:
    """A neighbour's small messages without end."""
    caller, (header, _) = linked(address, liar, public), encode(Message(Kind.WITHDRAW, 1), LIAR, SCHEMA)
    while True:
        caller.say(MESSAGE, header)


def beginnings(address: str, liar: Terms, public: bytes) -> None:
    """A neighbour's models, of which nothing but the header ever comes."""
    model = Message(Kind.PUSH, 1, 0, np.ones(VALUES, np.float32))
    caller, (header, _) = linked(address, liar, public), encode(model, LIAR, SCHEMA)
    while True:
        caller.say(MESSAGE, header)


FLOODS = {each.__name__: each for each in (
    hold, knock, rubbish, resets, proofs, handshakes, flaps, pings, unread, withdrawals, beginnings,
)}  # fmt: skip


# -- measuring --------------------------------------------------------------------------------------------------------


def ring_process(me: int, keys: list[bytes], ports: list[int], pipe: Connection) -> None:
    asyncio.run(Peer(me, [identity_of(key) for key in keys], ports).run(pipe))


def flood_process(name: str, keys: list[bytes], ports: list[int]) -> None:
    os.nice(19)
    liar, attacked = identity_of(keys[LIAR]), identity_of(keys[ATTACKED])
    with contextlib.suppress(OSError, KeyboardInterrupt):
        FLOODS[name](f"tcp://127.0.0.1:{ports[ATTACKED]}", Terms(LIAR, liar, PROLOGUE, SECTIONS), attacked.public)


def identity_of(private: bytes) -> Identity:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.from_private_bytes(private)
    return Identity(key, key.public_key().public_bytes_raw())


def ask(pipe: Connection) -> dict[str, float]:
    pipe.send("how")
    if not pipe.poll(60):
        raise SystemExit("the attacked peer does not answer")
    found: dict[str, float] = pipe.recv()
    return found


@dataclass(frozen=True, slots=True)
class Moment:
    """Rounds a second, the attacked peer's part of a core, and MB a second that loopback carried."""

    rounds: float
    cpu: float
    carried: float


def moment(pipe: Connection, seconds: float) -> Moment:
    before, carried = ask(pipe), loopback()
    time.sleep(seconds)
    after, carried = ask(pipe), loopback() - carried
    rounds, cpu, took = (after[name] - before[name] for name in ("rounds", "cpu", "at"))
    return Moment(rounds / took, cpu / took, carried / took)


def loopback() -> float:
    """MB that have come over loopback in this network namespace."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, figures = line.partition(":")
        if name.strip() == "lo":
            return int(figures.split()[0]) / 1e6
    return 0.0


def spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def pairs_of(pipe: Connection, flood: BaseProcess, pairs: int, seconds: float) -> list[tuple[Moment, Moment]]:
    """Calm and flooded moments in turn; the flood runs in the latter alone."""
    assert flood.pid
    found = []
    for _ in range(pairs):
        os.kill(flood.pid, signal.SIGSTOP)
        time.sleep(SETTLE_S)
        calm = moment(pipe, seconds)
        os.kill(flood.pid, signal.SIGCONT)
        time.sleep(SETTLE_S)
        found.append((calm, moment(pipe, seconds)))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(FLOODS))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.5, help="of each moment")
    arguments = parser.parse_args()
    fresh = multiprocessing.get_context("spawn")
    keys, ports = [private_bytes(new_identity().private) for _ in range(RING + 1)], free_ports(RING + 1)
    pipes: list[Connection] = []
    processes: list[BaseProcess] = []
    for me in range(RING):
        here, there = fresh.Pipe()
        processes.append(fresh.Process(target=ring_process, args=(me, keys, ports, there), daemon=True))
        processes[-1].start()
        pipes.append(here)
    pipe, failed, begun = pipes[ATTACKED], 0, time.monotonic()
    while ask(pipe)["rounds"] < 20:
        time.sleep(0.1)
    for name in [arguments.only] if arguments.only else FLOODS:
        first = ask(pipe)
        flood = fresh.Process(target=flood_process, args=(name, keys, ports), daemon=True)
        flood.start()
        time.sleep(1.5)  # for it to begin
        found = pairs_of(pipe, flood, arguments.pairs, arguments.seconds)
        last = ask(pipe)
        flood.kill()
        flood.join()
        found = [(calm, flooded) for calm, flooded in found if calm.rounds]  # else this machine had no time at all
        if not found:
            raise SystemExit("this machine is too busy: no round went by undisturbed")
        ratios = [flooded.rounds / calm.rounds for calm, flooded in found]
        beside = [flooded.cpu - calm.cpu * flooded.rounds / calm.rounds for calm, flooded in found]
        brought = [flooded.carried - calm.carried * flooded.rounds / calm.rounds for calm, flooded in found]
        carried = statistics.median(brought)
        per_mb = f"{1e3 * statistics.median(beside) / carried:.0f} ms a MB of {carried:.1f} MB/s"
        cost = per_mb if carried > 0.1 else "hardly any bytes"
        grown, lines = last["MB"] - first["MB"], int(last["lines"] - first["lines"])
        bad = statistics.median(ratios) < 0.5 or grown > 200 or not all(each.is_alive() for each in processes)
        failed += bad
        print(
            f"{name:12} {spread(ratios, '.2f')} of the speed; CPU beside rounds {spread(beside, '+.2f')} of a core, "
            f"{cost}; "
            f"{last['cpu'] - first['cpu']:.1f} s of CPU in all; {grown:+.0f} MB, {int(last['files'])} files, "
            f"{lines} lines of log{'  <- bad' if bad else ''}",
            flush=True,
        )
    print(f"{arguments.pairs} pairs of each, {time.monotonic() - begun:.0f} s")
    for each in pipes:
        each.send(None)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
