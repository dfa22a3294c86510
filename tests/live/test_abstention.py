"""The abstention threshold against cases counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from p2pfl_me.live.abstention import FEWEST, NEVER, threshold_of


def two_classes(best: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    first = np.array(best, dtype=np.float32)
    return np.stack((first, 1 - first), axis=1), np.array([0 if each else 1 for each in right])


def test_as_many_are_named_as_can_be_named_well_enough() -> None:
    best = [0.99 - 0.01 * index for index in range(20)]
    right = [True] * 12 + [False] * 3 + [True] * 5
    """12 of 15 are 0.8, and so are 17 of 20: all are named. At 0.81 only the first 14 are: 12 of 14 is 0.857."""
    assert threshold_of(*two_classes(best, right), wanted=0.8) == pytest.approx(0.80)
    assert threshold_of(*two_classes(best, right), wanted=0.855) == pytest.approx(0.86)
    assert threshold_of(*two_classes(best, right), wanted=1.0) == pytest.approx(0.88)


def test_too_few_or_too_bad_name_nothing() -> None:
    assert threshold_of(*two_classes([0.9] * (FEWEST - 1), [True] * (FEWEST - 1))) == NEVER
    assert threshold_of(*two_classes([0.9] * 20, [True, False] * 10)) == NEVER
    assert threshold_of(np.zeros((0, 2), np.float32), np.zeros(0, np.int64)) == NEVER


def test_equal_probabilities_are_named_together() -> None:
    best, right = [0.9] * 10 + [0.7] * 10, [True] * 10 + [True, False] * 5
    assert threshold_of(*two_classes(best, right), wanted=0.8) == pytest.approx(0.9)
    assert threshold_of(*two_classes(best, right), wanted=0.75) == pytest.approx(0.7)
