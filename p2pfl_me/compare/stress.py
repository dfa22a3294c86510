"""The rows of `--stress`: what a comparison repeats under bad conditions."""

from __future__ import annotations

from dataclasses import dataclass

from p2pfl_me.compare.engines import Engine, Trouble
from p2pfl_me.compare.skew import Skew, parse_skew


@dataclass(frozen=True, slots=True)
class Stress:
    """Either a trouble of the network and its peers, or another way to deal the clips."""

    name: str
    trouble: Trouble | None = None
    skew: Skew | None = None

    def refusal(self, engine: Engine) -> str:
        """Why `engine` cannot run it, empty where it can."""
        if self.trouble is None or engine.troubled is not None:
            return ""
        return f"{engine.calm}; take --engine simulate"


STRESSES = (
    Stress("10 % loss", Trouble(loss=0.1)),
    Stress("straggler 10x", Trouble(straggler=10.0)),
    Stress("20 % churn", Trouble(churn=0.2)),
    Stress("dirichlet 0.1", skew=parse_skew("dirichlet:0.1")),
)
