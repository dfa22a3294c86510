"""The rows of `--stress`: the fault conditions under which a comparison is repeated."""

from __future__ import annotations

from dataclasses import dataclass

from p2pfl_me.compare.engines import Engine, Faults
from p2pfl_me.compare.skew import Skew, parse_skew


@dataclass(frozen=True, slots=True)
class FaultCondition:
    """Either faults of the network and its peers, or another way to deal the clips."""

    name: str
    faults: Faults | None = None
    skew: Skew | None = None

    def refusal(self, engine: Engine) -> str:
        """Why `engine` cannot run it, empty where it can."""
        if self.faults is None or engine.faulty is not None:
            return ""
        return f"{engine.calm}; take --engine simulate"


FAULT_CONDITIONS = (
    FaultCondition("10 % loss", Faults(loss=0.1)),
    FaultCondition("straggler 10x", Faults(straggler=10.0)),
    FaultCondition("20 % churn", Faults(churn=0.2)),
    FaultCondition("dirichlet 0.1", skew=parse_skew("dirichlet:0.1")),
)
