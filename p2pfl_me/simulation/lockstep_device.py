"""Lockstep on a device: all models stacked, each step of all peers as products over models, mixing beside them.

What peers draw is what they draw in lockstep on the processor, so the two can be told apart by rounding alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from p2pfl_me.contract import Contract
from p2pfl_me.errors import ContractError
from p2pfl_me.learning.metrics import Metrics
from p2pfl_me.learning.stacked.trainer import ROOM, Learner, StackedScorer, StackedTrainer, rows_for, step_of
from p2pfl_me.learning.trainer import Part, Samples
from p2pfl_me.message import Vector
from p2pfl_me.simulation.lockstep_edges import goes_over_edges
from p2pfl_me.simulation.lockstep_rounds import Lockstep, Training, is_plain
from p2pfl_me.simulation.mixing_tiles import NARROWEST, Rows, Spread, mix_tile, rows_of, total
from p2pfl_me.topology import Schedule


def can_be_stacked(contract: Contract, samples: Sequence[Samples]) -> bool:
    """Whether training of these peers is written as products over models."""
    choices = {None if each.train.variants is None else each.train.variants.shape[1] for each in samples}
    return step_of(contract) is not None and len(choices) == 1


class DeviceLockstep(Lockstep):
    """`Lockstep` with training, mixing and scores on `device`; what is no plain average is mixed by the processor.

    Raises
    ------
    ContractError
        As in `Lockstep`; or nobody has written the stacked step of the contract's network.
    """

    def __init__(
        self,
        contract: Contract,
        schedule: Schedule,
        samples: Sequence[Samples],
        *,
        start: Vector,
        device: torch.device,
        test: Part | None = None,
        workers: int = 1,
    ) -> None:
        averaged = contract.gossip.aggregation.follows_w and not goes_over_edges(contract)
        stays = is_plain(contract) and averaged
        super().__init__(contract, schedule, samples, start=start, test=test, workers=1 if stays else workers)
        self._stays = stays
        step = step_of(contract)
        if step is None or not can_be_stacked(contract, samples):
            raise ContractError(
                f"nobody has written how {contract.model.backbone} is trained side by side",
                where=contract.name,
                fix="leave the device out, or take --device cpu",
            )
        self._device, self._size = device, contract.model.layout.size
        require_room(len(samples), self._size, device, contract.name)
        self._trainer = StackedTrainer(
            contract, step, [Learner(peer, each.train) for peer, each in enumerate(samples)], device
        )
        self._scorer = StackedScorer(step, test, len(contract.model.classes), device) if self._scored and test else None
        self._models = rows_for(len(samples), self._size, device)
        self._models[:, : self._size] = torch.from_numpy(start).to(device)
        self._mean = torch.zeros(self._size, device=device)
        self._is_here = True
        self._kept_rows: tuple[int, Rows] | None = None

    def __exit__(self, *_: object) -> None:
        self.fetch()
        self._trainer.close()
        super().__exit__(*_)

    def train(self, round: int) -> Training:
        if not self._stays:
            self._models[:, : self._size] = torch.from_numpy(self.params).to(self._device)
        losses, steps = self._trainer.train(self._models, round)
        self._is_here = False
        if not self._stays:
            self.trained[:] = self._models[:, : self._size].cpu().numpy()
            self._is_here = True
        return Training(losses, steps)

    def mix(self, round: int) -> Spread:
        if not self._stays:
            return super().mix(round)
        if self._kept_rows is None or (self._schedule.period != 1 and self._kept_rows[0] != round):
            self._kept_rows = round, rows_of(self._schedule, round).to(self._device)
        tiles = columns_of(len(self._models), self._size, self._device)
        self._is_here = False
        return total(mix_tile(self._models[:, tile], self._kept_rows[1], self._mean[tile]) for tile in tiles)

    def score(self) -> tuple[tuple[Metrics, ...], Metrics]:
        assert self._scorer is not None, "scored only where there is a test part"
        if not self._stays:
            self._models[:, : self._size] = torch.from_numpy(self.params).to(self._device)
            mean = torch.from_numpy(self.average()).to(self._device)
        else:
            mean = self._mean
        own = self._scorer.scores(self._models[:, : self._size])
        return tuple(own), self._scorer.scores(mean[None])[0]

    def average(self) -> Vector:
        self.fetch()
        return super().average()

    @property
    def models(self) -> Tensor:
        """All peers' models on the device, float32 (n, P)."""
        return self._models[:, : self._size]

    def fetch(self) -> None:
        """Bring the models over to `params`."""
        if not self._is_here:
            self.params[:] = self.models.cpu().numpy()
            self._is_here = True

    def score_of(self, params: Vector) -> Metrics:
        assert self._scorer is not None, "scored only where there is a test part"
        return self._scorer.scores(torch.from_numpy(np.array(params)).to(self._device)[None])[0]


def columns_of(count: int, size: int, device: torch.device) -> list[slice]:
    """The columns of `count` models of `size` values that are mixed at once on a device."""
    width = max(NARROWEST, ROOM[device.type] // (16 * count))
    return [slice(begin, min(begin + width, size)) for begin in range(0, size, width)]


def require_room(count: int, size: int, device: torch.device, where: str) -> None:
    """Refuse more models than the device's free memory holds beside what it works with.

    Raises
    ------
    ContractError
        With the number that would fit. `where` is the contract's file.
    """
    if device.type != "cuda":
        return
    free, _ = torch.cuda.mem_get_info(device)
    each = 4 * size
    if each * count + 2 * ROOM["cuda"] > free:
        raise ContractError(
            f"the models of {count} peers take {each * count / 1e9:.1f} GB of the GPU's memory, and "
            f"{free / 1e9:.1f} GB are free, {2e-9 * ROOM['cuda']:.0f} of them to work with",
            where=where,
            fix=f"take {max(0, free - 2 * ROOM['cuda']) // each} peers or fewer, or --device cpu",
        )
