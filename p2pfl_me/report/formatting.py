"""How a comparison's tables write numbers."""

from __future__ import annotations

import numpy as np

from p2pfl_me.counting import many
from p2pfl_me.report.results import Spread

__all__ = ["NONE", "figure", "known", "many", "share"]

NONE = "–"


def figure(found: Spread | None, digits: int = 3) -> str:
    """`0.573 ± 0.105`; without the spread for one seed, empty for none."""
    if found is None:
        return ""
    return f"{found.mean:.{digits}f}" + (f" ± {found.std:.{digits}f}" if found.std is not None else "")


def known(value: float) -> str:
    """One decimal, or a dash for what was not logged."""
    return f"{value:.1f}" if np.isfinite(value) else NONE


def share(value: float | None) -> str:
    """A share of the consensus distance; a dash for none, 0 where it vanishes up to rounding."""
    if value is None:
        return NONE
    return "0" if value < 1e-9 else f"{value:.2f}" if value >= 0.01 else f"{value:.1g}"
