"""Whether two set-ups differ by more than luck: paired differences over seeds.

Runs of one seed share their split, their shards and their initial model, so the difference within a seed is what the
set-ups make; the spread between seeds, which is several times larger with few clips, cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from p2pfl_me.report.formatting import many

EXACT_UP_TO = 16
"""Seeds whose 2^n sign patterns are all counted; above it, 2^16 patterns are drawn from a fixed stream."""
LEVEL = 0.05
SHARE = 0.95
"""Of the t interval."""


@dataclass(frozen=True, slots=True)
class Paired:
    """The differences first - second over seeds.

    Attributes
    ----------
    mean:
        Their mean.
    low, high:
        The 95 % t interval of the mean; None with a single seed.
    p:
        Two-sided p of the sign-flip permutation test (Fisher 1935): the share of sign patterns whose mean is at least
        as far from 0.
    least:
        The smallest p that so many seeds can give, 2^(1 - n).
    """

    first: str
    second: str
    seeds: int
    mean: float
    low: float | None
    high: float | None
    p: float
    least: float


def paired(first: str, second: str, differences: Sequence[float]) -> Paired:
    """Test one pair; `differences` holds first - second of each seed that both ran (at least one)."""
    count, mean, half = len(differences), float(np.mean(differences)), half_width(differences)
    return Paired(
        first,
        second,
        count,
        mean,
        None if half is None else mean - half,
        None if half is None else mean + half,
        sign_flip(differences),
        min(1.0, 2.0 ** (1 - count)),
    )


def half_width(values: Sequence[float]) -> float | None:
    """Of Student's 95 % interval of the mean over seeds; None where one seed says nothing of others."""
    if len(values) < 2:
        return None
    from scipy.special import stdtrit  # here, as it takes a fifth of a second and most pages compare nothing

    return float(stdtrit(len(values) - 1, (1 + SHARE) / 2)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def sign_flip(differences: Sequence[float]) -> float:
    """Two-sided p of the hypothesis that every difference could as well have had the other sign."""
    values = np.asarray(differences, dtype=np.float64)
    observed = abs(float(values.sum()))
    # A pattern as extreme up to rounding is as extreme.
    bar = observed - 1e-12 * float(np.abs(values).sum() + 1)
    if len(values) <= EXACT_UP_TO:
        patterns = (np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1
        return float((np.abs((1 - 2 * patterns) @ values) >= bar).mean())
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(2**EXACT_UP_TO, len(values)))
    return float((1 + (np.abs(signs @ values) >= bar).sum()) / (1 + len(signs)))


def holm(ps: Sequence[float], level: float = LEVEL) -> tuple[bool, ...]:
    """Which differences hold at `level` over all the tests together (Holm, Scandinavian Journal of Statistics 1979)."""
    held = [False] * len(ps)
    for place, index in enumerate(sorted(range(len(ps)), key=lambda each: ps[each])):
        if ps[index] > level / (len(ps) - place):
            break
        held[index] = True
    return tuple(held)


def together(pairs: int) -> str:
    """Over what Holm's rule holds a difference, as the end of a clause; one pair stands for itself."""
    return f" over all {pairs} pairs together (Holm)" if pairs > 1 else ""


def seeds_needed(pairs: int, level: float = LEVEL) -> int:
    """The fewest seeds with which one of `pairs` tests can be supported at all: 2^(1 - n) <= level / pairs."""
    return 1 + math.ceil(math.log2(max(pairs, 1) / level))


def power_words(seeds: int, methods: int) -> str:
    """What so many seeds can show of the differences between so many set-ups, told before anything runs."""
    pairs = methods * (methods - 1) // 2
    if not pairs:
        return ""
    least, needed = min(1.0, 2.0 ** (1 - seeds)), seeds_needed(pairs)
    words = f"{many(seeds, 'seed')}, {many(pairs, 'pair')}: the smallest p is {least:.2g}"
    if seeds < needed:
        return f"{words}, so no difference in score can be shown, however large; it takes --seeds {needed} at least"
    return f"{words}; a difference can be shown that is the same way round under (nearly) all seeds"


def cannot_tell(seeds: int, pairs: int) -> str:
    """What follows where so few seeds support no difference, whatever the scores are; empty where they can."""
    needed = seeds_needed(pairs)
    if seeds >= needed:
        return ""
    return f", so these runs cannot tell, whatever the means are; it takes {needed} seeds or more (--seeds {needed})"
