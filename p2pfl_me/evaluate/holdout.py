"""The protocols by name, and what each holds out."""

from __future__ import annotations

from enum import StrEnum

FOLDS = 5
"""Folds of `kfold` unless told otherwise, and of the frame split: a fifth is tested, as in the founding paper."""
LEAK = "subjects leak"
"""Written on everything that comes from a split in which a subject is on both sides."""


class HoldOut(StrEnum):
    """How clips are held out."""

    LOSO = "loso"
    KFOLD = "kfold"
    LAB = "leave-one-lab"
    SINGLE = "single"
    FRAMES = "frames"

    @property
    def leaks(self) -> bool:
        """Whether one subject may be in training and in the test."""
        return self is HoldOut.FRAMES

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    HoldOut.LOSO: "leave one subject out",
    HoldOut.KFOLD: "subjects in folds",
    HoldOut.LAB: "leave one data set out",
    HoldOut.SINGLE: "leave one subject out within each data set alone",
    HoldOut.FRAMES: f"random samples held out ({LEAK})",
}
