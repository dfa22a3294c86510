#!/usr/bin/env python
"""Run seeded fault schedules and list every promise that was broken.

python scripts/bench/schedules.py --count 10000
python scripts/bench/schedules.py --protocol dpsgd --seed 1234      # replay one, and tell what its trouble was
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import sys
import time
from functools import partial

from p2pfl_me.simulation.trials import broken_promises, draw_trial


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", default="dpsgd")
    parser.add_argument("--seed", type=int, help="replay this schedule only")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    if options.seed is not None:
        return replay(options.protocol, options.seed)
    begun = time.monotonic()
    seeds = range(options.first, options.first + options.count)
    failed = 0
    with multiprocessing.Pool() as pool:
        for seed, broken in zip(seeds, pool.imap(partial(run, options.protocol), seeds, chunksize=16), strict=True):
            if broken:
                failed += 1
                print(f"seed {seed}: {broken[0]} ({len(broken)} in all)\n  {draw_trial(seed, options.protocol).replay}")
    seconds = time.monotonic() - begun
    print(f"{options.count} schedules of {options.protocol}, {failed} with a broken promise, in {seconds:.0f} s")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores")
    return 1 if failed else 0


def run(protocol: str, seed: int) -> list[str]:
    return broken_promises(draw_trial(seed, protocol))


def replay(protocol: str, seed: int) -> int:
    trial = draw_trial(seed, protocol)
    print(trial.contract.topology, f"{trial.contract.peers.count} peers, {trial.contract.training.rounds} rounds")
    print(trial.conditions)
    broken = broken_promises(trial)
    print("\n".join(broken) or "every promise held")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
