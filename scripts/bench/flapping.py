"""Two real peers over 2,000 rounds on a line that flaps: what a peer takes of memory, descriptors, threads and disk.

    python scripts/bench/flapping.py                 # some ten minutes
    python scripts/bench/flapping.py --rounds 200

Two `p2pme peer` processes train the head on a few vectors. All that they say goes through a proxy here, which cuts the
line every second or so, now for a moment (the conversation goes on), now for longer than a link outlives. The figures
of peer 1 stand in a line at each tenth of the rounds; the last lines say how much it grew over the second half. Ends
with 1 if memory grew by more than 16 MB there, or descriptors or threads by more than 8, or a peer did not end well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from p2pfl_me.wire.identity import new_identity, save_identity
from tests.small import Command, write_contract, write_vectors
from tests.wire.peers import free_ports
from tests.wire.raw import Tap

MOST_MB, MOST_MORE = 16.0, 8


@dataclass(frozen=True, slots=True)
class Figures:
    """What a peer takes now."""

    round: int
    flaps: int
    megabytes: float
    files: int
    threads: int
    log_kb: float
    ledger_kb: float


class Line(Tap):
    """A proxy that keeps nothing of what it passes on."""

    def __post_init__(self) -> None:
        self.seen = _Nothing()
        self.down = False
        self.pause = self._while_down

    async def _while_down(self) -> None:
        while self.down:
            await asyncio.sleep(0.02)

    async def flap(self, chance: random.Random) -> None:
        self.flaps = 0
        while True:
            await asyncio.sleep(chance.uniform(0.3, 1.5))
            self.down = True
            self.cut()
            await asyncio.sleep(chance.choice([0.05, 0.3, 3.0]))
            self.down, self.flaps = False, self.flaps + 1


class _Nothing(list[tuple[bool, bytes]]):
    def append(self, _: tuple[bool, bytes]) -> None:
        pass


def figures(process: int, folder: Path, flaps: int) -> Figures:
    own, log = Path(f"/proc/{process}"), folder / "peer-1.jsonl"
    status = dict(line.split(":", 1) for line in (own / "status").read_text().splitlines())
    return Figures(
        rounds_of(log),
        flaps,
        int(status["VmRSS"].split()[0]) / 1e3,
        len(list((own / "fd").iterdir())),
        int(status["Threads"]),
        sum(path.stat().st_size for path in folder.glob("peer-1*.jsonl")) / 1e3,
        (folder / "egress-1.jsonl").stat().st_size / 1e3,
    )


def rounds_of(log: Path) -> int:
    """The last round that the log tells of, counted from 1."""
    last = 0
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        with suppress(ValueError):
            event = json.loads(line)
            last = event["round"] + 1 if event["event"] == "round" else last
    return last


async def measured(folder: Path, rounds: int) -> int:
    listen, keys = free_ports(1)[0], [new_identity() for _ in range(2)]
    line = Line(f"tcp://127.0.0.1:{listen}")
    through = await line.open()
    members = ", ".join(
        f"{{id: {peer}, public_key: '{key.public_text}', address: '{address}'}}"
        for peer, (key, address) in enumerate(zip(keys, (f"tcp://127.0.0.1:{free_ports(1)[0]}", through), strict=True))
    )
    contract = write_contract(
        folder / "two.yaml",
        2,
        peers=f"{{members: [{members}]}}",
        training=f"{{rounds: {rounds}, local_epochs: 1}}",
        gossip="{deadline: {min_s: 0.5, max_s: 2}}",
    )
    write_vectors(folder / "test.safetensors", [1000])
    commands = []
    for peer, key in enumerate(keys):
        save_identity(folder / f"{peer}.key", key)
        write_vectors(folder / f"own-{peer}.safetensors", [peer], per_subject=6)
        options = ["--id", str(peer), "--topology", str(contract), "--key", str(folder / f"{peer}.key")]
        options += ["--data", str(folder / f"own-{peer}.safetensors"), "--test", str(folder / "test.safetensors")]
        more = ["--listen", f"127.0.0.1:{listen}"] if peer == 1 else []
        commands.append(Command(["peer", *options, "--out", str(folder / "run"), *more], folder / "home"))
    flapping = asyncio.create_task(line.flap(random.Random(1)))
    ends = [asyncio.create_task(asyncio.to_thread(command.finish, 7200.0)) for command in commands]
    print("round flaps MB descriptors threads log_kB ledger_kB", flush=True)
    told: list[Figures] = []
    while not ends[1].done():
        await asyncio.sleep(0.5)
        if rounds_of(folder / "run" / "peer-1.jsonl") >= (len(told) + 1) * rounds // 10:
            with suppress(OSError):
                told.append(figures(commands[1].process.pid, folder / "run", line.flaps))
                print(*(f"{value:.0f}" for value in astuple(told[-1])), flush=True)
    codes = [code for code, _ in await asyncio.gather(*ends)]
    flapping.cancel()
    await line.close()
    half, last = told[len(told) // 2 - 1], told[-1]
    a_round = (last.log_kb - half.log_kb) / max(1, last.round - half.round)
    print(
        f"over the second half: {last.megabytes - half.megabytes:+.1f} MB, {last.files - half.files:+d} descriptors, "
        f"{last.threads - half.threads:+d} threads, {a_round:.2f} kB of log a round; exit codes {codes}"
    )
    grew = last.megabytes - half.megabytes > MOST_MB or last.files - half.files > MOST_MORE
    grew |= last.threads - half.threads > MOST_MORE
    return 1 if grew or not set(codes) <= {0, 4} else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds: int = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measured(Path(folder), rounds))


if __name__ == "__main__":
    sys.exit(main())
