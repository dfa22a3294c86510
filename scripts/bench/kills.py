"""Real peers, kill -9 at random instants, started again by the same command: what masks and budgets promise then.

    python scripts/bench/kills.py masks --seeds 3 --kills 4
    python scripts/bench/kills.py budget --seeds 3 --kills 6

`masks`: each round of each peer is the weighted mean of the models that it names, by the linear sketches in the logs,
or says why who is missing is. `budget`: all that a peer's ledger says was paid stays within the budget, its log never
tells of a round that was not paid, and with its ledger gone it does not go on. Exit code 1, and a line, where not.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from p2pfl_me.privacy.accounting import Release, epsilon_of
from tests.small import write_contract, write_vectors

PATIENCE_S = 300.0
EPSILON, DELTA = 8.0, 1e-5
PEERS, LEAST = 5, 3
"""Under masks; so many models a sum holds at least, and where one peer is off the others have as many."""
NEAR = 2e-3
"""Of a sketch's largest value: what fixed point and float32 sums may differ by."""


class Peers:
    """Peers of one contract, each in a process of its own."""

    def __init__(self, folder: Path, count: int, contract: Path) -> None:
        self.folder, self.run, self.contract = folder, folder / "run", contract
        self.data = [write_vectors(folder / f"own-{k}.safetensors", [2 * k, 2 * k + 1]) for k in range(count)]
        self.processes = {k: self.start(k) for k in range(count)}

    def start(self, k: int) -> subprocess.Popen[bytes]:
        words = ["peer", "--id", str(k), "--topology", self.contract, "--data", self.data[k], "--out", self.run]
        return subprocess.Popen(
            [sys.executable, "-m", "p2pfl_me", *map(str, words)],
            env={**os.environ, "P2PME_HOME": str(self.folder / "home"), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / f"said-{k}.txt").open("ab"),
        )

    def events(self, k: int) -> list[dict[str, object]]:
        path, found = self.run / f"peer-{k}.jsonl", []
        for line in path.read_bytes().splitlines() if path.exists() else []:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # torn by a kill
        return found

    def rounds(self, k: int) -> list[dict[str, object]]:
        return [each for each in self.events(k) if each["event"] == "round"]

    def disturb(self, random: Random, kills: int) -> int:
        """Kill and start again, `kills` times, once all have begun; how many were killed while they ran."""
        until, killed = time.monotonic() + PATIENCE_S, 0
        while min(len(self.rounds(k)) for k in self.processes) < 1 and time.monotonic() < until:
            time.sleep(0.05)
        for _ in range(kills):
            time.sleep(random.uniform(0, 1.5))
            k = random.choice(sorted(self.processes))
            if self.processes[k].poll() is None:
                self.processes[k].send_signal(signal.SIGKILL)
                self.processes[k].wait()
                self.processes[k] = self.start(k)
                killed += 1
        return killed

    def finish(self) -> dict[int, int]:
        """Their exit codes, -9 of who had not ended in time."""
        until = time.monotonic() + PATIENCE_S
        try:
            for each in self.processes.values():
                with suppress(subprocess.TimeoutExpired):
                    each.wait(max(1.0, until - time.monotonic()))
        finally:
            for each in self.processes.values():
                if each.poll() is None:
                    each.kill()
                    each.wait()
        return {k: int(each.wait()) for k, each in self.processes.items()}


def masks(folder: Path, seed: int, kills: int) -> list[str]:
    """What is not so under masks."""
    contract = write_contract(
        folder / "masked.yaml",
        PEERS,
        topology="{kind: mesh}",
        training="{rounds: 40, local_epochs: 50}",  # a start takes seconds: rounds of milliseconds would all be over
        gossip="{deadline: {min_s: 5, max_s: 30}, start: {patience: 120}}",
        privacy="{exchange: masks}",
    )
    peers = Peers(folder, PEERS, contract)
    killed = peers.disturb(Random(seed), kills)
    codes, faults = peers.finish(), []
    trained: dict[tuple[int, int], list[np.ndarray]] = defaultdict(list)
    for k in codes:
        for each in peers.rounds(k):
            trained[k, int(str(each["round"]))].append(sketch(each["sketch_trained"]))
    means = alone = 0
    reasons: Counter[str] = Counter()
    for k in codes:
        for each in peers.rounds(k):
            number, weights, missing = int(str(each["round"])), dict(each["weights"]), dict(each["missing"])  # type: ignore[call-overload]
            reasons.update(map(str, missing.values()))
            if any(not why for why in missing.values()) or len(weights) + len(missing) != PEERS - 1:
                faults.append(f"peer {k}, round {number + 1}: somebody is missing without a reason")
            if weights and len(weights) < LEAST:
                faults.append(f"peer {k}, round {number + 1}: a sum of {len(weights)} models")
            if not weights:
                alone += 1
                continue
            own = sketch(each["sketch_trained"])
            wanted = (1 - sum(weights.values())) * own
            others = [trained[int(other), number] for other in weights]
            if not all(others):
                continue  # killed between giving its model and writing its line
            wanted = wanted + sum(
                weight * min(found, key=lambda one: float(np.abs(one - own).max()))
                for weight, found in zip(weights.values(), others, strict=True)
            )
            far = float(np.abs(wanted - sketch(each["sketch_mixed"])).max() / np.abs(wanted).max())
            means += 1
            if far > NEAR:
                faults.append(f"peer {k}, round {number + 1}: {far:.2g} from the mean of the models that it names")
    if any(code not in (0, 4) for code in codes.values()):
        faults.append(f"exit codes {codes}")
    print(
        f"masks, seed {seed}: {killed} killed, {means} rounds are means, {alone} are nobody's but their peer's, {codes}"
    )
    print("\n".join(f"  {count:4} {why}" for why, count in reasons.most_common(8)))
    return faults if means else [*faults, "no round was shared: nothing was seen"]


def budget(folder: Path, seed: int, kills: int) -> list[str]:
    """What is not so of a privacy budget."""
    contract = write_contract(
        folder / "private.yaml",
        2,
        topology="{kind: mesh}",
        training="{rounds: 60, local_epochs: 1, batch_size: 8}",
        gossip="{deadline: {min_s: 2, max_s: 6}, start: {patience: 120}}",
        privacy=f"{{training: {{kind: dp_sgd, noise: 4.0}}, budget: {{epsilon: {EPSILON:g}, delta: {DELTA}}}}}",
    )
    peers = Peers(folder, 2, contract)
    killed = peers.disturb(Random(seed), kills)
    codes, faults = peers.finish(), []
    spent = {}
    for k in codes:
        lines = [json.loads(line) for line in (peers.run / f"privacy-{k}.jsonl").read_text().splitlines()]
        spent[k] = epsilon_of([Release(each["noise"], each["rate"], int(each["steps"])) for each in lines], DELTA)
        if spent[k] > EPSILON * 1.0001:
            faults.append(f"peer {k} has spent {spent[k]:.3f} of {EPSILON:g}")
        paid = [each["round"] for each in lines]
        told = [each["round"] for each in peers.events(k) if each["event"] == "trained"]
        if any(told.count(each) > paid.count(each) for each in set(told)):
            faults.append(f"peer {k} trained a round more often than it was paid")
    lost = peers.run / "privacy-0.jsonl"
    lost.rename(lost.with_suffix(".lost"))
    again = peers.start(0).wait(PATIENCE_S)
    if again in (0, 4):
        faults.append(f"without its ledger peer 0 went on (exit code {again})")
    print(f"budget, seed {seed}: {killed} killed, spent {spent}, exit codes {codes}; without the ledger {again}")
    return faults


def sketch(text: object) -> np.ndarray:
    return np.frombuffer(base64.b64decode(str(text)), "<f4").astype(np.float64)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["masks", "budget"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kills", type=int, default=4)
    options = parser.parse_args()
    check, faults = {"masks": masks, "budget": budget}[options.what], 0
    for seed in range(options.first, options.first + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            for fault in check(Path(folder), seed, options.kills):
                print(f"  seed {seed}: {fault}")
                faults += 1
    return min(faults, 1)


if __name__ == "__main__":
    raise SystemExit(main())
