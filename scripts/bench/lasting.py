#!/usr/bin/env python
"""What a federation's troubles cost: ten peers, final mean score on other subjects, beside the undisturbed run.

python scripts/bench/lasting.py --data DIR                       # all conditions, three seeds; prints a table
python scripts/bench/lasting.py --data DIR --only absent,late    # some; --out lasting.jsonl keeps what is done

The cores, trainers, views and wire formats are those of real peers, on the event simulator's clock; training is real
(STSTNet on flow, clips dealt by subject, a common test part of other subjects). A round's training takes a virtual
second (under `cut` 48 minutes, so that thirty rounds take a day), deadlines and handing out are those of `p2pme init`.
A packet that is lost comes late, as TCP has it: a model takes 0.2 to 1.4 s. That records are lost for good is the row
`lost`, which is not among those that are run without asking for it. Ten real processes, of which one is stopped for a
minute, or over lines that lose segments, are `lasting_processes.py`'s. Each row says what else must hold: all who go
on end with a stated reason, nobody waits longer for one round than `gossip.deadline.max_s`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from random import Random
from statistics import mean

import numpy as np

from p2pfl_me.contract import Contract, contract_from_values
from p2pfl_me.contract.template import STAYS_S
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.protocol import Finish, Mixed
from p2pfl_me.gossip.stop import Progress, advance
from p2pfl_me.home import cache_dir, home
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.samples import samples_of
from p2pfl_me.learning.trainer import Samples, Trainer, make_trainer
from p2pfl_me.membership.agreed import Standing, approvals_due, proposed
from p2pfl_me.membership.edits import with_changed, with_member, without
from p2pfl_me.membership.views import View
from p2pfl_me.message import Vector
from p2pfl_me.peer.duty import Untold
from p2pfl_me.peer.schema import schema_of
from p2pfl_me.peer.turn import Turn
from p2pfl_me.simulation.changing import LEFT, Announcement, ChangingSimulation
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import Crash, FaultModel, LinkQuality, Outage, Partition
from p2pfl_me.simulation.host import Life
from p2pfl_me.topology import Plan

PEERS, ROUNDS, MIDDLE = 10, 30, 15
MODEL = {"backbone": "ststnet", "label_map": "megc2019", "input": "flow", "input_size": 28}
MBIT_S = 8.4
"""Seconds that the model of `head` (1.05 MB) takes over 1 Mbit/s; the line of that row is as slow for this one."""
DAY_S, HOUR_S, CUT_S = 86_400.0, 3_600.0, 360.0
ALL = frozenset(combinations(range(PEERS), 2))
PLAIN = FaultModel(LinkQuality(latency_s=(0.01, 0.03)), silence_s=15.0)
WITHIN = 0.02


@dataclass(frozen=True)
class Condition:
    """One row: its faults, and what changes on the way (contract -> contract, by whom if by one alone)."""

    says: str
    faults: Callable[[Random], FaultModel] = lambda random: PLAIN
    begins: Callable[[Contract], Contract] = lambda contract: contract
    change: Callable[[Contract], Contract] | None = None
    leaver: int | None = None


def crashed(random: Random) -> FaultModel:
    """Three of ten, at random moments of the run, back after up to ten seconds."""
    when = [(random.uniform(2.0, ROUNDS - 2.0), peer) for peer in random.sample(range(PEERS), 3)]
    return replace(PLAIN, crashes=tuple(Crash(at, peer, at + random.uniform(0.5, 10.0)) for at, peer in sorted(when)))


def thin(model_bytes: int) -> FaultModel:
    line = replace(PLAIN.link, bandwidth_bps=8 * model_bytes / MBIT_S)
    return replace(PLAIN, links={pair: line for pair in ALL if 4 in pair})


def moved(contract: Contract) -> Contract:
    changed = {"address": "tcp://moved.example:4000", "public_key": _key(77)}
    return with_changed(contract, 4, changed)


def cuts() -> FaultModel:
    """Six minutes of every hour of a day nothing passes between anybody."""
    gone = (Outage(begin, begin + CUT_S, ALL) for begin in np.arange(HOUR_S / 2, 2 * DAY_S, HOUR_S).tolist())
    return replace(PLAIN, compute_s=(DAY_S / ROUNDS, DAY_S / ROUNDS), partitions=tuple(gone))


CONDITIONS: Mapping[str, Condition] = {
    "undisturbed": Condition("undisturbed"),
    "killed": Condition("1 of 10 killed for ever", lambda _: replace(PLAIN, crashes=(Crash(MIDDLE + 0.5, 3),))),
    "resumed": Condition("3 of 10 killed and resumed", crashed),
    "parted": Condition(
        "5 and 5 parted for ten rounds",
        lambda _: replace(PLAIN, silence_s=1.0, partitions=(Partition(5.5, 16.5, frozenset(range(5))),)),
    ),
    "lossy": Condition(
        "10 % of packets lost, 200 ms", lambda _: replace(PLAIN, link=LinkQuality(latency_s=(0.2, 1.4)))
    ),
    "slow": Condition("one lab 25 times slower", lambda _: replace(PLAIN, slow={4: 25.0})),
    "thin": Condition("one at 1 Mbit/s (a model in 8.4 s)", lambda _: thin(4 * 1715)),
    "absent": Condition("one absent from the start", lambda _: replace(PLAIN, absent=frozenset({9}))),
    "late": Condition("one three minutes late", lambda _: replace(PLAIN, late={9: 180.0})),
    "joining": Condition(
        "one joining at mid-run",
        begins=lambda contract: _members(contract.seed, PEERS - 1),
        change=lambda contract: with_member(contract, "tcp://lab-9.example:4000", _key(9)),
    ),
    "leaving": Condition("one leaving at mid-run", change=lambda contract: without(contract, 4), leaver=4),
    "moved": Condition("an address and a key changed at mid-run", change=moved),
    "paused": Condition(
        "a listener cut off for 60 s", lambda _: replace(PLAIN, partitions=(Partition(8.5, 68.5, frozenset({9})),))
    ),
    "unstated": Condition(
        "the same, nothing said of gossip.hand_out (120 s)",
        lambda _: replace(PLAIN, partitions=(Partition(8.5, 68.5, frozenset({9})),)),
        begins=lambda contract: contract_from_values({**contract.model_dump(mode="json"), "gossip": {}}),
    ),
    "cut": Condition("links cut 6 minutes of each hour, a day", lambda _: cuts()),
    "lost": Condition(
        "10 % of records lost for good, 200 ms (TCP never does)",
        lambda _: replace(PLAIN, link=LinkQuality(latency_s=(0.2, 0.2), loss=0.1)),
    ),
}


@dataclass(slots=True)
class Lived:
    """What became of a run: UF1 by peer, ends in words, the longest wait of a round, in virtual seconds."""

    scores: dict[int, float] = field(default_factory=dict)
    ends: dict[int, str] = field(default_factory=dict)
    wait_s: float = 0.0
    trouble: list[str] = field(default_factory=list)


class Work(Untold):
    """A peer that really trains, and keeps in memory what others keep on the disk."""

    def __init__(self, peer: int, trainer: Trainer, clock: Clock, starts: dict[int, Start], lived: Lived) -> None:
        self.peer, self.trainer, self._clock, self._starts, self._lived = peer, trainer, clock, starts, lived
        self.joins, self._trained_at = False, 0.0

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        self._trained_at = self._clock.now
        return self.trainer.train(params, round).params

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        done, start = mixed.round + 1, self._starts.get(self.peer)
        progress = start.progress if start else Progress()
        if self.joins:
            self.joins, progress = False, Progress(joined=done)
        elif not mixed.handed:
            self._lived.wait_s = max(self._lived.wait_s, self._clock.now - self._trained_at)
            progress = advance(progress, None, alone=mixed.alone)
        self._starts[self.peer] = Start(mixed.params, done, progress, mixed.memory)
        return None


def lived(condition: Condition, seed: int, data: Path) -> Lived:
    """One run of a condition."""
    whole, now = _members(seed, PEERS), condition.begins(_members(seed, PEERS))
    announcements, tickets = [], dict[int, tuple[View, Contract]]()
    first = frozenset(now.peers.present)
    if condition.change:
        new = condition.change(now)
        approvers = range(approvals_due(now, running=True)) if condition.leaver is None else [condition.leaver]
        view = replace(proposed(Standing(0, now), new, MIDDLE), seals={peer: {} for peer in approvers})
        announcements = [Announcement(3.0, condition.leaver or 0, view)]
        tickets = {peer: (view, new) for peer in new.peers.present if peer not in first}
    clock, starts, found = Clock(), dict[int, Start](), Lived()
    layout, samples = whole.model.layout, dealt(data, seed)
    initial = initial_params(whole, cache=cache_dir(home()))
    works = {
        peer: Work(peer, make_trainer(whole, peer, samples[peer], "cpu"), clock, starts, found) for peer in range(PEERS)
    }

    def boot(peer: int, contract: Contract, plan: Plan, view: View | None) -> Life:
        start = starts.get(peer) or Start(initial, shapes=layout.dimensions)
        since = view.round if view and peer not in first and peer not in starts else None
        together = view is not None and view.round == start.completed
        newcomers = frozenset(contract.peers.present) - first
        turn = Turn(contract.gossip.deadline.max_s if together else None, newcomers, since)
        works[peer].joins = since is not None
        return Life(core_of(contract, peer, plan, turn.of(start)), works[peer])

    simulation = ChangingSimulation(
        boot,
        now,
        tickets,
        announcements,
        lambda peer: starts[peer].completed if peer in starts else 0,
        condition.faults(Random(seed)),
        schema_of(whole, layout),
        clock=clock,
        seed=seed,
    )
    simulation.run(1e7)
    gone = condition.faults(Random(seed)).absent | {
        each.peer for each in condition.faults(Random(seed)).crashes if each.back is None
    }
    for peer in range(PEERS):
        finish: Finish | None = simulation.finished.get(peer)
        if peer in gone:
            continue
        if finish is None:
            found.trouble.append(f"peer {peer} did not end")
            continue
        found.ends[peer] = f"{finish.reason} {starts[peer].completed}"
        if finish.reason != LEFT:
            score = works[peer].trainer.evaluate(starts[peer].params, "test")
            found.scores[peer] = float(score.uf1) if score else float("nan")
    found.trouble += [f"peer {peer}: {error}" for peer, error in simulation.failed.items()]
    if found.wait_s > now.gossip.deadline.max_s + 1:
        found.trouble.append(f"somebody waited {found.wait_s:.0f} s in a round")
    return found


@cache
def dealt(data: Path, seed: int) -> tuple[Samples, ...]:
    """Each peer's samples with the common test part; the same in all conditions of a seed."""
    from p2pfl_me.data.source import deal, prepare

    contract = _members(seed, PEERS)
    manifest = prepare(contract, data, cache_dir(home()))
    shards, test = deal(contract, manifest), manifest.part("test")
    return tuple(samples_of(contract, [*own, *test], cache=cache_dir(home())) for own in shards)


def _members(seed: int, count: int) -> Contract:
    members = [{"id": k, "address": f"tcp://lab-{k}.example:4000", "public_key": _key(k)} for k in range(count)]
    return contract_from_values(
        {
            "version": 1,
            "name": "lasting",
            "seed": seed,
            "topology": {"kind": "ring"},
            "peers": {"approve": 0.6, "members": members},
            "model": MODEL,
            "training": {"rounds": ROUNDS, "local_epochs": 2, "learning_rate": 0.003},
            "gossip": {"hand_out": STAYS_S},  # as `p2pme init` writes it
        }
    )


def _key(k: int) -> str:
    return f"{k:043d}=".replace("0", "A", 42 - len(str(k)))


def table(data: Path, names: list[str], seeds: int, out: Path | None) -> int:
    """Print a row when its seeds are done; what stands in `out` is not run again."""
    done = {}
    if out and out.exists():
        done = {tuple(each["of"]): each for each in map(json.loads, out.read_text(encoding="utf-8").splitlines())}
    print("| condition | mean UF1 | undisturbed | difference | by seed | longest wait | ends |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    failed = 0
    for name in ["undisturbed", *(each for each in names if each != "undisturbed")]:
        rows = []
        for seed in range(1, seeds + 1):
            if (name, seed) not in done:
                begun = time.monotonic()
                found = lived(CONDITIONS[name], seed, data)
                row = {"of": [name, seed], "scores": {str(k): each for k, each in found.scores.items()}}
                row |= {"wait_s": found.wait_s, "ends": sorted(set(found.ends.values())), "trouble": found.trouble}
                done[name, seed] = row | {"seconds": time.monotonic() - begun}
                if out:
                    with out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(done[name, seed]) + "\n")
            rows.append(done[name, seed])
        failed += _print_row(name, rows, [done["undisturbed", seed] for seed in range(1, seeds + 1)])
    print(f"{failed} of {len(names)} rows out of bounds", flush=True)
    return 1 if failed else 0


def _print_row(name: str, rows: list[dict], bases: list[dict]) -> bool:  # type: ignore[type-arg]
    ours = [mean(row["scores"].values()) for row in rows]
    base = [mean(each["scores"][k] for k in row["scores"]) for row, each in zip(rows, bases, strict=True)]
    by_seed = ", ".join(f"{a - b:+.3f}" for a, b in zip(ours, base, strict=True))
    ends = "; ".join(sorted({end for row in rows for end in row["ends"]}))
    trouble = "; ".join(each for row in rows for each in row["trouble"])
    difference, wait = mean(ours) - mean(base), max(row["wait_s"] for row in rows)
    says = f"{CONDITIONS[name].says} | {mean(ours):.3f} | {mean(base):.3f} | {difference:+.3f} | {by_seed}"
    print(f"| {says} | {wait:.0f} s | {ends}{' **' + trouble + '**' if trouble else ''} |", flush=True)
    return difference < -WITHIN or bool(trouble)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=[each for each in CONDITIONS if each != "lost"]
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="keep what is done there, line by line, and go on from it")
    given = parser.parse_args()
    return table(given.data, given.only, given.seeds, given.out)


if __name__ == "__main__":
    sys.exit(main())
