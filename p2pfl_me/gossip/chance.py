"""A peer's own dice, drawn from the contract's seed."""

from __future__ import annotations

from collections.abc import Callable

from p2pfl_me.choice import derive_seed

Chance = Callable[[str, int, int], float]
"""(what for, round, which) -> a number in [0, 1), drawn from the contract's seed for one peer alone."""


def chance_of(seed: int, peer: int) -> Chance:
    """The dice of `peer` under a contract's seed."""
    return lambda what, round, nth: derive_seed(seed, "chance", what, peer, round, nth) / 2**63
