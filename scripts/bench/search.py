#!/usr/bin/env python
"""Search small swarms exhaustively for what D-PSGD's exchange promises: every order of events, one fault anywhere.

python scripts/bench/search.py                              # two peers, two rounds, from the very start
python scripts/bench/search.py --graph line --rounds 1      # three, the middle one between the others
python scripts/bench/search.py --graph mesh --rounds 1 --gathered

`short` are ends in which a round was skipped or trained alone, which the peer says. `--gathered` begins when all that
is said at the start has been heard.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.gossip.search import Fault, Patience, Search

GRAPHS = {
    "two": {0: {1: 0.5}, 1: {0: 0.5}},
    "line": {0: {1: 0.5}, 1: {0: 0.5, 2: 0.25}, 2: {1: 0.25}},
    "low": {0: {1: 0.5, 2: 0.25}, 1: {0: 0.5}, 2: {0: 0.25}},
    "high": {0: {2: 0.5}, 1: {2: 0.25}, 2: {0: 0.5, 1: 0.25}},
    "mesh": {a: {b: 0.25 for b in range(3) if b != a} for a in range(3)},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", choices=GRAPHS, default="two")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--most", type=int, default=1_000_000, help="states after which a search is given up")
    parser.add_argument("--gathered", action="store_true", help="faults come after the start")
    parser.add_argument("--patience", choices=[each.name.lower() for each in Patience], help="this one only")
    parser.add_argument("--fault", choices=[each.name.lower() for each in Fault], help="this one only")
    options = parser.parse_args()
    failed = 0
    print("| deadlines pass | fault | by | states | ends | one-sided | short | seconds |")
    print("|---|---|---|---:|---:|---:|---:|---:|")
    for patience in Patience if options.patience is None else [Patience[options.patience.upper()]]:
        for fault in Fault if options.fault is None else [Fault[options.fault.upper()]]:
            for who in GRAPHS[options.graph] if fault in {Fault.LIE, Fault.LATE, Fault.CRASH} else (None,):
                begun = time.monotonic()
                found = Search(
                    GRAPHS[options.graph], options.rounds, fault,
                    who=who, patience=patience, most=options.most, gathered=options.gathered,
                ).run()  # fmt: skip
                failed += bool(found.broken)
                counts = f"{found.states} | {found.ends} | {found.one_sided} | {found.short}"
                by = "" if who is None else who
                print(f"| {patience.value} | {fault.value} | {by} | {counts} | {time.monotonic() - begun:.1f} |")
                for line in found.broken:
                    print(f"BROKEN: {line}")
                sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
