#!/usr/bin/env python
"""Kill labs with SIGKILL at any instant around a change of their contract, start them again, and see what they find.

python scripts/bench/turn_kills.py --count 1000        # three real labs each: some hours; prints what was not whole
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2]))

from p2pfl_me.cli.adopt import adopt
from p2pfl_me.contract import load_contract
from p2pfl_me.peer.replay import replay
from p2pfl_me.run.beginning import changes_behind
from tests.peer.federation import Federation
from tests.small import wait_for

ROUNDS, AT, MORE = 12, 6, 4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, failed, begun = random.Random(options.seed), 0, time.monotonic()
    for number in range(options.count):
        with tempfile.TemporaryDirectory() as folder:
            if trouble := once(Path(folder), chance):
                failed += 1
                print(f"kill {number}: {trouble}", flush=True)
    print(f"{options.count} kills, {failed} not whole, in {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


def once(folder: Path, chance: random.Random) -> str:
    """One federation, one kill; what was not whole, in words."""
    labs, victim = Federation(folder, 3, rounds=ROUNDS), chance.randrange(3)
    peers = {k: labs.start(k, "--record") for k in range(2)}
    wait_for(lambda: all(labs.said(k, "link") for k in range(2)), "two labs that meet")
    view = labs.view("view.json", [0, 1], "--after", str(AT), "--set", f"training.rounds={ROUNDS + MORE}")
    if (given := CliRunner().invoke(adopt, [str(view), "--run", str(labs.run(0))])).exit_code:
        return f"not adopted: {given.output}"
    peers[2] = labs.start(2, "--record")
    wait_for(lambda: len(labs.rounds(victim)) >= AT - 2, "the rounds before the change")
    time.sleep(chance.uniform(0.0, 0.6))
    peers[victim].kill()
    peers[victim].finish()
    peers[victim] = labs.start(victim, "--record")
    for k, each in peers.items():
        code, said = each.finish(300)
        run = labs.run(k)
        if code not in (0, 4) or labs.rounds(k)[-1] != ROUNDS + MORE - 1:
            return f"lab {k} ended with {code}:\n{said}"
        if changes_behind(run) != 1 or load_contract(run / "contract.yaml").training.rounds != ROUNDS + MORE:
            return f"lab {k} stands under another contract"
        if difference := replay(run, k).difference:
            return f"lab {k} differs when lived again: {difference}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
