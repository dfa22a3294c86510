"""What a GPU is worth to lockstep, leave-one-subject-out, real peers and VGG16's passes, beside the processor.

    python scripts/bench/gpu.py                        # everything, six minutes at most; a table at the end
    python scripts/bench/gpu.py --only job_a vgg16     # some of it
    python scripts/bench/gpu.py --device cpu --tiny    # the same code where no GPU is: says nothing of speed

Prints a JSON line for each measurement as it ends, then a table. The reference of each is the processor, all its cores,
in the same run; `--copy`, `--float32` and `--tf32` are the device's peaks (defaults: an H100's), and what this run
measures of them stands beside them. A section that does not fit into the time left is left out and named.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import multiprocessing
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from memory import Memory  # beside this script

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # a checkout need not be installed, here and in children
os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], *filter(None, [os.environ.get("PYTHONPATH")])])

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.learning.device import pick_device
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.stacked.trainer import Learner, StackedScorer, StackedTrainer, rows_for, step_of
from p2pfl_me.learning.trainer import FeatureTrainer, Part, Samples
from p2pfl_me.machine import cores
from p2pfl_me.networks.layers import HIDDEN
from p2pfl_me.simulation.lockstep_device import DeviceLockstep
from p2pfl_me.simulation.lockstep_rounds import Lockstep
from p2pfl_me.simulation.mixing_tiles import mix_tile, rows_of
from p2pfl_me.topology.graphs.epidemic import epidemic_schedule
from p2pfl_me.topology.schedule import Edge

CPU = torch.device("cpu")
FOLDS, LABS = 40, (145, 164)
"""Leave one subject out: subjects, and clips of two labs."""


@dataclass
class Bench:
    """Where it runs, how long it may, and what was found."""

    device: torch.device
    until: float
    tiny: bool
    copy: float
    float32: float
    found: dict[str, dict[str, Any]]

    @property
    def left(self) -> float:
        return self.until - time.perf_counter()

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def rate(self, seconds: float, flops: float, moved: float) -> dict[str, float]:
        """Achieved arithmetic and traffic, and the roofline's time for both over what it took."""
        floor = max(flops / (self.float32 * 1e12), moved / (self.copy * 1e12))
        return {
            "tflops": flops / seconds / 1e12,
            "tbytes_s": moved / seconds / 1e12,
            "floor_s": floor,
            "of_roofline": floor / seconds,
        }


def contract_of(backbone: str, epochs: int, batch: int, rounds: int = 10) -> Contract:
    classes = "[a, b, c, d, e, f, g]" if backbone == "vgg16" else "[negative, positive, surprise]"
    head = "version: 1\nname: bench\ntopology: {kind: ring}\npeers: {loopback: {count: 10}}\n"
    model = f"model: {{backbone: {backbone}, classes: {classes}}}\n"
    if backbone != "vgg16":
        model = f"model: {{backbone: {backbone}, classes: {classes}, preprocess: {{}}}}\n"
    training = f"training: {{rounds: {rounds}, local_epochs: {epochs}, batch_size: {batch}, dropout: 0.2}}\n"
    return contract_from_yaml(head + model + training)


def drawn(contract: Contract, peers: int, shard: int, test: int) -> tuple[list[Samples], Part]:
    """Shards in one bank of few distinct vectors, and a common test part; what they say is noise."""
    random = np.random.default_rng(0)
    bank = random.standard_normal((min(peers * shard, 1 << 14) + test, contract.model.input_width), dtype=np.float32)
    labels = random.integers(0, len(contract.model.classes), len(bank))
    own = random.integers(0, len(bank) - test, (peers, shard))
    clips = np.arange(shard)
    held = np.arange(len(bank) - test, len(bank))
    samples = [Samples(Part(bank, rows, labels[rows], clips)) for rows in own]
    return samples, Part(bank, held, labels[held], np.arange(test))


def start_of(contract: Contract) -> Any:
    with tempfile.TemporaryDirectory() as cache:
        return initial_params(contract, cache=Path(cache))


def work_of(contract: Contract, peers: int, shard: int, epochs: int, batch: int) -> tuple[float, float]:
    """Operations, and the fewest bytes, of a round's training: weights for forward, gradients, Adam; inputs once."""
    size, steps = contract.model.layout.size, epochs * math.ceil(shard / batch)
    if contract.model.backbone.frozen:
        a_sample = 4 * contract.model.input_width * HIDDEN
    else:
        a_sample = 4 * 16 * 27 * (contract.model.input_size + 2) ** 2
    models = (
        4 * size * (9 if steps > 1 else 4)
    )  # forward; gradient written and read; weights and moments read and written
    maps = 0 if contract.model.backbone.frozen else 4 * 16 * (contract.model.input_size + 2) ** 2 * 6
    inputs = 4 * contract.model.input_width + maps
    return float(peers * epochs * shard * a_sample), float(peers * (steps * models + epochs * shard * inputs))


def swarm_in_lockstep(
    bench: Bench, name: str, backbone: str, peers: int, shard: int, test: int, *, epochs: int, batch: int, rounds: int
) -> None:
    """Rounds of training, mixing and scores: the processor's lockstep, then the device's, on the same samples."""
    contract = contract_of(backbone, epochs, batch)
    samples, part = drawn(contract, peers, shard, test)
    schedule, start = epidemic_schedule(peers, 4, 0), start_of(contract)
    seconds: dict[str, list[dict[str, float]]] = {}
    models: dict[str, Any] = {}
    peak = 0
    is_large = peers >= 10_000  # whose scores alone take longer than their training
    for where in ("cpu", "device"):
        made: Lockstep
        if where == "cpu":
            made = Lockstep(contract, schedule, samples, start=start, test=part, workers=cores())
        else:
            made = DeviceLockstep(contract, schedule, samples, start=start, test=part, device=bench.device)
        seconds[where] = []
        memory = Memory(os.getpid())
        if where == "cpu" and is_large:
            memory.start()
        with made as engine:
            for round in range(1 if where == "cpu" and is_large else rounds):
                begun = time.perf_counter()
                result = engine.step(round, evaluate=not is_large)
                bench.synchronize()
                parts = result.seconds
                whole = time.perf_counter() - begun
                seconds[where].append(
                    {"round": whole, "train": parts.training, "mix": parts.mixing, "score": parts.evaluation}
                )
                if round == 0:
                    engine.fetch()
                    models[where] = engine.params.copy()
                if bench.left < 20:
                    break
        memory.over.set()
        peak = max(peak, memory.peak)
        del made, engine
    best = {where: min(those, key=lambda each: each["round"]) for where, those in seconds.items()}
    flops, moved = work_of(contract, peers, shard, epochs, batch)
    apart = float(np.abs(models["cpu"] - models["device"]).max())
    report(
        bench,
        name,
        peers=peers,
        values=int(models["cpu"].shape[1]),
        cpu=best["cpu"],
        device=best["device"],
        rounds={where: len(those) for where, those in seconds.items()},
        speedup=best["cpu"]["round"] / best["device"]["round"],
        largest_difference_after_a_round=apart,
        moved_by_a_round=float(np.abs(models["cpu"] - start).max()),
        training=bench.rate(best["device"]["train"], flops, moved),
        cpu_memory_gb=peak / 1e9 or None,
        mixing_tbytes_s=2 * 4 * peers * models["cpu"].shape[1] / best["device"]["mix"] / 1e12,
    )


def job_a(bench: Bench) -> None:
    peers, shard, test = (6, 64, 64) if bench.tiny else (10, 1372, 256)
    swarm_in_lockstep(bench, "job A, lockstep", "vgg16", peers, shard, test, epochs=5, batch=32, rounds=4)


def head_1000(bench: Bench) -> None:
    peers = 20 if bench.tiny else 1000
    swarm_in_lockstep(bench, "head, 1,000 peers", "vgg16", peers, 137, 137, epochs=1, batch=32, rounds=3)


def small_1000(bench: Bench) -> None:
    peers = 20 if bench.tiny else 1000
    swarm_in_lockstep(bench, "ststnet, 1,000 peers", "ststnet", peers, 16, 137, epochs=1, batch=16, rounds=4)


def small_100000(bench: Bench) -> None:
    peers = 50 if bench.tiny else 100_000
    swarm_in_lockstep(bench, "ststnet, 100,000 peers", "ststnet", peers, 16, 16, epochs=1, batch=16, rounds=3)


@dataclass
class Fold:
    """Of leave one subject out: rows of each peer, those of the held-out subject, and its peer."""

    peers: list[Any]
    test: Any
    home: int


def folds_of(clips: int) -> tuple[list[Fold], Any]:
    labs = np.concatenate([np.full(each, lab) for lab, each in enumerate(LABS)])
    subjects = np.random.default_rng(3).integers(0, FOLDS // 2, len(labs)) + labs * (FOLDS // 2)
    labs, subjects = labs[:clips], subjects[:clips]
    out = []
    for subject in range(FOLDS):
        kept = subjects != subject
        peers = [np.flatnonzero(kept & (labs == lab)) for lab in (0, 1)]
        if (~kept).any() and all(len(each) for each in peers):
            out.append(Fold(peers, np.flatnonzero(~kept), int(subject >= FOLDS // 2)))
    return out, labs


class Copies:
    """Two peers that share everything, once a fold: what no fold has in common is not mixed."""

    def __init__(self, folds: int) -> None:
        self.size, self.period = 2 * folds, 1

    def edges(self, round: int) -> tuple[Edge, ...]:
        return tuple(Edge(2 * fold, 2 * fold + 1, 0.5) for fold in range(self.size // 2))

    def neighbours(self, peer: int) -> tuple[int, ...]:
        return (peer ^ 1,)

    def weights(self, peer: int, round: int) -> Mapping[int, float]:
        return {peer ^ 1: 0.5}


def fold_on_a_core(work: tuple[Contract, Any, Any, Any, Fold]) -> float:
    """Seconds of one fold as `p2pme evaluate` does it: a swarm of two, one peer alone, and a pooled model."""
    contract, bank, labels, start, fold = work
    torch.set_num_threads(1)
    begun = time.perf_counter()

    def part(rows: Any) -> Part:
        return Part(bank, rows, labels[rows], np.arange(len(rows)))

    with Lockstep(contract, Copies(1), [Samples(part(each)) for each in fold.peers], start=start, workers=1) as engine:
        for round in range(contract.training.rounds):
            engine.step(round, evaluate=False)
    for peer, rows in ((fold.home, fold.peers[fold.home]), (0, np.concatenate(fold.peers))):
        trainer, params = FeatureTrainer(contract, peer, Samples(part(rows), test=part(fold.test)), CPU), start
        for round in range(contract.training.rounds):
            params = trainer.train(params, round).params
        trainer.clip_logits(params, "test")
    return time.perf_counter() - begun


def leave_one_out(bench: Bench, backbone: str, rounds: int) -> None:
    """All folds and arms side by side on the device; as many folds as there are cores on the processor, at once."""
    rounds = 2 if bench.tiny else rounds
    contract = contract_of(backbone, 2, 32, rounds)
    clips = sum(LABS)
    random = np.random.default_rng(1)
    bank = random.standard_normal((clips, contract.model.input_width), dtype=np.float32)
    labels = random.integers(0, 3, clips)
    folds, _ = folds_of(clips)
    folds = folds[:3] if bench.tiny else folds
    start = start_of(contract)
    shown = CPU_FOLDS.get(backbone)
    if shown is None:
        shown = CPU_FOLDS[backbone] = folds_on_cores(contract, bank, labels, start, folds)
    begun = time.perf_counter()

    def part(rows: Any) -> Part:
        return Part(bank, rows, labels[rows], np.arange(len(rows)))

    step = step_of(contract)
    assert step is not None
    gossip = [Learner(peer, part(fold.peers[peer])) for fold in folds for peer in (0, 1)]
    alone = [Learner(fold.home, part(fold.peers[fold.home])) for fold in folds]
    pooled = [Learner(0, part(np.concatenate(fold.peers))) for fold in folds]
    everybody = [*gossip, *alone, *pooled]
    trainer = StackedTrainer(contract, step, everybody, bench.device)
    size = contract.model.layout.size
    models = rows_for(len(everybody), size, bench.device)
    models[:, :size] = torch.from_numpy(start).to(bench.device)
    rows = rows_of(Copies(len(folds)), 0).to(bench.device)
    mean = torch.zeros(size, device=bench.device)
    steps = 0
    for round in range(rounds):
        steps += int(trainer.train(models, round)[1].sum())
        mix_tile(models[: len(gossip), :size], rows, mean)
    answers = 0
    for number, fold in enumerate(folds):
        mine = [2 * number, 2 * number + 1, len(gossip) + number, len(gossip) + len(folds) + number]
        scorer = StackedScorer(step, part(fold.test), len(contract.model.classes), bench.device)
        with torch.inference_mode():
            answers += scorer.logits(models[mine][:, :size]).argmax(2).cpu().numel()
    seconds = time.perf_counter() - begun
    trainer.close()
    whole = shown["seconds"] / shown["folds"] * len(folds)
    a_sample = 4 * (contract.model.input_width * HIDDEN if backbone == "vgg16" else 16 * 27 * 900)
    flops = 2.0 * rounds * sum(len(each.part) for each in everybody) * a_sample
    report(
        bench,
        f"LOSO, {backbone}",
        folds=len(folds),
        rounds=rounds,
        steps=steps,
        answers=answers,
        cpu={"round": whole, "measured_s": shown["seconds"], "folds": shown["folds"], "cores": cores()},
        device={"round": seconds},
        speedup=whole / seconds,
        training=bench.rate(seconds, flops, 36.0 * size * steps),
    )


CPU_FOLDS: dict[str, dict[str, float]] = {}


def folds_on_cores(contract: Contract, bank: Any, labels: Any, start: Any, folds: list[Fold]) -> dict[str, float]:
    some = folds[: cores()]
    begun = time.perf_counter()
    with multiprocessing.get_context("fork").Pool(len(some)) as pool:
        pool.map(fold_on_a_core, [(contract, bank, labels, start, fold) for fold in some], chunksize=1)
    return {"seconds": time.perf_counter() - begun, "folds": len(some)}


def loso_vgg16(bench: Bench) -> None:
    leave_one_out(bench, "vgg16", 100)


def loso_ststnet(bench: Bench) -> None:
    leave_one_out(bench, "ststnet", 60)


def real_peers(bench: Bench) -> None:
    """Ten encrypted peers of job A, processes on this machine: on the processor, then all on one GPU."""
    missing = [name for name in ("zmq", "cryptography") if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(f"real peers need {', '.join(missing)}, which is not installed here")
    import jobs  # beside this script

    job = jobs.JOBS["a"] if not bench.tiny else jobs.Job("head", 2048, 64, 64, 1, 32, rounds=2)
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        jobs.write_vectors(job, place / "vectors.safetensors")
        jobs.write_contract(job, place / "job.yaml", 48100)
        for where, device in (("cpu", "cpu"), ("device", bench.device.type)):
            begun = time.time()
            seconds, _ = jobs.swarm(
                place / "job.yaml", place / "vectors.safetensors", place / where, place / "home", device=device
            )
            rounds, first, accuracies, _ = jobs.rounds_of(place / where)
            found[where] = {
                "round": float(np.median(rounds)) if rounds else seconds,
                "whole": seconds,
                "first_step": first - begun,
                "accuracy": float(np.mean(accuracies)),
            }
    report(
        bench,
        "ten real peers, job A",
        cpu=found["cpu"],
        device=found["device"],
        speedup=found["cpu"]["round"] / found["device"]["round"],
    )


def vgg16(bench: Bench) -> None:
    """The frozen layers on 64x64 pictures: images a second."""
    from p2pfl_me.learning.architectures import architecture_of
    from p2pfl_me.learning.seeded import seeded_tensors

    architecture = architecture_of("vgg16")
    layers = architecture.build()
    layers.load_state_dict({name: torch.from_numpy(value) for name, value in seeded_tensors(architecture, 1).items()})
    layers.eval().requires_grad_(False)
    operations, side, channels = 0.0, 64, 3
    for layer in layers:
        if isinstance(layer, torch.nn.Conv2d):
            operations += 2 * 9 * channels * layer.out_channels * side * side
            channels = layer.out_channels
        elif isinstance(layer, torch.nn.MaxPool2d):
            side //= 2
    images = torch.randn(512, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    rates: dict[str, float] = {}
    outputs: dict[str, torch.Tensor] = {}

    def passes(module: Any, batch: torch.Tensor, repeats: int) -> tuple[float, torch.Tensor]:
        times = []
        with torch.inference_mode():
            out = module(batch)
            for _ in range(repeats):
                bench.synchronize()
                begun = time.perf_counter()
                out = module(batch)
                bench.synchronize()
                times.append(time.perf_counter() - begun)
        return len(batch) / float(np.median(times)), out.float().cpu()

    torch.set_num_threads(cores())
    count = 8 if bench.tiny else 64
    layers = layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rates["cpu"], outputs["cpu"] = passes(layers, images[:count], 3)
    there = layers.to(bench.device)
    on_device = images[: 16 if bench.tiny else 512].to(bench.device)
    for batch in (32, len(on_device)):
        rates[f"device_{min(batch, len(on_device))}"], outputs["device"] = passes(there, on_device[:batch], 10)
    if bench.device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = True
        rates["device_tf32"], outputs["tf32"] = passes(there, on_device, 10)
        torch.backends.cudnn.allow_tf32 = False
    scale = float(outputs["cpu"].norm())
    least = {
        name: float((outputs[name][:count] - outputs["cpu"]).norm()) / scale
        for name in ("device", "tf32")
        if name in outputs
    }
    best = rates[f"device_{len(on_device)}"]
    report(
        bench,
        "VGG16's passes, images a second",
        rates=rates,
        error=least,
        gflop_an_image=operations / 1e9,
        speedup=best / rates["cpu"],
        training=bench.rate(len(on_device) / best, operations * len(on_device), 0.0),
        cpu={"round": len(on_device) / rates["cpu"]},
        device={"round": len(on_device) / best},
    )


def busy(bench: Bench) -> None:
    """The share of a round of job A in which the device computes, by torch's profiler."""
    if bench.device.type != "cuda":
        print("no GPU here to be busy")
        return
    contract = contract_of("vgg16", 5, 32)
    samples, _ = drawn(contract, 10, 1372, 64)
    start = start_of(contract)
    with DeviceLockstep(contract, epidemic_schedule(10, 4, 0), samples, start=start, device=bench.device) as engine:
        engine.step(0, evaluate=False)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            begun = time.perf_counter()
            engine.step(1, evaluate=False)
            bench.synchronize()
            seconds = time.perf_counter() - begun
    events = profile.key_averages()
    kernels = sum(each.self_device_time_total for each in events) / 1e6
    worst = sorted(events, key=lambda each: -each.self_device_time_total)[:8]
    report(
        bench,
        "job A: device at work",
        share=kernels / seconds,
        kernels_s=kernels,
        round_s=seconds,
        longest={each.key[:60]: each.self_device_time_total / 1e6 for each in worst},
    )


def peaks(bench: Bench) -> None:
    """What this device gives: a copy (bytes read and written), and a product of float32 matrices."""

    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(6):
            bench.synchronize()
            begun = time.perf_counter()
            work()
            bench.synchronize()
            times.append(time.perf_counter() - begun)
        return float(np.median(times[1:]))

    values, side = (1 << 20, 256) if bench.tiny else (1 << 30, 8192)
    source, target = torch.randn(values, device=bench.device), torch.empty(values, device=bench.device)
    copied = 8 * values / best(lambda: target.copy_(source)) / 1e12
    a, b = (torch.randn(side, side, device=bench.device) for _ in range(2))
    product = 2 * side**3 / best(lambda: a @ b) / 1e12
    torch.backends.cuda.matmul.allow_tf32 = True
    tf32 = 2 * side**3 / best(lambda: a @ b) / 1e12
    torch.backends.cuda.matmul.allow_tf32 = False
    report(bench, "peaks measured", copy_tbytes_s=copied, float32_tflops=product, tf32_tflops=tf32)


SECTIONS: dict[str, tuple[Callable[[Bench], None], float]] = {
    "peaks": (peaks, 5),
    "job_a": (job_a, 15),
    "head_1000": (head_1000, 20),
    "small_1000": (small_1000, 10),
    "small_100000": (small_100000, 70),
    "vgg16": (vgg16, 15),
    "loso_ststnet": (loso_ststnet, 60),
    "loso_vgg16": (loso_vgg16, 60),
    "busy": (busy, 10),
    "real_peers": (real_peers, 60),
}
"""By name: what is measured, and the seconds that have to be left for it."""


def report(bench: Bench, name: str, **found: Any) -> None:
    bench.found[name] = found
    print(json.dumps({"name": name, **found}, default=float), flush=True)


def table(bench: Bench) -> None:
    print(f"\n{'':34}{'processor':>12}{'device':>12}{'times':>8}{'TFLOP/s':>9}{'TB/s':>7}{'of roofline':>13}")
    for name, found in bench.found.items():
        if "speedup" not in found:
            continue
        rate = found.get("training", {})
        line = f"{name:34}{found['cpu']['round']:10.3f} s{found['device']['round']:10.4f} s{found['speedup']:8.1f}"
        if rate:
            line += f"{rate['tflops']:9.2f}{rate['tbytes_s']:7.2f}{rate['of_roofline']:13.1%}"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--seconds", type=float, default=350, help="For everything.")
    parser.add_argument("--copy", type=float, default=3.0, help="Peak of memory, TB/s, bytes read and written.")
    parser.add_argument("--float32", type=float, default=67.0, help="Peak of float32 without tensor cores, TFLOP/s.")
    parser.add_argument("--tiny", action="store_true", help="A few peers: to see that it runs.")
    arguments = parser.parse_args()
    until = time.perf_counter() + arguments.seconds
    bench = Bench(CPU, until, arguments.tiny, arguments.copy, arguments.float32, {})
    for backbone, rounds in (("ststnet", 60), ("vgg16", 100)):
        # Before anything touches the device: processes are forked here.
        if f"loso_{backbone}" in arguments.only and not arguments.tiny:
            first_folds(backbone, rounds)
    bench.device = pick_device(arguments.device)
    report(
        bench,
        "machine",
        device=torch.cuda.get_device_name(0) if bench.device.type == "cuda" else "cpu",
        cores=cores(),
        load=os.getloadavg()[0],
        python=platform.python_version(),
        torch=torch.__version__,
        peaks={"copy_tbytes_s": bench.copy, "float32_tflops": bench.float32},
    )
    for name in SECTIONS:
        if name not in arguments.only:
            continue
        section, seconds = SECTIONS[name]
        if bench.left < seconds and not bench.tiny:
            report(bench, f"left out: {name}", left_s=bench.left, needs_s=seconds)
            continue
        begun = time.perf_counter()
        try:
            section(bench)
        except Exception as error:
            traceback.print_exc()
            report(bench, f"failed: {name}", error=f"{type(error).__name__}: {error}")
        if bench.device.type == "cuda":
            torch.cuda.empty_cache()
        print(f"  {name}: {time.perf_counter() - begun:.1f} s, {bench.left:.0f} s left", flush=True)
    table(bench)


def first_folds(backbone: str, rounds: int) -> None:
    """The processor's folds."""
    contract = contract_of(backbone, 2, 32, rounds)
    random = np.random.default_rng(1)
    bank = random.standard_normal((sum(LABS), contract.model.input_width), dtype=np.float32)
    labels = random.integers(0, 3, sum(LABS))
    folds, _ = folds_of(sum(LABS))
    CPU_FOLDS[backbone] = folds_on_cores(contract, bank, labels, start_of(contract), folds)
    print(json.dumps({"name": f"processor's folds, {backbone}", **CPU_FOLDS[backbone]}), flush=True)


if __name__ == "__main__":
    main()
