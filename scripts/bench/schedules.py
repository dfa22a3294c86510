#!/usr/bin/env python
"""Run seeded schedules of faults, lies and absence, and list every promise that was broken.

python scripts/bench/schedules.py --count 10000                     # over all protocols and compressions in turn
python scripts/bench/schedules.py --protocol swift --count 1000
python scripts/bench/schedules.py --protocol dpsgd --seed 1234      # replay one, and tell what its trouble was

A line every 500 schedules says what has been seen so far, so that a run that is cut off is not lost: go on with
`--first` of the seed that the last line names.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import sys
import time

from p2pfl_me.simulation.promises import broken_promises
from p2pfl_me.simulation.trials import EXCHANGES, draw_trial, drift, play

TOLD_EVERY = 500


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=EXCHANGES, help="this one only")
    parser.add_argument("--seed", type=int, help="replay this schedule only")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--processes", type=int, help="at once; as many as there are cores")
    options = parser.parse_args()
    if options.seed is not None:
        return replay(options.protocol or "dpsgd", options.seed)
    names = [options.protocol] if options.protocol else EXCHANGES
    trials = [(names[seed % len(names)], seed) for seed in range(options.first, options.first + options.count)]
    begun, failed, used = time.monotonic(), 0, 0.0
    with multiprocessing.Pool(options.processes) as pool:
        results = zip(trials, pool.imap(run, trials, chunksize=16), strict=True)
        for done, ((protocol, seed), (broken, cpu)) in enumerate(results, 1):
            used += cpu
            if broken:
                failed += 1
                replay_with = draw_trial(seed, protocol).replay
                print(f"seed {seed}: {broken[0]} ({len(broken)} in all)\n  {replay_with}", flush=True)
            if done % TOLD_EVERY == 0:
                took = f"{time.monotonic() - begun:.0f} s, {used:.0f} s of processor time"
                print(f"{done} of {options.count}, {failed} broken, {took}; next is seed {seed + 1}", flush=True)
    seconds, what = time.monotonic() - begun, options.protocol or f"{len(names)} exchanges"
    print(f"{options.count} schedules of {what}, {failed} with a broken promise, in {seconds:.0f} s")
    cores = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{used:.0f} s of processor time; Python {platform.python_version()}, {cores}")
    return 1 if failed else 0


def run(trial: tuple[str, int]) -> tuple[list[str], float]:
    """What was broken, and the seconds of processor time that it took to see."""
    protocol, seed = trial
    begun = time.process_time()
    broken = broken_promises(draw_trial(seed, protocol))
    return broken, time.process_time() - begun


def replay(protocol: str, seed: int) -> int:
    trial = draw_trial(seed, protocol)
    print(trial.contract.topology, f"{trial.contract.peers.count} peers, {trial.contract.training.rounds} rounds")
    print(trial.faults)
    if trial.lies:
        print(f"{trial.lies.words}; peers {', '.join(map(str, sorted(trial.liars)))}")
    broken = broken_promises(trial)
    print(f"averaging moved the average of all models by {drift(play(trial)[1]):.2g} of its norm")
    print("\n".join(broken) or "every promise held")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
