"""Feed the decoders that meet a neighbour or a file with hostile inputs.

    python scripts/bench/fuzz.py                              # a hundred thousand for each
    python scripts/bench/fuzz.py --only hello --count 1000000
    python scripts/bench/fuzz.py --count 1000000 --minutes 1 --json fuzz.json   # as many as a minute allows for each

Prints, for each, how many were survived, the slowest, and how far the process's memory grew; ends with the input, and
not zero, at the first that raised what its decoder does not declare, took longer than `--seconds`, or made the process
grow beyond `--megabytes`.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzzing import targets
from tests.mutating import attack


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], help="the decoders whose name holds this, in this order")
    parser.add_argument("--count", type=int, default=100_000, help="inputs for each decoder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0, help="most for one input")
    parser.add_argument("--megabytes", type=float, default=200.0, help="most that the process may grow")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="most CPU time for one decoder")
    parser.add_argument("--without", action="append", default=[], help="not the decoders whose name holds this")
    parser.add_argument("--json", type=Path, help="append a line of JSON for each decoder here")
    arguments = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        found = targets(Path(folder))
        names = dict.fromkeys(name for wanted in arguments.only or [""] for name in found if wanted in name)
        for name in names:
            if any(each in name for each in arguments.without):
                continue
            target = found[name]
            begun, before, slowest, survived = time.process_time(), _megabytes(), 0.0, 0
            for data, seconds in attack(target, arguments.seed, arguments.count):
                survived += 1
                slowest = max(slowest, seconds)
                if seconds > arguments.seconds or (survived % 64 == 0 and _megabytes() - before > arguments.megabytes):
                    print(f"{name}: {seconds:.2f} s, {_megabytes() - before:.0f} MB for {data!r}")
                    return 1
                if survived % 64 == 0 and time.process_time() - begun > 60 * arguments.minutes:
                    break
            took, grown = time.process_time() - begun, _megabytes() - before
            figures = f"{took:.0f} s of CPU, slowest {1e3 * slowest:.1f} ms, {grown:+.1f} MB"
            print(f"{name:24} {survived} survived in {figures}", flush=True)
            if arguments.json:
                line = {"decoder": name, "inputs": survived, "cpu_s": took, "slowest_s": slowest, "grown_mb": grown}
                with arguments.json.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    return 0


def _megabytes() -> float:
    """The most memory that the process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
