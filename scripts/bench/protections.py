#!/usr/bin/env python
"""What each protection costs and gives, on real clips: UF1, bytes, seconds, epsilon, and what a neighbour learns.

    python scripts/bench/protections.py --data FOLDER --out results.jsonl [--jobs 16] [--seeds 1,2,3] [--rounds 30]
        [--networks ststnet,head] [--protect plain,masks,ckks,submodels:2,dp:8,dp:3,dp:1,decor:8,zip] [--games 8]
        [--game-rounds 10] [--graph "{kind: regular, degree: 4}"]

Ten peers by subject; a job is one network under one protection and seed, in a process of its own with one thread. Each
is run by the cores of real peers in the event simulator: UF1 of every peer's own model and of the average model, on
subjects that nobody trained on; the bytes of all frames of a peer; processor seconds of the whole run. Then its
contract is played so many times on random halves of the clips (`p2pme audit-privacy`): LiRA's area under the curve and
advantage for one clip, and for one subject where every peer has two. A result is a line of the file, written when the
job is done: given again, the command does what is missing. Ends with the table in Markdown, of the lines that were
written with the same settings. All rows of a network are trained alike: no class weights and, for ststnet,
normalisation by groups, as DP-SGD needs both. `ckks` is run only where its extra is installed: without it a simulation
sends the same bytes and spends no time on encryption. Its scores are those of masks to the bit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from p2pfl_me.compare.protections import parse_protections
from p2pfl_me.contract.load import contract_from_yaml
from p2pfl_me.errors import DataError, P2pmeError
from p2pfl_me.home import home
from p2pfl_me.privacy.ckks import require_ckks
from p2pfl_me.report.comparison_protection import with_interval as interval

PEERS = 10
NETWORKS = {
    "ststnet": "{backbone: {kind: ststnet, normalisation: group}, label_map: megc2019, input: flow, input_size: 28}",
    "head": "{backbone: vgg16, trainable: head, weights: {source: seed}, label_map: megc2019, input: flow}",
}
RATES = {"ststnet": 0.003, "head": 0.001}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def text_of(job: dict[str, Any]) -> str:
    network = job["network"]
    return (
        f"version: 1\nname: protections\nseed: {job['seed']}\ntopology: {job['graph']}\n"
        f"peers: {{loopback: {{count: {PEERS}}}}}\nmodel: {NETWORKS[network]}\n"
        f"training: {{rounds: {job['rounds']}, local_epochs: 2, batch_size: 16, learning_rate: {RATES[network]}}}\n"
    )


def done_by(job: dict[str, Any]) -> dict[str, Any]:
    """Do one job, in this process."""
    from p2pfl_me.console.lines import Console
    from p2pfl_me.options import RunOptions
    from p2pfl_me.privacy.budget import Unit
    from p2pfl_me.privacy_audit.audit import audit_run
    from p2pfl_me.report.arms import Arm
    from p2pfl_me.report.results import final_scores
    from p2pfl_me.report.run import read_run
    from p2pfl_me.report.traffic import peer_traffic
    from p2pfl_me.simulation.engine import simulate

    (protection,) = parse_protections(job["protect"])
    contract = contract_from_yaml(text_of(job), "protections", protection.overrides)
    with tempfile.TemporaryDirectory(prefix="protections-") as folder:
        run = Path(folder) / "run"
        options = RunOptions(home(), run, Path(job["data"]))
        simulate(contract.model_copy(update={"training": contract.training.model_copy(update={"rounds": 1})}),
                 RunOptions(home(), Path(folder) / "warm", Path(job["data"])), Console(quiet=True))  # fmt: skip
        begun = time.process_time()
        code = simulate(contract, options, Console(quiet=True))
        seconds = time.process_time() - begun
        if code:
            raise SystemExit(f"{job}: the run ended with exit code {code}")
        seen = read_run(run)
        spent = [log.spent[-1].epsilon for log in seen.peers if log.spent]
        sent = [each.sent for each in peer_traffic(seen)]
        findings = []
        for unit in (Unit.SUBJECT, Unit.CLIP):
            with suppress(DataError):  # a peer may have one subject only, and nothing to toss for
                played = audit_run(
                    run, home(), games=job["games"], units=(unit,), rounds=job["game_rounds"], inversion=False
                )
                findings += played.findings
    return {
        "peers": list(final_scores(seen, Arm.GOSSIP, "uf1").values()),
        "average": next(iter(final_scores(seen, Arm.AVERAGE, "uf1").values()), None),
        "bytes": float(np.mean(sent)),
        "seconds": seconds,
        "epsilon": max(spent, default=None),
        "hides": contract.privacy.unit.value if contract.privacy.spends else None,
        "audit": {each.unit.value: asdict(each.lira)
            | {"at_least": each.at_least, "luck": each.luck, "promised": each.promised}
                  for each in findings},
    }  # fmt: skip


def jobs_of(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for seed in given.seeds:
        for network in given.networks:
            for protect in given.protect.split(","):
                yield {
                    "network": network, "protect": protect.strip(), "seed": seed, "graph": given.graph,
                    "rounds": given.rounds, "games": given.games, "game_rounds": given.game_rounds,
                    "data": str(given.data.resolve()),
                }  # fmt: skip


def kept(path: Path) -> dict[str, dict[str, Any]]:
    """Results by job; a last line that was cut short does not count."""
    found: dict[str, dict[str, Any]] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        found[key_of(entry["job"])] = entry["result"]
    return found


def key_of(job: dict[str, Any]) -> str:
    """The folder's name may change between two starts; its clips should not."""
    return json.dumps({key: value for key, value in job.items() if key != "data"}, sort_keys=True)


def run_all(given: argparse.Namespace, waiting: Sequence[dict[str, Any]]) -> int:
    """Each job in a process of its own, so many at a time; how many failed."""
    writing, failed = Lock(), []

    def one(job: dict[str, Any]) -> None:
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, __file__, "--job", json.dumps(job)],
            env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        words = f"{job['network']} {job['protect']} seed {job['seed']}"
        if done.returncode:
            failed.append(words)
            print(f"FAILED {words}: {done.stderr.strip()[-600:]}", flush=True)
            return
        with writing, given.out.open("a") as file:
            file.write(json.dumps({"job": job, "result": json.loads(done.stdout.splitlines()[-1])}) + "\n")
        print(f"{words}: {time.monotonic() - begun:.0f} s", flush=True)

    with ThreadPoolExecutor(given.jobs) as hands:
        list(hands.map(one, waiting))
    return len(failed)


def table(jobs: Sequence[dict[str, Any]], found: dict[str, dict[str, Any]]) -> Iterator[str]:
    rows: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for job in jobs:
        if (result := found.get(key_of(job))) is not None:
            rows[job["network"], job["protect"]].append(result)
    yield (
        "| network | protection | seeds | UF1, a peer's own model | UF1, average model | kB a peer | processor s "
        "| epsilon, hides one | advantage, clip (AUC) | advantage, subject (AUC) |"
    )
    yield "|---|---|---:|---:|---:|---:|---:|---|---:|---:|"
    for (network, protect), own in rows.items():
        epsilons = [each["epsilon"] for each in own if each["epsilon"] is not None]
        epsilon = f"{max(epsilons):.3g}, {own[0]['hides']}" if epsilons else "none"
        told = []
        for unit in ("clip", "subject"):
            audits = [each["audit"][unit] for each in own if unit in each["audit"]]
            area = f" ({np.mean([each['auc'] for each in audits]):.3f})" if audits else ""
            told.append(interval([each["advantage"] for each in audits]) + area)
        yield (
            f"| {network} | {protect} | {len(own)} | {interval([float(np.mean(each['peers'])) for each in own])} | "
            f"{interval([each['average'] for each in own if each['average'] is not None])} | "
            f"{np.mean([each['bytes'] for each in own]) / 1e3:,.0f} | "
            f"{np.mean([each['seconds'] for each in own]):.1f} | "
            f"{epsilon} | {told[0]} | {told[1]} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def words(text: str) -> list[str]:
        return [word.strip() for word in text.split(",")]

    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seeds", type=lambda text: list(map(int, words(text))), default=[1, 2, 3])
    parser.add_argument("--networks", type=words, default=list(NETWORKS))
    parser.add_argument("--protect", default="plain,masks,ckks,submodels:2,dp:8,dp:3,dp:1,decor:8,zip")
    parser.add_argument("--graph", default="{kind: regular, degree: 4}")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--games", type=int, default=8, help="LiRA needs some: 4 at least")
    parser.add_argument("--game-rounds", type=int, default=10)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        import torch

        torch.set_num_threads(1)
        try:
            print(json.dumps(done_by(json.loads(given.job))))
        except P2pmeError as error:
            raise SystemExit(str(error)) from None
        return
    if not given.data or not given.out:
        parser.error("--data and --out are needed")
    parse_protections(given.protect)
    if "ckks" in words(given.protect):
        require_ckks()
    jobs = list(jobs_of(given))
    before = kept(given.out)
    waiting = [job for job in jobs if key_of(job) not in before]
    print(f"{len(jobs)} jobs, {len(jobs) - len(waiting)} done before; {given.jobs} at once", flush=True)
    first = list({job["network"]: job for job in reversed(waiting)}.values())
    failed = run_all(given, first)  # a network's features are made once, by whoever comes first
    failed += run_all(given, [job for job in waiting if job not in first])
    for line in table(jobs, kept(given.out)):
        print(line)
    if failed:
        raise SystemExit(f"{failed} of {len(jobs)} jobs failed; the same command does them again")


if __name__ == "__main__":
    main()
