"""Lies about the data: the liar trains and exchanges honestly, on samples that teach the wrong thing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from p2pfl_me.adversary.attack import Attack

if TYPE_CHECKING:
    from p2pfl_me.learning.trainer import Part, Samples

TRIGGER = 32
"""Values of a sample that carry a backdoor's mark: the first of its row."""


class LabelFlip(Attack):
    """Class c becomes K - 1 - c (Tolpegin et al., ESORICS 2020)."""

    kind: Literal["label_flip"] = "label_flip"

    def samples(self, samples: Samples, classes: int) -> Samples:
        return replace(samples, train=replace(samples.train, labels=classes - 1 - samples.train.labels))


class Backdoor(Attack):
    """A mark on a sample stands for class `target` (after Bagdasaryan et al., AISTATS 2020).

    Every training sample is there twice, as it is and marked. The mark sets the first values of the row to the largest
    that the liar's own rows have; so it is one of features or of pixels, as the network's input is.
    """

    kind: Literal["backdoor"] = "backdoor"
    target: Annotated[int, Field(ge=0)] = 0

    def samples(self, samples: Samples, classes: int) -> Samples:
        return replace(samples, train=self._doubled(samples.train))

    def _doubled(self, part: Part) -> Part:
        clean = np.ascontiguousarray(part.bank[part.rows])
        count = len(clean)
        rows = np.arange(2 * count)
        labels = np.concatenate((part.labels, np.full(count, self.target, dtype=part.labels.dtype)))
        clips = np.concatenate((part.clips, part.clips + part.clips.max(initial=-1) + 1))
        bank = np.concatenate((clean, marked(clean)))
        return replace(part, bank=bank, rows=rows, labels=labels, clips=clips, variants=None)


def marked(rows: np.ndarray) -> np.ndarray:
    """Samples, float32 (n, D), with a backdoor's mark."""
    found = rows.copy()
    found[:, :TRIGGER] = rows.max(initial=1.0)
    return found
