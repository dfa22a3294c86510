"""How many bytes, and how long a line, it takes peers to come to the score of float32 D-PSGD.

    python scripts/bench/bytes_to_score.py --out FILE                           # on the built-in drawn clips
    python scripts/bench/bytes_to_score.py --out FILE --data FOLDER --jobs 16   # on one's own
    python scripts/bench/bytes_to_score.py --out FILE --tables                  # once more, from FILE alone

Every way of exchanging runs in lockstep from the same contract, clips, split and seed: `head` on the ring of ten
(topologies/ring.yaml) and the small network (topologies/small.yaml). A way with more local epochs has as many rounds
fewer, so all ways take the same training steps. FILE holds a JSON line a run; what stands there is not run again.

Measured: the bytes of each round's messages as they are packed for a link, what a training step takes here, and scores.
Computed from these: seconds at 1, 10 and 100 Mbit/s, for each round the longest training and the transfer of the peer
that sends most, both ways at once; under `overlap` the longer of the two instead of both, but for the last round.

A way has come to the score in the first round from which on its UF1 (mean over seeds of the mean peer, over three
rounds) stays at that of the reference's last quarter less 0.005; `end` is the difference of last quarters.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract, load_contract
from p2pfl_me.gossip.exchange import carrying
from p2pfl_me.home import cache_dir, home
from p2pfl_me.learning.network import initial_params
from p2pfl_me.message import Kind
from p2pfl_me.options import RunOptions
from p2pfl_me.peer.schema import schema_of
from p2pfl_me.run.manifest import ManifestFile
from p2pfl_me.simulation.carriage import Plain
from p2pfl_me.simulation.lockstep import dealt_samples
from p2pfl_me.simulation.lockstep_rounds import Lockstep
from p2pfl_me.swarm.dealing import deal_clips
from p2pfl_me.topology import schedule_of

TOPOLOGIES = Path(__file__).parents[2] / "topologies"
CONTRACTS = {"head": "ring.yaml", "ststnet": "small.yaml"}
EPOCHS = 2
"""Between two exchanges, of the reference."""
REFERENCE = "dpsgd"
SIGNS, HALF, QUARTER, TENTH = (
    f"gossip.compression={{kind: chunked, {options}}}"
    for options in (
        "fraction: 1, bits: 1",
        "fraction: 0.5, bits: 2",
        "fraction: 0.25, bits: 2",
        "fraction: 0.1, bits: 2",
    )
)
OVERLAP = "gossip.protocol=overlap"
WAYS: dict[str, tuple[int, tuple[str, ...]]] = {
    REFERENCE: (1, ()),
    "epochs x2": (2, ()),
    "epochs x4": (4, ()),
    "int4": (1, ("gossip.compression=int4",)),
    "int4, epochs x4": (4, ("gossip.compression=int4",)),
    "power 4": (1, ("gossip.compression={kind: power, rank: 4}",)),
    "topk 0.1": (1, ("gossip.compression={kind: topk, fraction: 0.1}",)),
    "signs": (1, (SIGNS,)),
    "signs, epochs x2": (2, (SIGNS,)),
    "half": (1, (HALF,)),
    "half, epochs x2": (2, (HALF,)),
    "half, epochs x4": (4, (HALF,)),
    "quarter": (1, (QUARTER,)),
    "quarter, epochs x2": (2, (QUARTER,)),
    "tenth": (1, (TENTH,)),
    "overlap": (1, (OVERLAP,)),
    "half, overlap": (1, (HALF, OVERLAP)),
    "half, epochs x2, overlap": (2, (HALF, OVERLAP)),
    "quarter, overlap": (1, (QUARTER, OVERLAP)),
}
"""Local epochs, as a multiple of the reference's, and what else of the contract is another."""
LINES = (1e6, 10e6, 100e6)
"""Bits a second."""
SLACK = 0.005


@dataclass(frozen=True)
class Outcome:
    """One run; lists have an entry a round."""

    network: str
    way: str
    seed: int
    rounds: int
    overlaps: bool
    step_s: float
    """What a training step took."""
    steps: list[int]
    """Of the peer that has most."""
    sent: list[int]
    """Bytes of the peer that sent most."""
    mean: list[float]
    """UF1 of the mean peer on the common test clips."""
    average: list[float]
    """UF1 of the average model."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--networks", nargs="+", choices=CONTRACTS, default=list(CONTRACTS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=40, help="of the reference")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another key of the contracts")
    parser.add_argument("--tables", action="store_true", help="run nothing")
    options = parser.parse_args()
    options.classes = classes_in(options.data) if options.data else ()
    found = read(options.out)
    wanted = [
        (network, way, seed)
        for seed in range(1, options.seeds + 1)
        for network in options.networks
        for way in options.ways
        if not any((each.network, each.way, each.seed) == (network, way, seed) for each in found)
    ]
    if not options.tables:
        if wanted:
            # Features are made once, before workers would all make them.
            prepare(options, wanted[0][2])
        with ProcessPoolExecutor(options.jobs) as pool:
            waiting = [pool.submit(run, options, *each) for each in wanted]
            for number, done in enumerate(as_completed(waiting), 1):
                found.append(done.result())
                with options.out.open("a") as file:
                    file.write(json.dumps(asdict(found[-1])) + "\n")
                print(
                    f"{number}/{len(waiting)} {found[-1].network}: {found[-1].way}, seed {found[-1].seed}", flush=True
                )
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}, jobs {options.jobs}")
    for network in options.networks:
        print(table(network, [each for each in found if each.network == network]))


def classes_in(data: Path) -> list[str]:
    """What the clips of a manifest show, in alphabetical order."""
    with (data / "manifest.csv" if data.is_dir() else data).open() as file:
        return sorted({row["label"] for row in csv.DictReader(file)})


def read(path: Path) -> list[Outcome]:
    return [Outcome(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def contract_of(options: argparse.Namespace, network: str, way: str, seed: int) -> Contract:
    times, more = WAYS[way]
    rounds = max(1, options.rounds // times)
    classes = () if options.data is None else (f"model.classes={json.dumps(options.classes)}",)
    own = (*classes, f"seed={seed}", f"training.rounds={rounds}", f"training.local_epochs={EPOCHS * times}")
    return load_contract(TOPOLOGIES / CONTRACTS[network], (*own, *more, *options.set))


def prepare(options: argparse.Namespace, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for network in options.networks:
            dealt(options, contract_of(options, network, REFERENCE, seed), Path(folder) / network)


def dealt(options: argparse.Namespace, contract: Contract, folder: Path):  # type: ignore[no-untyped-def]
    console = Console(quiet=True)
    given = RunOptions(home=home(), run=folder, data=options.data, weights=options.weights, device="cpu")
    folder.mkdir(parents=True)
    manifest = ManifestFile(folder, contract, "", engine="lockstep")
    return dealt_samples(contract, deal_clips(contract, given, manifest, console), given, console)


def run(options: argparse.Namespace, network: str, way: str, seed: int) -> Outcome:
    torch.set_num_threads(1)
    contract = contract_of(options, network, way, seed)
    with tempfile.TemporaryDirectory() as folder:
        samples, test = dealt(options, contract, Path(folder) / "run")
    start = initial_params(contract, cache=cache_dir(home()), weights=options.weights)
    schedule, schema = schedule_of(contract), schema_of(contract, contract.model.layout)
    whole = np.zeros(schema.size, np.float32)
    steps, sent, mean, average = [], [], [], []
    taken, total = 0.0, 0
    with Lockstep(contract, schedule, samples, start=start, test=test, workers=1) as engine:
        for round in range(contract.training.rounds):
            begun = time.perf_counter()
            training = engine.train(round)
            taken, total = taken + time.perf_counter() - begun, total + int(training.steps.sum())
            engine.mix(round)
            of_peers, of_average = engine.score()
            load = [0] * schedule.size
            for edge in schedule.edges(round):
                for one, other in ((edge.a, edge.b), (edge.b, edge.a)):
                    kind = Kind.OFFER if one > other else Kind.ANSWER
                    message = carrying(kind, round, round, engine.contents.get((one, other), whole))
                    load[one] += sum(size for _, size in Plain(one, other, schema).pack(message))
            steps.append(int(training.steps.max()))
            sent.append(max(load))
            mean.append(round_of(float(np.mean([each.scores().uf1 for each in of_peers]))))
            average.append(round_of(of_average.scores().uf1))
    overlaps = contract.gossip.protocol.overlaps
    rounds = contract.training.rounds
    return Outcome(network, way, seed, rounds, overlaps, taken / total, steps, sent, mean, average)


def round_of(value: float | None) -> float:
    assert value is not None, "there are test clips"
    return round(value, 5)


def seconds(run: Outcome, step_s: float, line: float) -> np.ndarray:
    """When each round has ended."""
    train = step_s * np.array(run.steps)
    carry = 8 * np.array(run.sent) / line
    rounds = train + carry
    if run.overlaps:  # all but the last, which exchanges what it has trained
        rounds[:-1] = np.maximum(train, carry)[:-1]
    return np.cumsum(rounds)


def table(network: str, found: list[Outcome]) -> str:
    reference = [each for each in found if each.way == REFERENCE]
    lines = [
        f"\n## {network}: {len(reference)} seeds\n",
        "| | MB a round | MB at the end | UF1, mean peer | end | average model | end | MB to the score | times fewer | "
        + " | ".join(f"s at {line / 1e6:g} Mbit/s | times sooner" for line in LINES)
        + " |",
        "|---" * (9 + 2 * len(LINES)) + "|",
    ]
    if not reference:
        return f"\n## {network}: no reference yet"
    # One step takes the same, whichever way its model travels; what else ran on the machine can only have slowed it.
    step_s = min(each.step_s for each in found)
    target = last(curve(reference)) - SLACK
    base = cost(reference, target, step_s)
    for way in WAYS:
        own = [each for each in found if each.way == way]
        if not own:
            continue
        paired = [each for each in reference if each.seed in {one.seed for one in own}]
        here = cost(own, target, step_s)
        ends = [
            f"{last(scores):.3f} | {gap(own, paired, which)}"
            for which, scores in (("mean", curve(own)), ("average", curve(own, "average")))
        ]
        cells = [f"{np.mean(own[0].sent) / 1e6:.3f}", f"{np.mean([sum(each.sent) for each in own]) / 1e6:.2f}", *ends]
        cells += ["never | " if here is None or base is None else f"{here[0] / 1e6:.2f} | {base[0] / here[0]:.1f}"]
        for place in range(len(LINES)):
            missing = here is None or base is None
            cells.append(
                "never | " if missing else f"{here[1 + place]:.2f} | {base[1 + place] / here[1 + place]:.1f}"  # type: ignore[index]
            )
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, f"\nA step: {1e3 * step_s:.2f} ms. Target: {target:.3f}."])


def curve(runs: list[Outcome], which: str = "mean") -> np.ndarray:
    """UF1 a round, the mean over seeds."""
    return np.mean([getattr(each, which) for each in runs], axis=0)


def last(scores: np.ndarray) -> float:
    """Of the last quarter of the rounds."""
    return float(np.mean(scores[-max(1, len(scores) // 4) :]))


def gap(own: list[Outcome], reference: list[Outcome], which: str) -> str:
    """The difference of last quarters, seed by seed."""
    by_seed = {each.seed: each for each in reference}
    gaps = [
        last(np.array(getattr(each, which))) - last(np.array(getattr(by_seed[each.seed], which)))
        for each in own
        if each.seed in by_seed
    ]
    spread = f" ± {np.std(gaps, ddof=1):.3f}" if len(gaps) > 1 else ""
    return f"{np.mean(gaps):+.3f}{spread}" if gaps else ""


def cost(runs: list[Outcome], target: float, step_s: float) -> tuple[float, ...] | None:
    """Bytes, and seconds on each line, to the round from which on the score stays at the target; None: never."""
    scores = curve(runs)
    smooth = np.array([np.mean(scores[max(0, place - 2) : place + 1]) for place in range(len(scores))])
    below = np.flatnonzero(smooth < target)
    first = int(below[-1]) + 1 if below.size else 0
    if first >= len(scores):
        return None
    sent = np.mean([np.cumsum(each.sent)[first] for each in runs])
    return float(sent), *(float(np.mean([seconds(each, step_s, line)[first] for each in runs])) for line in LINES)


if __name__ == "__main__":
    main()
