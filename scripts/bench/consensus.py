"""Mixing alone on every kind of graph: predicted and measured slopes, and what agreement costs, as a Markdown table.

    python scripts/bench/consensus.py                                  # 16 peers
    python scripts/bench/consensus.py --peers 64
    python scripts/bench/consensus.py --figure docs/mixing-alone.png   # and a picture of some of them

Peers start from random vectors and only exchange, by the cores of real peers on the simulated network. MB are for the
models of the ready contracts, headers and seals included, until a thousandth of the first distance is left.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

import numpy as np

from p2pfl_me.compare.mixing import mixing_of
from p2pfl_me.contract import Contract
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.kind import fitting_protocol
from p2pfl_me.report.comparison_mixing import mixing_blocks
from p2pfl_me.report.mixing import Mixing, exact_after, reaches, slope_of
from p2pfl_me.report.style import WIDTH, house_style
from p2pfl_me.report.svg import png_bytes
from p2pfl_me.topology.kind import TOPOLOGIES

DRAWN = ("ring", "torus", "exponential", "epidemic", "one_peer_exponential", "base")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=16)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}")
    print("| kind | a round leaves, predicted | measured | slope | rounds, predicted | measured | MB a peer |")
    print("|---|---|---|---|---|---|---|")
    found: dict[str, Mixing] = {}
    for kind in TOPOLOGIES:
        try:
            found[kind] = mixing_of(kind, contract(kind, options.peers))
        except ContractError as error:
            print(f"| {kind} | {error.what} | | | | | |")
            continue
        print(f"| {' | '.join(row(found[kind]))} |", flush=True)
    if options.figure:
        with house_style():
            blocks = list(mixing_blocks([found[kind] for kind in DRAWN], ()))
            options.figure.write_bytes(png_bytes(blocks[1].figure(WIDTH)))


def contract(kind: str, peers: int) -> Contract:
    values = {
        "version": 1,
        "name": kind,
        "topology": {"kind": kind, **TOPOLOGIES[kind].example(peers)},
        "peers": {"loopback": {"count": peers}},
        "gossip": {"protocol": fitting_protocol(TOPOLOGIES.of(kind, **TOPOLOGIES[kind].example(peers)))},
    }
    return Contract.model_validate(values)


def row(mixing: Mixing) -> tuple[str, ...]:
    slope, expected, goal = slope_of(mixing), reaches(mixing.predicted), reaches(mixing.measured)
    shares = [f"{slope.predicted:.3f}", f"{slope.measured:.3f}", f"{slope.ratio:.3f}"] if slope else ["", "", ""]
    if slope is None:
        shares[:2] = [f"0 after {exact_after(course)}" for course in (mixing.predicted, mixing.measured)]
    cost = "" if goal is None else f"{mixing.megabytes[goal]:.1f}"
    return (mixing.name, *shares, str(expected or "over 400"), str(goal or "over 400"), cost)


if __name__ == "__main__":
    main()
