"""What it costs to keep a checkpoint under a passphrase: sealed beside open, in turn, in one process."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from p2pfl_me.gossip.stop import Progress
from p2pfl_me.peer.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from p2pfl_me.sealing import Seal

SIZES = {"ststnet": 1_715, "head": 263_175, "block5": 7_342_599}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=15)
    times = parser.parse_args().times
    seal = Seal("four unrelated words here")
    print("| model | write open | write sealed | times | read open | read sealed (with scrypt) |")
    print("|---|---|---|---|---|---|")
    for name, size in SIZES.items():
        state = Checkpoint(
            0, 1, np.random.default_rng(1).standard_normal(size).astype(np.float32), Progress(), "c", "l"
        )
        with tempfile.TemporaryDirectory() as folder:
            runs = {each: Path(folder) / each for each in ("open", "sealed")}
            written: dict[str, list[float]] = {each: [] for each in runs}
            read: dict[str, list[float]] = {each: [] for each in runs}
            for run in runs.values():
                run.mkdir()
            for _ in range(times):
                for each, run in runs.items():
                    begun = time.perf_counter()
                    save_checkpoint(run, state, seal if each == "sealed" else None)
                    written[each].append(time.perf_counter() - begun)
                    begun = time.perf_counter()
                    load_checkpoint(
                        run, 0, contract_digest="c", layout_digest="l", passphrase=lambda _: "four unrelated words here"
                    )
                    read[each].append(time.perf_counter() - begun)
        took = {each: 1e3 * statistics.median(found) for each, found in written.items()}
        back = {each: 1e3 * statistics.median(found) for each, found in read.items()}
        ratio = took["sealed"] / took["open"]
        print(
            f"| {name} | {took['open']:.2f} ms | {took['sealed']:.2f} ms | {ratio:.2f} | {back['open']:.2f} ms | "
            f"{back['sealed']:.0f} ms |"
        )


if __name__ == "__main__":
    main()
