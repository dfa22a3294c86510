"""Noise is Gaussian, comes from the operating system, and never twice."""

from __future__ import annotations

import numpy as np
import pytest

from p2pfl_me.privacy import randomness
from p2pfl_me.privacy.randomness import Rehearsed, Stream, System


def test_noise_is_gaussian_of_the_asked_deviation() -> None:
    from scipy import stats  # here, as it takes each process of the tests half a second that collects this file

    out = np.empty(300_001, np.float32)
    Stream(bytes(32)).normal(out, 3.0)
    assert stats.kstest(out / 3, "norm").pvalue > 1e-3
    assert abs(stats.kurtosis(out)) < 0.05 and abs(np.corrcoef(out[:-1], out[1:])[0, 1]) < 0.01


@pytest.mark.parametrize("size", [1, 2, 3, 32_768, 32_769])
def test_every_value_is_drawn_and_none_twice(size: int) -> None:
    stream, first, second = Stream(bytes(32)), np.full(size, np.nan, np.float32), np.empty(size, np.float32)
    stream.normal(first, 1.0)
    stream.normal(second, 1.0)
    assert np.isfinite(first).all() and not (first == second).any()


def test_how_many_values_are_made_at_once_changes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, one_by_one = np.empty(300_001, np.float32), np.empty(300_001, np.float32)
    Stream(bytes(32)).normal(at_once, 2.0)
    monkeypatch.setattr(randomness, "AT_ONCE", 1)
    Stream(bytes(32)).normal(one_by_one, 2.0)
    assert at_once.tobytes() == one_by_one.tobytes()


def test_units_are_drawn_each_by_itself() -> None:
    stream = Stream(bytes(32))
    counts = np.array([len(stream.chosen(40, 0.25)) for _ in range(4000)])
    assert counts.mean() == pytest.approx(10, abs=0.2) and counts.var() == pytest.approx(7.5, abs=0.7)
    assert stream.chosen(5, 1.0).tolist() == [0, 1, 2, 3, 4]


def test_the_system_repeats_nothing_and_a_rehearsal_everything() -> None:
    def drawn(source: System | Rehearsed) -> bytes:
        out = np.empty(8, np.float32)
        source.stream("noise", 1, 2).normal(out, 1.0)
        return out.tobytes()

    assert drawn(System()) != drawn(System())
    assert drawn(Rehearsed(7)) == drawn(Rehearsed(7)) != drawn(Rehearsed(8))
