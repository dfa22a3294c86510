#!/usr/bin/env python
"""Search small swarms exhaustively for what D-PSGD's exchange promises: every order of events, one fault anywhere.

python scripts/bench/search.py                      # two peers, some minutes
python scripts/bench/search.py --graph mesh --rounds 1 --most 2000000
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.gossip.search import Fault, Patience, search

GRAPHS = {
    "two": {0: {1: 0.5}, 1: {0: 0.5}},
    "line": {0: {1: 0.5}, 1: {0: 0.5, 2: 0.25}, 2: {1: 0.25}},
    "mesh": {a: {b: 0.25 for b in range(3) if b != a} for a in range(3)},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", choices=GRAPHS, default="two")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--most", type=int, default=1_000_000, help="states after which a search is given up")
    options = parser.parse_args()
    failed = 0
    print("| deadlines pass | fault | by | states | ends | one-sided | seconds |\n|---|---|---|---|---|---|---|")
    for patience in Patience:
        for fault in Fault:
            for who in range(len(GRAPHS[options.graph])) if fault in {Fault.LIE, Fault.LATE} else (0,):
                begun = time.monotonic()
                found = search(
                    GRAPHS[options.graph], options.rounds, fault, who=who, patience=patience, most=options.most
                )
                failed += bool(found.broken)
                counts = f"{found.states} | {found.ends} | {found.one_sided}"
                print(f"| {patience.value} | {fault.value} | {who} | {counts} | {time.monotonic() - begun:.1f} |")
                for line in found.broken:
                    print(f"BROKEN: {line}")
                sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
