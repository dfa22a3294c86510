"""How a comparison's tables write numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p2pfl_me.counting import many
from p2pfl_me.report.results import Spread

__all__ = ["NONE", "apart", "figure", "known", "many", "share"]

NONE = "–"


def figure(found: Spread | None, digits: int = 3) -> str:
    """`0.573 ± 0.105`; without the spread for one seed, empty for none."""
    if found is None:
        return ""
    return f"{found.mean:.{digits}f}" + (f" ± {found.std:.{digits}f}" if found.std is not None else "")


def known(value: float) -> str:
    """One decimal, or a dash for what was not logged."""
    return f"{value:.1f}" if np.isfinite(value) else NONE


def three_digits(value: float) -> str:
    """One to three decimals, for three digits that tell: of small networks a tenth of a megabyte is much."""
    if not np.isfinite(value):
        return NONE
    return known(value) if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def share(value: float | None) -> str:
    """A share of the consensus distance; a dash for none, 0 where it vanishes up to rounding."""
    if value is None:
        return NONE
    return "0" if value < 1e-9 else f"{value:.2f}" if value >= 0.01 else f"{value:.1g}"


def apart(pairs: Sequence[tuple[float, float]], least: int, most: int) -> tuple[int, tuple[str, ...]]:
    """The digits with which the numbers of all pairs are written, and how far apart those of each are, without a sign.

    What is shown of a difference is what the shown numbers give: .67 less .30 is no .38, though it may be before they
    are rounded. From `least` on the first digits are taken that fit; else `most`, and what the shown numbers give.
    """
    for digits in range(least, most + 1):
        shown = [f"{abs(round(one, digits) - round(other, digits)):.{digits}f}" for one, other in pairs]
        if shown == [f"{abs(one - other):.{digits}f}" for one, other in pairs]:
            break
    return digits, tuple(shown)


def signed(difference: float) -> str:
    """With its sign, and none where nothing is left of it: `+0.000` would say on which side."""
    text = f"{difference:+.3f}"
    return text if float(text) else text[1:]
