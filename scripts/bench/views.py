#!/usr/bin/env python
"""Run seeded schedules of changes (views, joins, leaves, liars) under faults, and list every promise that was broken.

python scripts/bench/views.py --count 10000
python scripts/bench/views.py --seed 1234                # live one again, and tell what its trouble was

A line every 500 schedules says what has been seen so far, so that a run that is cut off is not lost: go on with
`--first` of the seed that the last line names.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time

from p2pfl_me.simulation.changing import Hand
from p2pfl_me.simulation.view_trials import broken, draw_changes, play

TOLD_EVERY = 500


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="replay this schedule only")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--processes", type=int, help="at once; as many as there are cores")
    options = parser.parse_args()
    if options.seed is not None:
        return replay(options.seed)
    seeds, begun, failed = range(options.first, options.first + options.count), time.monotonic(), 0
    with multiprocessing.Pool(options.processes) as pool:
        results = zip(seeds, pool.imap(run, seeds, chunksize=16), strict=True)
        for done, (seed, found) in enumerate(results, 1):
            if found:
                failed += 1
                print(f"seed {seed}: {found[0]} ({len(found)} in all)\n  {draw_changes(seed).replay}", flush=True)
            if done % TOLD_EVERY == 0:
                took = f"{time.monotonic() - begun:.0f} s"
                print(f"{done} of {options.count}, {failed} broken, {took}; next is seed {seed + 1}", flush=True)
    seconds = time.monotonic() - begun
    print(f"{options.count} schedules of changes, {failed} with a broken promise, in {seconds:.0f} s")
    return 1 if failed else 0


def run(seed: int) -> list[str]:
    return broken(draw_changes(seed))


def replay(seed: int) -> int:
    changes = draw_changes(seed)
    for number, contract in enumerate(changes.contracts):
        at = changes.views[number - 1].round if number else 0
        present = ", ".join(map(str, contract.peers.present))
        print(f"from round {at}: {contract.topology} of {present}, {contract.training.rounds} rounds")
    for each in changes.announcements:
        view = each.of if isinstance(each, Hand) else each.view
        how = "approves by hand of" if isinstance(each, Hand) else "lies about" if each.lie else "has"
        print(f"at {each.at:.1f} s peer {each.peer} {how} view {view.number} of round {view.round}")
    print(changes.faults)
    simulation, log = play(changes)
    for turned in simulation.turns:
        print(turned)
    for peer, finish in sorted(simulation.finished.items()):
        print(f"peer {peer}: {finish}, {log.starts[peer].completed if peer in log.starts else 0} rounds behind it")
    found = broken(changes)
    print("\n".join(found) or "nothing was broken")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
