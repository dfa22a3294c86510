"""DP-SGD (Abadi et al., CCS 2016) on one peer's samples: units drawn by Poisson sampling, each cut, noise, a step.

A unit is a clip or a subject. One that is drawn brings all its samples; each is cut to the contract's norm and they are
averaged, so that no unit adds more than the norm, however many samples it has. Adam takes its step along the noisy
gradient and sees nothing else. What is drawn and what noise is laid on it come from the operating system, dropout from
the contract's seed: masks that everybody may know hide nothing and spoil nothing.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from p2pfl_me.contract import Contract
from p2pfl_me.errors import DataError
from p2pfl_me.learning.losses import Loss
from p2pfl_me.learning.noise_ahead import noises
from p2pfl_me.learning.steps import DpStep, TrainingStep, make_dp_step
from p2pfl_me.learning.trainer import FeatureTrainer, Labels, Part, Samples
from p2pfl_me.privacy.accounting import Release
from p2pfl_me.privacy.dp_sgd import DpSgd
from p2pfl_me.privacy.randomness import Randomness


class DpTrainer(FeatureTrainer):
    """`FeatureTrainer` under `privacy.training`; `release` is what one round of it gives away.

    Raises
    ------
    DataError
        Units are subjects, and nothing says whose the clips are.
    """

    def __init__(
        self,
        contract: Contract,
        peer: int,
        samples: Samples,
        device: torch.device,
        width: float,
        release: Release,
        randomness: Randomness,
    ) -> None:
        assert contract.privacy.training is not None
        self._dp, self.release, self._randomness = contract.privacy.training, release, randomness
        super().__init__(contract, peer, samples, device, width)
        order, self._first = by_unit(samples.train, self._dp)
        self._order = torch.from_numpy(order).to(device)
        self._units = len(self._first) - 1
        counts = np.repeat(np.diff(self._first), np.diff(self._first))
        expected = release.rate * self._units
        self._shares = torch.from_numpy((1 / (counts * expected)).astype(np.float32)).to(device)
        self._deviation = release.noise * self._dp.norm / expected

    def _made_step(self, contract: Contract, loss: Loss, width: float) -> TrainingStep:
        return make_dp_step(contract, loss, self.device, batch=2 * contract.training.batch_size, width=width)

    def _epochs(self, flat: Tensor, round: int, random: torch.Generator) -> tuple[float | None, int]:
        step = cast(DpStep, self._step)
        size, steps = 2 * self._training.batch_size, self.release.steps
        step.begin(flat, self._training.learning_rate, steps)
        drawn = self._randomness.stream("units", self._peer, round)
        noise = self._randomness.stream("noise", self._peer, round)
        total, seen = torch.zeros((), device=self.device), 0
        for grads in noises(noise, flat.numel(), self._deviation, steps, self.device):
            step.onto(grads)
            chosen = self._samples_of(drawn.chosen(self._units, self.release.rate))
            if len(chosen):  # else a step of noise alone, which was paid for, too
                rows, labels = self._rows_of(self._order[chosen], random)
                for some, theirs, shares in zip(
                    *(torch.split(each, size) for each in (rows, labels, self._shares[chosen])), strict=True
                ):
                    total.add_(step.add(self._bank, some, theirs, self._dp.norm, shares, random))
                seen += len(rows)
            step.update()
        step.end()
        return (float(total) / seen if seen else None), steps

    def _samples_of(self, units: Labels) -> Tensor:
        """Places in the order by unit of all samples of these units."""
        if len(self._first) == len(self._order) + 1:  # one sample a unit
            return torch.from_numpy(units).to(self.device)
        places = [np.arange(self._first[unit], self._first[unit + 1]) for unit in units]
        return torch.from_numpy(np.concatenate(places) if places else np.empty(0, np.int64)).to(self.device)


def by_unit(part: Part, dp: DpSgd) -> tuple[Labels, Labels]:
    """The samples (n,) in an order in which those of a unit stand together, and where each unit begins (u + 1,)."""
    owners = part.clips if dp.unit == "clip" else part.subjects
    if owners is None:
        raise DataError(
            "privacy.training hides one subject, and nothing says whose the clips are",
            fix="name the subjects, or write unit: clip",
        )
    order = np.argsort(owners, kind="stable")
    begins = np.flatnonzero(np.r_[True, np.diff(owners[order]) != 0])
    return order, np.r_[begins, len(owners)].astype(np.int64)
