"""The averaging itself: x_i <- W_ii x_i + sum_j W_ij x_j, in the order of peer ids, block by block."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from p2pfl_me.aggregation.rule import Mixture
from p2pfl_me.message import Vector

BLOCK = 1 << 15
"""Values per block: a few blocks of float32 fit into a core's cache, so each model is read from memory once."""


def mix(me: int, own: Vector, weights: Mapping[int, float], models: Mapping[int, Vector]) -> Mixture:
    """Average one's own model with those neighbours' that arrived.

    Parameters
    ----------
    me:
        One's own id; it takes its place in the order of the sum.
    own:
        One's own trained vector, float32 (P,).
    weights:
        W_ij for each neighbour j of this round. The weight of a neighbour whose model is missing goes back to
        one's own (the loss rule), which keeps W doubly stochastic when the other end does the same.
    models:
        The neighbours' vectors, float32 (P,).

    Notes
    -----
    The sum runs in the order of peer ids whatever the order of arrival, so equal inputs give equal bits.
    """
    used = {peer: weights[peer] for peer in sorted(models)}
    shares = {**used, me: 1.0 - math.fsum(used.values())}
    order = [(np.float32(shares[peer]), own if peer == me else models[peer]) for peer in sorted(shares)]
    mixed = np.empty_like(own)
    scratch = np.empty(BLOCK, dtype=np.float32)
    squares = dict.fromkeys(used, 0.0)
    own_square = 0.0
    for begin in range(0, own.size, BLOCK):
        block = slice(begin, min(begin + BLOCK, own.size))
        out, tmp, mine = mixed[block], scratch[: own[block].size], own[block]
        for position, (share, model) in enumerate(order):
            if position == 0:
                np.multiply(model[block], share, out=out)
            else:
                np.multiply(model[block], share, out=tmp)
                out += tmp
        for peer in used:
            np.subtract(models[peer][block], mine, out=tmp)
            squares[peer] += float(np.dot(tmp, tmp))
        own_square += float(np.dot(mine, mine))
    norm = math.sqrt(own_square) or 1.0
    distance = {peer: math.sqrt(square) / norm for peer, square in squares.items()}
    return Mixture(mixed, distance, used)
