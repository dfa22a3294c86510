"""Jobs A and B: what ten encrypted peers cost beside a plain PyTorch loop over the same ten peers.

    python scripts/bench/jobs.py a      # head on cached features, 1,372 vectors a peer, 5 epochs, 10 rounds
    python scripts/bench/jobs.py b      # 29.4 MB messages (block5), one step on one vector a round, 10 rounds
    python scripts/bench/jobs.py a --repeats 5      # reference and swarm in turn; medians, least and most

Each job runs the reference first (one process, one thread, no network, no encryption), then `p2pme swarm` as a user
would, on the same vectors; the ratio of the two is what to compare between machines. Peak memory is the sum over
all processes of the proportional set size, so shared pages count once; it is taken in a second run, because walking the
page tables of twelve processes four times a second costs a tenth of two cores. In that run peers say, too, what their
processor time goes into (`sampled.py`); waiting is wall time of a round in which a peer waits for others. `others` is
the share of the machine that was busy before the job began: with more than a few hundredths the times say little.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from memory import Memory  # beside this script
from safetensors.numpy import save_file

from p2pfl_me.run.events import Round, Trained
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.reading import read_log

PEERS = 10
CLASSES = tuple("abcdefg")


@dataclass(frozen=True)
class Job:
    """One workload: `width` values a vector, `shard` vectors a peer, `test` vectors held out."""

    trainable: str
    width: int
    shard: int
    test: int
    epochs: int
    batch: int
    rounds: int = 10


JOBS = {
    "a": Job("head", 2048, 1372, 3428, 5, 32),
    "b": Job("block5", 8192, 1, 1, 1, 1),
}


def write_vectors(job: Job, path: Path) -> None:
    """Gaussian class means (scale 0.072) and unit noise; one subject a peer, one more for the test."""
    random = np.random.default_rng(7)
    count = PEERS * job.shard + job.test
    labels = random.integers(0, len(CLASSES), size=count)
    means = 0.072 * random.normal(size=(len(CLASSES), job.width))
    features = np.empty((count, job.width), dtype=np.float32)
    for begin in range(0, count, 1024):
        part = labels[begin : begin + 1024]
        features[begin : begin + 1024] = means[part] + random.normal(size=(part.size, job.width))
    subjects = np.minimum(np.arange(count) // job.shard, PEERS)
    split = (subjects == PEERS).astype(np.int64) * 2
    save_file(
        {"features": features, "labels": labels, "subjects": subjects.astype(np.int64), "split": split},
        path,
        {"classes": json.dumps(CLASSES), "layer": job.trainable},
    )


def write_contract(job: Job, path: Path, base_port: int) -> None:
    path.write_text(
        f"""\
version: 1
name: job
topology: {{kind: ring}}
peers:
  loopback: {{count: {PEERS}, base_port: {base_port}}}
model:
  trainable: {job.trainable}
  classes: [{", ".join(CLASSES)}]
training: {{rounds: {job.rounds}, local_epochs: {job.epochs}, batch_size: {job.batch}}}
data: {{test_fraction: 0.09}}
"""
    )


def reference(job: Job, path: Path) -> float:
    """Seconds of a plain loop: eager modules, autograd, torch.optim.Adam, ring average, final evaluation left out."""
    code = f"""
import time; begun = time.perf_counter()
import torch
from safetensors.torch import load_file
torch.set_num_threads(1); torch.manual_seed(0)
nn = torch.nn
data = load_file({str(path)!r})
x, y, s = data["features"], data["labels"], data["subjects"]
def net():
    head = [nn.Flatten(), nn.Dropout(0.5), nn.Linear(2048, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 7)]
    if {job.trainable!r} == "head": return nn.Sequential(*head)
    convs = [m for _ in range(3) for m in (nn.Conv2d(512, 512, 3, padding=1), nn.ReLU())]
    return nn.Sequential(nn.Unflatten(1, (512, 4, 4)), *convs, nn.MaxPool2d(2), *head)
nets = [net() for _ in range({PEERS})]
for n in nets[1:]: n.load_state_dict(nets[0].state_dict())
loss_of = nn.CrossEntropyLoss()
shards = [(x[s == k], y[s == k]) for k in range({PEERS})]
for r in range({job.rounds}):
    for n, (sx, sy) in zip(nets, shards):
        opt = torch.optim.Adam(n.parameters(), lr=1e-3)
        for e in range({job.epochs}):
            order = torch.randperm(len(sy))
            for b in range(0, len(sy), {job.batch}):
                i = order[b:b + {job.batch}]
                opt.zero_grad(); loss_of(n(sx[i]), sy[i]).backward(); opt.step()
    with torch.no_grad():
        flat = [nn.utils.parameters_to_vector(n.parameters()) for n in nets]
        for k, n in enumerate(nets):
            mean = (flat[k - 1] + flat[k] + flat[(k + 1) % {PEERS}]) / 3
            nn.utils.vector_to_parameters(mean, n.parameters())
print(time.perf_counter() - begun)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def swarm(
    contract: Path,
    vectors: Path,
    run: Path,
    home: Path,
    *,
    watch_memory: bool = False,
    device: str = "auto",
    spent: Path | None = None,
) -> tuple[float, int]:
    """Seconds of the whole command, and its peak bytes if they are watched, otherwise 0.

    `spent` is a folder into which each peer writes what its processor time went into.
    """
    here = Path(__file__).resolve().parent
    way = ["-m", "p2pfl_me"] if spent is None else [str(here / "sampled.py"), str(spent)]
    command = [sys.executable, *way, "swarm", str(contract)]
    found = os.pathsep.join(filter(None, [str(here), os.environ.get("PYTHONPATH")]))
    options = ["--data", str(vectors), "--out", str(run), "--no-report", "--device", device]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*command, *options],
        env={**os.environ, "P2PME_HOME": str(home), "PYTHONPATH": found},
        stdout=subprocess.DEVNULL,
    )
    memory = Memory(process.pid)
    if watch_memory:
        memory.start()
    if process.wait():
        raise SystemExit(f"the swarm ended with exit code {process.returncode}")
    seconds = time.perf_counter() - begun
    memory.over.set()
    return seconds, memory.peak


def busy_with_others(seconds: float = 1.0) -> float:
    """The share of the machine that is used, or stolen from it, while this job does nothing."""

    def ticks() -> tuple[int, int]:
        user, nice, system, idle, wait, irq, soft, steal, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
        return user + nice + system + irq + soft + steal, idle + wait

    busy, idle = ticks()
    time.sleep(seconds)
    more_busy, more_idle = ticks()
    return (more_busy - busy) / max(1, more_busy - busy + more_idle - idle)


def rounds_of(run: Path) -> tuple[list[float], float, list[float], float]:
    """Seconds from round to round (slowest peer each), the first training step's end, accuracies, MB sent."""
    ends: dict[int, float] = {}
    first, accuracies, sent = float("inf"), [], 0.0
    folder = RunFolder(run)
    for peer in folder.log.all():
        lines = read_log(folder, peer).events
        rounds = [(line.t, line.event) for line in lines if isinstance(line.event, Round)]
        for t, event in rounds:
            ends[event.round] = max(ends.get(event.round, 0.0), t)
        first = min(first, *(line.t - line.event.seconds for line in lines if isinstance(line.event, Trained)))
        last = rounds[-1][1]
        if last.test and last.test.accuracy is not None:
            accuracies.append(last.test.accuracy)
        sent += last.bytes_sent
    times = [ends[round] for round in sorted(ends)]
    return [after - before for before, after in itertools.pairwise(times)], first, accuracies, sent / 1e6


def spent_of(folder: Path, run: Path, rounds: int) -> list[str]:
    """Lines of the table: milliseconds of a peer and round, and the share of all that peers used."""
    peers = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if not peers:
        return []
    mean = {name: sum(each[name] for each in peers) / len(peers) for name in peers[0]}
    waits = [
        line.event.wait_seconds
        for peer in RunFolder(run).log.all()
        for line in read_log(RunFolder(run), peer).events
        if isinstance(line.event, Round)
    ]
    lines = [f"{'processor time':18}{'ms a peer and round':>20}{'share':>8}"]
    for name, seconds in mean.items():
        lines.append(f"  {name:16}{1e3 * seconds / rounds:20.1f}{seconds / mean['whole']:8.0%}")
    return [*lines, f"  {'waiting (wall)':16}{1e3 * float(np.mean(waits)):20.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--base-port", type=int, default=28100)
    parser.add_argument("--skip-reference", action="store_true", help="time the swarm only")
    parser.add_argument("--repeats", type=int, default=1, help="times that reference and swarm are run in turn")
    arguments = parser.parse_args()
    job = JOBS[arguments.job]
    plain, whole, medians, slowest, first_steps, others = [], [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_vectors(job, place / "vectors.safetensors")
        write_contract(job, place / "job.yaml", arguments.base_port)
        files = place / "job.yaml", place / "vectors.safetensors"
        (place / "spent").mkdir()
        _, peak = swarm(*files, place / "watched", place / "home", watch_memory=True, spent=place / "spent")
        table = spent_of(place / "spent", place / "watched", job.rounds)
        for repeat in range(arguments.repeats):
            if not arguments.skip_reference:
                plain.append(reference(job, place / "vectors.safetensors"))
            others.append(busy_with_others())
            begun = time.time()
            seconds, _ = swarm(*files, place / f"run-{repeat}", place / "home")
            rounds, first, accuracies, sent = rounds_of(place / f"run-{repeat}")
            whole.append(seconds)
            medians.append(float(np.median(rounds)))
            slowest.append(max(rounds))
            first_steps.append(first - begun)
    print(f"machine          {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"swarm            {middle(whole)} s, peak {peak / 1e9:.2f} GB (PSS), {sent:.0f} MB sent")
    print(f"others           {max(others):.2f} of the machine was busy before a job began, at most")
    print(f"round            median {middle(medians)} s, slowest {max(slowest):.2f} s")
    print(f"first step       {middle(first_steps)} s after the command")
    print("\n".join(table))
    print(f"accuracy         mean {np.mean(accuracies):.3f} ({min(accuracies):.3f} to {max(accuracies):.3f})")
    if plain:
        print(f"reference loop   {middle(plain)} s on one core, unencrypted")
        print(f"ratio            {middle([swarm / loop for swarm, loop in zip(whole, plain, strict=True)])}")


def middle(found: Sequence[float]) -> str:
    """The median, with the least and the most of several."""
    words = f"{np.median(found):.2f}"
    return f"{words} ({min(found):.2f} to {max(found):.2f})" if len(found) > 1 else words


if __name__ == "__main__":
    main()
