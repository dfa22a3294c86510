"""A trainer behind its peer's protections: pays before it trains, and gives out nothing that is not covered."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Protocol

import torch

from p2pfl_me.learning.trainer import Trained, Trainer
from p2pfl_me.message import Vector
from p2pfl_me.privacy.accounting import Release
from p2pfl_me.privacy.ledger import Entry
from p2pfl_me.privacy.noising import Cover


class Ledger(Protocol):
    """What of `privacy.ledger.PrivacyLedger` is needed here."""

    def paid(self, round: int) -> int: ...
    def spend(self, round: int, release: Release) -> Entry: ...


class Uncovered:
    """The cover of a model whose gradients are noisy already: DP-SGD's."""

    def __init__(self, release: Release) -> None:
        self._release = release

    def trains(self, round: int) -> bool:
        return True

    def price(self, round: int, again: bool) -> Release | None:
        return self._release

    def over(self, round: int, again: bool, start: Vector, trained: Vector) -> Vector:
        return trained


class GuardedTrainer:
    """A `Trainer`. Without a ledger nothing is counted, which is for those who send nothing."""

    def __init__(self, trainer: Trainer, cover: Cover, ledger: Ledger | None) -> None:
        self._trainer, self._cover, self._ledger = trainer, cover, ledger
        self.evaluate = trainer.evaluate

    @property
    def device(self) -> torch.device:
        return self._trainer.device

    def train(self, params: Vector, round: int) -> Trained:
        """As `FeatureTrainer.train`.

        Raises
        ------
        BudgetSpent
            The round costs more than is left; nothing was trained.
        """
        cover = self._cover
        if not cover.trains(round):
            return Trained(params.copy(), math.nan, 0)
        again = self._ledger is not None and self._ledger.paid(round) > 0
        price = cover.price(round, again)
        spent = self._ledger.spend(round, price) if self._ledger and price else None
        trained = self._trainer.train(params, round)
        return replace(trained, params=cover.over(round, again, params, trained.params), spent=spent)
