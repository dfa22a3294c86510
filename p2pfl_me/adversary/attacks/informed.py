"""Lies made from what the others send: each stays as near to them as it can afford."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from p2pfl_me.adversary.attack import Attack, View
from p2pfl_me.message import Vector


class LittleIsEnough(Attack):
    """ALIE (Baruch, Baruch, Goldberg, NeurIPS 2019): the mean of the honest less z of their standard deviations.

    Without `z`, the largest that hides behind the honest majority of the receiver's n = |N| + 1 models with m liars
    among them: the quantile of (n - m - s) / (n - m), s = floor(n / 2 + 1) - m.
    """

    kind: Literal["alie"] = "alie"
    z: Annotated[float, Field(gt=0)] | None = None

    def instead(self, view: View) -> Vector:
        known = list(view.around.values())
        if len(known) < 2:
            return view.own
        stacked = np.stack(known)
        z = self._largest(len(view.row) + 1, len(view.liars & view.row.keys())) if self.z is None else self.z
        lie: Vector = (stacked.mean(axis=0) - z * stacked.std(axis=0, ddof=1)).astype(np.float32)
        return lie

    @staticmethod
    def _largest(n: int, m: int) -> float:
        supporters = math.floor(n / 2 + 1) - m
        share = (n - m - supporters) / (n - m)
        return NormalDist().inv_cdf(min(max(share, 0.01), 0.99))


class InnerProduct(Attack):
    """IPM (Xie, Koyejo, Gupta, UAI 2019): the mean of the honest, `epsilon` times, the other way."""

    kind: Literal["inner_product"] = "inner_product"
    epsilon: Annotated[float, Field(gt=0)] = 0.1

    def instead(self, view: View) -> Vector:
        known = list(view.around.values()) or [view.own]
        lie: Vector = (-self.epsilon * np.mean(known, axis=0)).astype(np.float32)
        return lie


class Dissensus(Attack):
    """He, Karimireddy, Jaggi 2022: keep the receiver from agreeing with its honest neighbours.

    To peer i: x_i - epsilon sum_j W_ij (x_j - x_i) / sum_b W_ib, over honest neighbours j and liars b. With epsilon 1
    a plain average undoes all that the honest neighbours would have brought; beyond it drives them apart.
    """

    kind: Literal["dissensus"] = "dissensus"
    epsilon: Annotated[float, Field(gt=0)] = 1.5

    def instead(self, view: View) -> Vector:
        if view.to not in view.heard:
            return view.own
        target = view.heard[view.to]
        weight = math.fsum(view.row[liar] for liar in view.liars & view.row.keys())
        pull = np.zeros_like(target)
        for peer, share in sorted(view.row.items()):
            if peer in view.heard:
                pull += np.float32(share) * (view.heard[peer] - target)
        return target - np.float32(self.epsilon / weight) * pull
