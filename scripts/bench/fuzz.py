"""Feed the decoders that meet a neighbour or a file with hostile inputs.

    python scripts/bench/fuzz.py                              # a hundred thousand for each
    python scripts/bench/fuzz.py --only hello --count 1000000

Prints, for each, how many were survived, the slowest, and how far the process's memory grew; ends with the input, and
not zero, at the first that raised what its decoder does not declare, took longer than `--seconds`, or made the process
grow beyond `--megabytes`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzzing import attack, targets


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="the decoders whose name holds this")
    parser.add_argument("--count", type=int, default=100_000, help="inputs for each decoder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0, help="most for one input")
    parser.add_argument("--megabytes", type=float, default=200.0, help="most that the process may grow")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, target in targets(Path(folder)).items():
            if arguments.only and arguments.only not in name:
                continue
            begun, before, slowest = time.perf_counter(), _megabytes(), 0.0
            for data, seconds in attack(target, arguments.seed, arguments.count):
                slowest = max(slowest, seconds)
                if seconds > arguments.seconds or _megabytes() - before > arguments.megabytes:
                    print(f"{name}: {seconds:.2f} s, {_megabytes() - before:.0f} MB for {data!r}")
                    return 1
            took, grown = time.perf_counter() - begun, _megabytes() - before
            figures = f"{took:.0f} s, slowest {1e3 * slowest:.1f} ms, {grown:+.1f} MB"
            print(f"{name:24} {arguments.count} survived in {figures}", flush=True)
    return 0


def _megabytes() -> float:
    """The most memory that the process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
