#!/usr/bin/env python
"""What a chain of ciphertexts around one receiver costs: its neighbours' processor time, and its own.

python scripts/bench/ckks.py [--degree 4] [--repeats 3]      # needs the extra `ckks`

The words are those that real peers say, seals between the neighbours included; frames and links are not
(`scripts/bench/masks.py` has them, beside masks and plain). A chain is one after the other: what all its links take
together is what a round of that receiver waits for, beside as many transfers there and back.
"""

from __future__ import annotations

import argparse
import os
import platform
import time

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.message import Packed
from p2pfl_me.privacy.additive import Ring
from p2pfl_me.privacy.chain import ChainedSums
from p2pfl_me.privacy.ckks import Ckks, require_ckks
from p2pfl_me.privacy.exchanges.ckks import REACH
from p2pfl_me.privacy.fixed_point import FixedPoint
from p2pfl_me.simulation.keys import simulated_keys

SIZES = {"small network": 1_715, "head": 263_175}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--degree", type=int, default=4, help="neighbours of the receiver")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    require_ckks()
    print(f"{options.degree} neighbours of one receiver; processor time, the least of {options.repeats} repeats")
    print(
        f"{'model':14} {'N':>5} {'ciphertexts':>11} {'a link':>10} {'whole chain':>12} {'opened':>9} "
        f"{'a link':>9} {'key':>8}"
    )
    for name, size in SIZES.items():
        for ring in (Ring(4096), Ring(8192)):
            links, opened = min((chain(ring, size, options.degree) for _ in range(options.repeats)), key=sum_of)
            print(
                f"{name:14} {ring.degree:>5} {ring.pieces(size):>11} {1e3 * max(links):7.1f} ms "
                f"{1e3 * (sum(links) + opened):9.1f} ms {1e3 * opened:6.1f} ms {ring.bytes_of(size) / 1e6:6.3f} MB "
                f"{ring.key / 1e6:5.3f} MB"
            )
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}")


def sum_of(cost: tuple[list[float], float]) -> float:
    return sum(cost[0]) + cost[1]


def chain(ring: Ring, size: int, degree: int) -> tuple[list[float], float]:
    """(seconds of each neighbour, seconds in which the receiver opens the sum)."""
    receiver, everyone = degree, frozenset(range(degree))
    contract = Contract.model_validate(
        {
            "version": 1,
            "name": "bench",
            "topology": {"kind": "mesh"},
            "peers": {"loopback": {"count": degree + 1}},
            "training": {"rounds": 1},
            "privacy": {"exchange": "ckks"},
        }
    )
    point, random = FixedPoint(32, REACH, degree), np.random.default_rng(0)
    peers = {}
    for peer in (*sorted(everyone), receiver):
        keys = simulated_keys(contract, peer, 0)
        assert keys is not None
        peers[peer] = ChainedSums(peer, keys, point, degree, {receiver: everyone}, Ckks(ring, degree))
    lives = {peer: peers[receiver].read_key(peer, peers[peer].key) for peer in sorted(everyone)}
    models = [0.1 * random.standard_normal(size, dtype=np.float32) for _ in range(degree)]
    for peer in lives:
        peers[peer].read_key(receiver, peers[receiver].key)
        assert peers[peer].give(receiver, 0, models[peer], 1 / (degree + 1), lives) is not None
    links: dict[int, Packed] = {}
    spent = []
    while asked := peers[receiver].asks(lives, links):
        ((peer, ask),) = asked.items()
        begun = time.process_time()
        link = peers[peer].pledge(receiver, 0, ask)
        spent.append(time.process_time() - begun)
        assert link is not None
        links[peer] = link
    begun = time.process_time()
    total = peers[receiver].total(lives, {}, links, size)
    opened = time.process_time() - begun
    wanted = np.sum([point.words(model, 1 / (degree + 1), 0) for model in models], axis=0, dtype=np.uint32)
    assert np.array_equal(total, point.values(wanted)), "the sum is that of fixed point, to the bit"
    return spent, opened


if __name__ == "__main__":
    main()
