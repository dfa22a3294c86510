"""A short linear picture of the parameters: distances between models without the models."""

from __future__ import annotations

import numpy as np

from p2pfl_me.contract import derive_seed
from p2pfl_me.message import Vector

WIDTH = 1024


class Sketcher:
    """Count sketch (Charikar, Chen, Farach-Colton 2002) of float32 (P,) vectors into float32 (1024,).

    Coordinate p falls into bucket p mod 1024 with the random sign of row p // 1024. Linear, and
    E ||sketch(x) - sketch(y)||^2 = ||x - y||^2 over the signs, with a relative deviation of about
    sqrt(2 / 1024) = 4.4 % for vectors whose energy is spread. All peers share the signs through the contract's seed.
    """

    def __init__(self, size: int, seed: int) -> None:
        rows = -(-size // WIDTH)
        random = np.random.default_rng(derive_seed(seed, "sketch"))
        self._signs = (random.integers(0, 2, size=rows, dtype=np.int8) * 2 - 1).astype(np.float32)
        self._whole = size // WIDTH

    def sketch(self, params: Vector) -> Vector:
        body = self._whole * WIDTH
        out: Vector = self._signs[: self._whole] @ params[:body].reshape(self._whole, WIDTH)
        rest = params[body:]
        out[: rest.size] += self._signs[-1] * rest if rest.size else 0
        return out
