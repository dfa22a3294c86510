"""A ring of links under each flood, from one address: how much of its speed it keeps, and what the attacked peer takes.

    python scripts/bench/floods.py                       # all, some three minutes on a quiet machine
    python scripts/bench/floods.py --only handshakes --pairs 15 --json floods.json

Four processes swap models of 1 MB around a ring, a round at a time, with nothing to train: all that a flood can slow
down is what is measured. Peer 1 is attacked, by strangers who hold the contract and no key, or by peer 4, a neighbour
of its that lies. A pair is a moment undisturbed and, right after it, a moment under the flood, which is stopped in
between; what stands here is the median of the pairs, with the least and the most.

The attacker runs on this machine. Where there are two cores or more it has one for itself, and the ring has the others
in both moments, so that what the attacker computes is not counted as what it does to the swarm; what the kernel does
for its connections is counted wherever it runs. `--share` leaves all cores to all, the attacker at the lowest priority.
What a flood does alone is CPU time of the attacked peer beside its rounds: as a part of a core, and for each MB that
the flood brought. A flood that cannot be measured is told and the next one tried, on a new ring if the old one is
broken. Ends with 1 if the median flood took more than half of the speed, or the attacked peer died or grew by 200 MB,
or one could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.endpoint import News
from p2pfl_me.wire.handshake import Terms
from p2pfl_me.wire.identity import Identity, new_identity
from p2pfl_me.wire.links import Endpoint, Links
from p2pfl_me.wire.noise import private_bytes
from tests.wire.floods import FLOODS, LIAR, PROLOGUE, SCHEMA, SECTIONS, VALUES
from tests.wire.peers import free_ports

RING, ATTACKED = 4, 1
SETTLE_S = 0.4
"""Between the flood's beginning or end and what is measured."""


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


# -- measuring --------------------------------------------------------------------------------------------------------


def ring_process(me: int, keys: list[bytes], ports: list[int], pipe: Connection, cores: set[int]) -> None:
    os.sched_setaffinity(0, cores)
    asyncio.run(Peer(me, [identity_of(key) for key in keys], ports).run(pipe))


def flood_process(name: str, keys: list[bytes], ports: list[int], cores: set[int]) -> None:
    os.nice(19)
    os.sched_setaffinity(0, cores)
    liar, attacked = identity_of(keys[LIAR]), identity_of(keys[ATTACKED])
    with contextlib.suppress(OSError, KeyboardInterrupt):
        FLOODS[name](f"tcp://127.0.0.1:{ports[ATTACKED]}", Terms(LIAR, liar, PROLOGUE, SECTIONS), attacked.public)


def identity_of(private: bytes) -> Identity:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.from_private_bytes(private)
    return Identity(key, key.public_key().public_bytes_raw())


def ask(pipe: Connection) -> dict[str, float]:
    """What the attacked peer says of itself.

    Raises
    ------
    Broken
        It does not answer.
    """
    try:
        pipe.send("how")
        if not pipe.poll(20):
            raise Broken("the attacked peer does not answer")
        found: dict[str, float] = pipe.recv()
    except (OSError, EOFError) as error:
        raise Broken(f"the attacked peer has ended: {error!r}") from error
    return found


class Broken(Exception):
    """A flood cannot be measured."""


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


def middle(values: list[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


def spread(values: tuple[float, float, float], form: str) -> str:
    median, least, most = values
    return f"{median:{form}} ({least:{form}} to {most:{form}})"


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


class Ring:
    """The processes, until `close`."""

    def __init__(self, cores: set[int]) -> None:
        self.fresh = multiprocessing.get_context("spawn")
        self.keys = [private_bytes(new_identity().private) for _ in range(RING + 1)]
        self.ports = free_ports(RING + 1)
        self.pipes: list[Connection] = []
        self.processes: list[BaseProcess] = []
        for me in range(RING):
            here, there = self.fresh.Pipe()
            arguments = (me, self.keys, self.ports, there, cores)
            self.processes.append(self.fresh.Process(target=ring_process, args=arguments, daemon=True))
            self.processes[-1].start()
            self.pipes.append(here)
        self.pipe, begun = self.pipes[ATTACKED], time.monotonic()
        while ask(self.pipe)["rounds"] < 20:
            if time.monotonic() - begun > 60:
                raise Broken("the ring does not get under way: this machine is too busy")
            time.sleep(0.1)

    def close(self) -> None:
        for each in self.processes:
            each.kill()
        for each in self.processes:
            each.join()


@dataclass(frozen=True, slots=True)
class Measured:
    """One flood: medians (least, most) of the pairs; `cpu` is part of a core beside the rounds, `brought` MB/s.

    `ratio` is of rounds a second, `of_cpu` of rounds a second of the attacked peer's CPU time: what else a busy machine
    does is in the first, and not in the second.
    """

    flood: str
    ratio: tuple[float, float, float]
    of_cpu: tuple[float, float, float]
    cpu: tuple[float, float, float]
    brought: float
    grown_mb: float
    files: int
    lines: int
    alive: bool

    @property
    def is_bad(self) -> bool:
        return self.ratio[0] < 0.5 or self.grown_mb > 200 or not self.alive

    def __str__(self) -> str:
        cost = f"{1e3 * self.cpu[0] / self.brought:.0f} ms a MB" if self.brought > 0.1 else "hardly any bytes"
        return (
            f"{self.flood:12} {spread(self.ratio, '.2f')} of the speed, {spread(self.of_cpu, '.2f')} a second of "
            f"CPU; CPU beside rounds {spread(self.cpu, '+.2f')} "
            f"of a core, {cost} of {self.brought:.1f} MB/s; {self.grown_mb:+.0f} MB, {self.files} files, "
            f"{self.lines} lines of log{'  <- bad' if self.is_bad else ''}"
        )


def measured(ring: Ring, name: str, pairs: int, seconds: float, cores: set[int]) -> Measured:
    """One flood on a ring that is under way.

    Raises
    ------
    Broken
        It cannot be measured.
    """
    first = ask(ring.pipe)
    arguments = (name, ring.keys, ring.ports, cores)
    flood = ring.fresh.Process(target=flood_process, args=arguments, daemon=True)
    flood.start()
    try:
        time.sleep(1.5)  # for it to begin
        if not flood.is_alive():
            raise Broken("the attacker has ended by itself")
        found = pairs_of(ring.pipe, flood, pairs, seconds)
        last = ask(ring.pipe)
    finally:
        flood.kill()
        flood.join()
    found = [(calm, flooded) for calm, flooded in found if calm.rounds and calm.cpu and flooded.cpu]
    if not found:
        raise Broken("no round went by undisturbed: this machine is too busy")
    return Measured(
        name,
        middle([flooded.rounds / calm.rounds for calm, flooded in found]),
        middle([flooded.rounds / flooded.cpu / (calm.rounds / calm.cpu) for calm, flooded in found]),
        middle([flooded.cpu - calm.cpu * flooded.rounds / calm.rounds for calm, flooded in found]),
        middle([flooded.carried - calm.carried * flooded.rounds / calm.rounds for calm, flooded in found])[0],
        last["MB"] - first["MB"],
        int(last["files"]),
        int(last["lines"] - first["lines"]),
        all(each.is_alive() for each in ring.processes),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(FLOODS), action="append", help="this flood; may be given again")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each moment")
    parser.add_argument("--share", action="store_true", help="let the attacker run on the ring's cores, too")
    parser.add_argument("--json", type=Path, help="append a line of JSON for each flood here")
    arguments = parser.parse_args()
    cores = os.sched_getaffinity(0)
    alone = {max(cores)} if len(cores) > 1 and not arguments.share else cores
    rest = cores - alone or cores
    print(f"the ring on the cores {sorted(rest)}, the attacker on {sorted(alone)}", flush=True)
    failed, begun, ring = 0, time.monotonic(), None
    try:
        for name in arguments.only or FLOODS:
            try:
                ring = ring or Ring(rest)
                found = measured(ring, name, arguments.pairs, arguments.seconds, alone)
            except Broken as error:
                failed += 1
                print(f"{name:12} not measured: {error}", flush=True)
                if ring:
                    ring.close()
                ring = None
                continue
            failed += found.is_bad
            print(found, flush=True)
            if arguments.json:
                with arguments.json.open("a") as file:
                    file.write(json.dumps(asdict(found)) + "\n")
            if not found.alive:
                ring.close()
                ring = None
    finally:
        if ring:
            ring.close()
    print(f"{arguments.pairs} pairs of each, {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
