#!/usr/bin/env python
"""Ten real peers in processes of their own through what a clock cannot simulate, beside ten that nothing disturbs.

python scripts/bench/lasting_processes.py --data DIR                     # both, three seeds; prints a table
python scripts/bench/lasting_processes.py --data DIR --only lossy --out processes.jsonl   # goes on from what is there

The contract is what `p2pme init` writes, but for its model and training, which are those of `lasting.py`, as its clips
are; links go over loopback. `paused`: the listener of both its edges is stopped (SIGSTOP) for a minute after its fifth
round, as a snapshot of its machine would. The others are done by then, and its neighbours stay to hand out their
models; `unstated`: the contract says nothing of it, and they stay for two minutes; `unhanded`: they do not
(`gossip.hand_out: 0`), and it goes on alone. `lossy`: all that two peers say goes
through a relay here as over a line of 200 ms there and back that loses a tenth of the segments of 1,400 bytes, which
TCP sends again after 400 ms, then 800, and so on, and holds back what follows (`LossyLine` in `tests.wire.raw`; a
kernel sends some again sooner, and sends slower meanwhile). Scores do not depend on how fast the machine is; times do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from p2pfl_me.contract.model import Member
from p2pfl_me.contract.template import contract_text
from p2pfl_me.home import home
from tests.small import Command, events, p2pme
from tests.wire.peers import free_base
from tests.wire.raw import LossyLine, Tap

PEERS, ROUNDS, LISTENER = 10, 30, 9
PATIENCE_S = 3_600.0
WITHIN = 0.02
CONDITIONS = {
    "undisturbed": "undisturbed",
    "paused": "a listener stopped for 60 s, longer than the run lasts",
    "unstated": "the same, nothing said of gossip.hand_out",
    "unhanded": "the same, gossip.hand_out: 0",
    "lossy": "10 % of segments lost, 200 ms, by a relay",
}


async def lived(name: str, seed: int, data: Path, folder: Path) -> dict[str, Any]:
    """One run of ten processes: scores, ends and what was lost."""
    base, lost = free_base(PEERS), list[LossyLine]()

    def line() -> LossyLine:
        lost.append(LossyLine(Random(1000 * seed + len(lost))))
        return lost[-1]

    taps = [Tap(f"tcp://127.0.0.1:{base + k}", line=line) for k in range(PEERS)]
    lossy = name == "lossy"
    addresses = [await tap.open() if lossy else tap.onward for tap in taps]
    contract = folder / "lasting.yaml"
    text = _contract(seed, addresses, *(["gossip.hand_out=0"] if name == "unhanded" else []))
    if name == "unstated":
        text = "".join(line for line in text.splitlines(keepends=True) if "hand_out" not in line)
    contract.write_text(text)
    split = folder / "split"
    code, said = await asyncio.to_thread(
        p2pme, home(), "data", "split", data, "--topology", contract, "-o", split, timeout_s=PATIENCE_S
    )
    if code:
        raise SystemExit(said)
    begun, run = time.monotonic(), folder / "run"
    peers = [_start(k, contract, split, run, base + k if lossy else None) for k in range(PEERS)]
    ends = [asyncio.create_task(asyncio.to_thread(each.finish, PATIENCE_S)) for each in peers]
    if name in ("paused", "unstated", "unhanded"):
        await _pause(peers[LISTENER], run)
    codes = [code for code, _ in await asyncio.gather(*ends)]
    for tap in taps if lossy else ():
        await tap.close()
    logs = [events(run, k) for k in range(PEERS)]
    rounds = [[each for each in log if each["event"] == "round"] for log in logs]
    return {
        "of": [name, seed],
        "scores": [[each["test"] for each in log if each.get("test")][-1]["uf1"] for log in logs],
        "rounds": [len({each["round"] for each in one}) for one in rounds],
        "alone": [sum(not each["weights"] for each in one) for one in rounds],
        "codes": codes,
        "ends": [each["reason"] for log in logs for each in log if each["event"] == "finish"],
        "links": [sum(each["event"] == "link" for each in log) for log in logs],
        "lost": sum(each.lost for each in lost),
        "seconds": time.monotonic() - begun,
    }


async def _pause(peer: Command, run: Path) -> None:
    while len(events(run, LISTENER, "round")) < 5:
        await asyncio.sleep(0.1)
    os.kill(peer.process.pid, signal.SIGSTOP)
    await asyncio.sleep(60.0)
    os.kill(peer.process.pid, signal.SIGCONT)


def _start(k: int, contract: Path, split: Path, run: Path, listens: int | None) -> Command:
    words = ["peer", "--id", str(k), "--topology", str(contract), "--out", str(run)]
    words += ["--data", str(split / f"peer-{k}.csv"), "--test", str(split / "test.csv")]
    return Command([*words, *(("--listen", f"127.0.0.1:{listens}") if listens else ())], home())


def _contract(seed: int, addresses: list[str], *settings: str) -> str:
    members = [Member(id=k, address=each) for k, each in enumerate(addresses)]
    model = "model={backbone: ststnet, label_map: megc2019, input: flow, input_size: 28}"
    training = f"training={{rounds: {ROUNDS}, local_epochs: 2, learning_rate: 0.003}}"
    return contract_text(
        "ring", name="lasting", overrides=[f"seed={seed}", model, training, *settings], members=members
    )


def table(data: Path, names: list[str], seeds: int, out: Path | None) -> int:
    done: dict[tuple[str, int], dict[str, Any]] = {}
    if out and out.exists():
        done = {tuple(each["of"]): each for each in map(json.loads, out.read_text(encoding="utf-8").splitlines())}
    print(
        "| condition | mean UF1 | undisturbed | by seed | rounds | rounds alone | ends | exit codes | lost |",
        flush=True,
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    failed = 0
    for name in ["undisturbed", *(each for each in names if each != "undisturbed")]:
        for seed in range(1, seeds + 1):
            if (name, seed) in done:
                continue
            with tempfile.TemporaryDirectory() as folder:
                done[name, seed] = asyncio.run(lived(name, seed, data, Path(folder)))
            if out:
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(done[name, seed]) + "\n")
        failed += _print_row(name, done, seeds)
    return 1 if failed else 0


def _print_row(name: str, done: dict[tuple[str, int], dict[str, Any]], seeds: int) -> bool:
    rows = [done[name, seed] for seed in range(1, seeds + 1)]
    ours = [mean(row["scores"]) for row in rows]
    base = [mean(done["undisturbed", seed]["scores"]) for seed in range(1, seeds + 1)]
    by_seed = ", ".join(f"{a - b:+.3f}" for a, b in zip(ours, base, strict=True))
    counts = [
        dict(Counter(value for row in rows for value in row[key])) for key in ("rounds", "alone", "ends", "codes")
    ]
    told = " | ".join(", ".join(f"{many} x {what}" for what, many in each.items()) for each in counts)
    lost = sum(row["lost"] for row in rows)
    print(f"| {CONDITIONS[name]} | {mean(ours):.3f} | {mean(base):.3f} | {by_seed} | {told} | {lost} |", flush=True)
    whole = all(
        rounds == ROUNDS or end == "handed"
        for row in rows
        for rounds, end in zip(row["rounds"], row["ends"], strict=True)
    )
    ended = whole and all(set(row["codes"]) <= {0, 4} for row in rows)
    return mean(ours) - mean(base) < -WITHIN or not ended


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(CONDITIONS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="keep what is done there, line by line, and go on from it")
    given = parser.parse_args()
    return table(given.data, given.only, given.seeds, given.out)


if __name__ == "__main__":
    sys.exit(main())
