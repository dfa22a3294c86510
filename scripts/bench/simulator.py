#!/usr/bin/env python
"""The event simulator with many peers: one round of D-PSGD on a 4-regular graph, real frames and real seals.

    python scripts/bench/simulator.py [--peers 1000] [--size 263175]
    python scripts/bench/simulator.py --peers 10000 --size 1715 --quorum 5    # the small network

With `--quorum` peers begin when they know of so many; by default all tell all of all, which takes n / 31 presences
along every edge, again with all news.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.errors import P2pmeError
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.protocol import Finish, Mixed
from p2pfl_me.message import Vector
from p2pfl_me.peer.duty import Untold
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel, LinkQuality
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.topology.schedule import schedule_of
from p2pfl_me.wire.codec import Schema


class Idle(Untold):
    """No training: what is timed is the protocol, the frames, the seals and the mixing."""

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        return params

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        return None

    def finished(self, finish: Finish | None, error: P2pmeError | None) -> None:
        assert error is None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=1000)
    parser.add_argument("--size", type=int, default=263_175, help="float32 values of a model")
    parser.add_argument("--quorum", type=int, help="of the start; all by default")
    parser.add_argument("--plain", action="store_true", help="the codec without the seals")
    options = parser.parse_args()
    contract = Contract.model_validate(
        {
            "version": 1,
            "name": "bench",
            "topology": {"kind": "regular", "degree": 4},
            "peers": {"loopback": {"count": options.peers, "base_port": 20_000}},
            "training": {"rounds": 1},
            "gossip": {"start": {"quorum": options.quorum or "all"}},
        }
    )
    schedule = schedule_of(contract)
    random = np.random.default_rng(0)
    models = {peer: random.standard_normal(options.size, dtype=np.float32) for peer in range(options.peers)}
    simulation = Simulation(
        lambda peer: Life(core_of(contract, peer, schedule, Start(models.pop(peer))), Idle()),
        {peer: schedule.neighbours(peer) for peer in range(schedule.size)},
        FaultModel(LinkQuality((0.01, 0.05)), compute_s=(0.5, 1.5)),
        Schema(options.size, b"bench".ljust(32, b".")),
        clock=Clock(),
        sealed=not options.plain,
    )
    begun, used = time.monotonic(), time.process_time()
    simulation.run()
    seconds, cpu = time.monotonic() - begun, time.process_time() - used
    assert len(simulation.finished) == options.peers
    sent = sum(simulation.network.sent.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    kind = "codec only" if options.plain else "sealed"
    print(
        f"{options.peers} peers, {options.size} values, degree 4, one round, {kind}: {seconds:.1f} s "
        f"({cpu:.1f} s of processor time), {sent / 1e9:.2f} GB on the wire, {memory:.1f} GB of memory"
    )
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores, load {load:.1f}")


if __name__ == "__main__":
    main()
