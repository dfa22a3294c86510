"""The weighted mean of the mixing matrix: what D-PSGD's convergence is proved for, and what one liar can ruin."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.aggregation.mixing import mix
from p2pfl_me.aggregation.rule import Aggregation, Mixture, Neighbourhood


class Mean(Aggregation):
    """x_i <- W_ii x_i + sum_j W_ij x_j (Lian et al., NeurIPS 2017)."""

    kind: Literal["mean"] = "mean"
    follows_w: ClassVar[bool] = True

    def combine(self, around: Neighbourhood) -> Mixture:
        return mix(around.me, around.own, around.row, around.models)
