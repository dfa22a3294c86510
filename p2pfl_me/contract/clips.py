"""The section `data`: how clips are split and dealt, and the built-in drawn ones."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from p2pfl_me.choice import Fraction, Part, PositiveInt


class Synthetic(Part):
    """The built-in drawn faces, used where no `--data` is given."""

    subjects: Annotated[int, Field(ge=2)] = 48
    clips_per_subject: PositiveInt = 14
    amplitude: Annotated[float, Field(gt=0, le=4)] = 1.0


class Partition(Part):
    """How a local swarm deals the training subjects to the peers. Deployed peers bring their own data.

    `alpha` belongs to dirichlet (shares of the subjects) and labels (shares of each class's clips).
    """

    by: Literal["subject", "dataset", "dirichlet", "labels"] = "subject"
    alpha: Annotated[float, Field(gt=0)] = 0.5


class Data(Part):
    """Hints for preparing data; the fractions are of subjects."""

    test_fraction: Fraction = 0.25
    validation_fraction: Fraction = 0.0
    partition: Partition = Partition()
    synthetic: Synthetic = Synthetic()

    @model_validator(mode="after")
    def _leave_some(self) -> Data:
        if self.test_fraction + self.validation_fraction >= 1 or math.isclose(
            self.test_fraction + self.validation_fraction, 1
        ):
            raise ValueError("test_fraction + validation_fraction leave nothing to train on")
        return self
