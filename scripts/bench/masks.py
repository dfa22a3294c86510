#!/usr/bin/env python
"""What masks and ciphertexts cost beside models as they are: processor time and bytes of a peer's round, in one run.

python scripts/bench/masks.py [--peers 8] [--degree 4] [--size 263175] [--rounds 6]   # frames, seals and mixing alone
python scripts/bench/masks.py --real                                                  # whole rounds of real peers
python scripts/bench/masks.py --real --job-a --forms "plain;masks"                    # that train as job A of jobs.py

The first has peers exchange over the event simulator, with real frames and real seals. The second runs swarms of the
head on the few built-in clips and takes what 20 more rounds cost; the third on job A's vectors, and 6 more rounds.
Forms take turns, so that whatever else the machine does hits them alike; a figure is the least of the repeats. CKKS
needs the extra `ckks`, and is left out of `--real` unless `--forms` names it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jobs import CLASSES, JOBS, write_vectors  # beside this script

from p2pfl_me.contract import Contract
from p2pfl_me.gossip.cores import Start, core_of, packed_limit
from p2pfl_me.gossip.protocol import Mixed
from p2pfl_me.message import Vector
from p2pfl_me.peer.duty import Untold
from p2pfl_me.privacy.ckks import require_ckks
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel, LinkQuality
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.simulation.keys import simulated_keys
from p2pfl_me.topology import plan_of
from p2pfl_me.wire.codec import Schema

FORMS: dict[str, Any] = {
    "plain": {"kind": "plain"},
    "masks": {"kind": "masks"},
    "masks, 16 bits": {"kind": "masks", "bits": 16},
    "masks, 8 bits": {"kind": "masks", "bits": 8},
    "ckks": {"kind": "ckks"},
    "ckks, 4096": {"kind": "ckks", "degree": 4096},
}


class Idle(Untold):
    """No training: what is timed is the protocol, the frames, the seals and the mixing."""

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        return params

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        assert len(mixed.weights) == self.degree, mixed.missing
        return None

    degree = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=8)
    parser.add_argument("--degree", type=int, default=4)
    parser.add_argument("--size", type=int, default=263_175, help="float32 values of a model")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--real", action="store_true", help="swarms of real processes; below P2PME_PORTS or 27100")
    parser.add_argument("--job-a", action="store_true", help="with --real: job A's shards, epochs and batches")
    parser.add_argument("--forms", help="some of them only, with semicolons between: " + "; ".join(FORMS))
    options = parser.parse_args()
    Idle.degree = options.degree
    every = [name for name in FORMS if not (options.real and name.startswith("ckks"))]
    names = [name.strip() for name in options.forms.split(";")] if options.forms else every
    if any(name.startswith("ckks") for name in names):
        require_ckks()
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(options.repeats):
        for name, form in [(name, FORMS[name]) for name in names]:
            measured[name].append(
                real(form, options) if options.real else exchange(contract_of(options, form), options)
            )
    what = "a round of real peers" if options.real else "frames, seals and mixing"
    print(f"{options.peers} peers, degree {options.degree}, {options.size} values: {what}")
    print(f"{'form':16} {'a peer and round':>17} {'of plain':>9} {'MB':>7} {'of plain':>9}")
    plain_s, plain_bytes = min(measured["plain"])
    for name, each in measured.items():
        seconds, sent = min(each)
        print(
            f"{name:16} {1000 * seconds:14.1f} ms {seconds / plain_s:7.2f} x {sent / 1e6:7.2f} "
            f"{sent / plain_bytes:7.3f} x"
        )
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores, load {load:.1f}")


def contract_of(options: argparse.Namespace, form: Any) -> Contract:
    return Contract.model_validate(
        {
            "version": 1,
            "name": "bench",
            "topology": {"kind": "regular", "degree": options.degree},
            "peers": {"loopback": {"count": options.peers}},
            "training": {"rounds": options.rounds, "local_epochs": 2},
            "privacy": {"exchange": form},
        }
    )


def exchange(contract: Contract, options: argparse.Namespace) -> tuple[float, float]:
    """(seconds of processor time, bytes sent) of one peer's round."""
    plan = plan_of(contract)
    random = np.random.default_rng(0)
    models = [0.1 * random.standard_normal(options.size, dtype=np.float32) for _ in range(options.peers)]

    def boot(peer: int) -> Life:
        return Life(core_of(contract, peer, plan, Start(models[peer], keys=simulated_keys(contract, peer, 0))), Idle())

    simulation = Simulation(
        boot,
        {peer: plan.neighbours(peer) for peer in range(plan.size)},
        FaultModel(LinkQuality((0.01, 0.05)), compute_s=(0.5, 1.5)),
        Schema(options.size, b"bench".ljust(32, b"."), packed_limit(contract, options.size, (), ())),
        clock=Clock(),
        sealed=True,
    )
    begun = time.process_time()
    simulation.run()
    used = time.process_time() - begun
    rounds = options.peers * options.rounds
    return used / rounds, sum(simulation.network.sent.values()) / rounds


def real(form: Any, options: argparse.Namespace) -> tuple[float, float]:
    """(seconds of the peers' processor time, bytes sent) of one peer's round."""
    first, last = (2, 8) if options.job_a else (4, 24)
    few, many = (swarm(form, rounds, options) for rounds in (first, last))
    seconds, sent = ((more - less) / (last - first) / options.peers for more, less in zip(many, few, strict=True))
    return seconds, sent


def swarm(form: Any, rounds: int, options: argparse.Namespace) -> tuple[float, float]:
    """(seconds of processor time, bytes sent) of all peers of a swarm, as the system counts them while they live."""
    base, job = int(os.environ.get("P2PME_PORTS", "27100")), JOBS["a"]
    values = {
        **contract_of(options, form).model_dump(mode="json", exclude_none=True),
        "peers": {"loopback": {"count": options.peers, "base_port": base}},
        "training": {"rounds": rounds, "local_epochs": 2},
    }
    if options.job_a:
        values["training"] |= {"local_epochs": job.epochs, "batch_size": job.batch}
        values |= {"model": {"trainable": job.trainable, "classes": [*CLASSES]}, "data": {"test_fraction": 0.09}}
    with tempfile.TemporaryDirectory() as folder:
        path, run = Path(folder) / "bench.yaml", Path(folder) / "run"
        path.write_text(yaml.safe_dump(values))
        command = [sys.executable, "-m", "p2pfl_me", "swarm", str(path), "--out", str(run), "--no-report"]
        if options.job_a:
            write_vectors(job, Path(folder) / "vectors.safetensors")
            command += ["--data", str(Path(folder) / "vectors.safetensors")]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            used: dict[int, float] = {}
            while process.poll() is None:
                for peer in range(options.peers):
                    with suppress(OSError, ValueError, KeyError):
                        used[peer] = processor_seconds(json.loads(first_line(run / f"peer-{peer}.jsonl"))["pid"])
                time.sleep(0.05)
            assert process.returncode == 0
        logs = [json.loads(line) for path in run.glob("peer-*.jsonl") for line in path.read_text().splitlines()]
        return sum(used.values()), sum(each["bytes_sent"] for each in logs if each["event"] == "traffic")


def first_line(path: Path) -> str:
    with path.open() as file:
        return file.readline()


def processor_seconds(pid: int) -> float:
    """User and system time of a living process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
