"""Each mechanism away in turn."""

from __future__ import annotations

import importlib
import sys
import time

from tests.switches import SWITCHES
from tests.switches.switch import run, without_shrinking


def main() -> None:
    without_shrinking()
    with_everything_loaded()
    wanted = sys.argv[1:]
    for switch in SWITCHES:
        if not wanted or switch.name in wanted:
            begun = time.process_time()
            noticed = run(switch)
            took = time.process_time() - begun
            print(f"{switch.name}\t{'noticed' if noticed else 'unnoticed'}\t{took:.1f} s", flush=True)


def with_everything_loaded() -> None:
    """What is first imported while a mechanism is away would keep what stands in its place, for all that follow."""
    for switch in SWITCHES:
        for test in switch.tests:
            importlib.import_module(test.partition(".py::")[0].replace("/", "."))


if __name__ == "__main__":
    main()
