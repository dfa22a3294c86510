"""The rows of `--stress` and `--attack`: the conditions under which a comparison is repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from p2pfl_me.compare.skew import Skew, parse_skew
from p2pfl_me.engines import Engine
from p2pfl_me.simulation.fitted_faults import Faults

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies


@dataclass(frozen=True, slots=True)
class FaultCondition:
    """Faults of the network and its peers, or another way to deal the clips, or peers that lie."""

    name: str
    faults: Faults | None = None
    skew: Skew | None = None
    lies: Lies | None = None

    def refusal(self, engine: Engine) -> str:
        """Why `engine` cannot run it, empty where it can."""
        if self.lies and engine.honest:
            return f"{engine.honest}; take --engine simulate"
        if self.faults is None or engine.faulty is not None:
            return ""
        return f"{engine.calm}; take --engine simulate"


FAULT_CONDITIONS = (
    FaultCondition("10 % loss", Faults(loss=0.1)),
    FaultCondition("straggler 10x", Faults(straggler=10.0)),
    FaultCondition("20 % churn", Faults(churn=0.2)),
    FaultCondition("dirichlet 0.1", skew=parse_skew("dirichlet:0.1")),
)


def conditions_of(stress: bool, lies: Sequence[Lies]) -> tuple[FaultCondition, ...]:
    """What the user asked for, in the order of the page."""
    return (*(FAULT_CONDITIONS if stress else ()), *(FaultCondition(each.words, lies=each) for each in lies))
