"""Each mechanism away in turn."""

from __future__ import annotations

import sys
import time

from tests.switches import SWITCHES
from tests.switches.switch import run, without_shrinking


def main() -> None:
    without_shrinking()
    wanted = sys.argv[1:]
    for switch in SWITCHES:
        if not wanted or switch.name in wanted:
            begun = time.process_time()
            noticed = run(switch)
            took = time.process_time() - begun
            print(f"{switch.name}\t{'noticed' if noticed else 'unnoticed'}\t{took:.1f} s", flush=True)


if __name__ == "__main__":
    main()
