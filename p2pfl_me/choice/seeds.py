"""One seed reaches everything: every random stream of a run is derived from the contract's seed by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

Chance = Callable[[str, int, int], float]
"""(what for, round, which) -> a number in [0, 1), drawn from the contract's seed for one peer alone."""


def derive_seed(seed: int, *labels: str | int) -> int:
    """A 63-bit seed for the stream that `labels` name, independent of every other stream.

    SHA-256 over the labels, so that no stream depends on how many numbers another one drew; a resumed peer
    therefore needs no saved generator state.
    """
    text = "\x1f".join([str(seed), *(f"{type(label).__name__}:{label}" for label in labels)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def chance_of(seed: int, peer: int) -> Chance:
    """The dice of `peer` under a contract's seed."""
    return lambda what, round, nth: derive_seed(seed, "chance", what, peer, round, nth) / 2**63
