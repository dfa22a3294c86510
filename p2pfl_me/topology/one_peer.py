"""The one-peer exponential graph: each round everyone sends half of itself to one other, twice as far as last time.

Ying, Yuan, Chen, Hu, Pan, Yin, "Exponential graph is provably efficient for decentralized deep training", NeurIPS 2021.
"""

from __future__ import annotations

from p2pfl_me.topology.arcs import CirculantSchedule


def one_peer_exponential(count: int) -> CirculantSchedule:
    """In round t peer i sends half of itself to i + 2^(t mod ceil(log2 n)) (mod n).

    For n a power of two the product of a period's matrices is J / n: the exact mean after log2 n rounds, in any order.
    For other n it is only approached.
    """
    steps = [1 << power for power in range((count - 1).bit_length())]
    return CirculantSchedule(count, max(1, len(steps)), lambda round: {steps[round]: 0.5} if steps else {}, steps)
