"""The error bounds of float16, int8 and int4, and what their dither is for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from p2pfl_me.compression import Compression, Float16, Int4, Int8
from p2pfl_me.message import Vector
from tests.compression.pairs import ends, model

WEIGHTS = hnp.arrays(
    np.float32,
    st.integers(1, 700),
    elements=st.floats(-9000, 9000, width=32, allow_subnormal=True),
)


def seen(compressor: Compression, round: int, x: Vector, y: Vector) -> Vector:
    """y as seen by x's end, less x as seen."""
    low, high = ends(compressor, x.size)
    return low.exchange(round, x, low.encode(round, x), high.encode(round, y))


@given(y=WEIGHTS)
@settings(max_examples=60)
def test_float16_is_relative(y: Vector) -> None:
    error = np.abs(seen(Float16(), 0, np.zeros_like(y), y).astype(np.float64) - y)
    assert (error <= np.maximum(np.abs(y) * 2.0**-11, 2.0**-25)).all()


@pytest.mark.parametrize(("compressor", "block", "levels"), [(Int8(), 256, 256), (Int4(), 64, 16)])
@given(y=WEIGHTS, round=st.integers(0, 5))
@settings(max_examples=60)
def test_blocks_err_by_half_a_step(compressor: Compression, block: int, levels: int, y: Vector, round: int) -> None:
    # Next to a model of zeros, whose own step is 2^-100, the correction is the other model as seen.
    found = seen(compressor, round, np.zeros_like(y), y)
    for begin in range(0, y.size, block):
        part = slice(begin, begin + block)
        step = max(2.0**-100, float(np.abs(y[part]).max()) / (levels / 2 - 0.5)) * (1 + 2.0**-7)
        assert np.abs(found[part].astype(np.float64) - y[part]).max() <= 0.5001 * step + 1e-30


@pytest.mark.parametrize(("compressor", "step"), [(Int8(), 1 / 127.5), (Int4(), 1 / 7.5)])
def test_differences_below_a_step_are_mixed_on_average(compressor: Compression, step: float) -> None:
    x = np.clip(model(0, 2048, 0.3), -0.9, 0.9)
    x[::64] = 1
    y = x.copy()
    y[1::2] += np.float32(step / 10)
    rounds = 400
    mean = np.mean([seen(compressor, round, x, y) for round in range(rounds)], axis=0)
    changed, kept = mean[1::2], mean[2::64]
    assert changed.mean() == pytest.approx(step / 10, rel=0.05)
    np.testing.assert_allclose(kept, 0, atol=step / 100)
    # Without dither every single value would come out as 0 or as a whole step.
    assert np.abs(changed - step / 10).max() < step / 8


@pytest.mark.parametrize("compressor", [Int8(), Int4()])
def test_pieces_are_seamless(compressor: Compression) -> None:
    size = 3 * (1 << 14) + 77
    x, y = np.zeros(size, np.float32), model(1, size)
    whole = seen(compressor, 2, x, y)
    assert np.abs(whole - y).max() < (0.02 if compressor.kind == "int8" else 0.35)


def test_lengths_are_as_documented() -> None:
    size = 263_175
    assert Float16().limit(size) == 526_350
    assert Int8().limit(size) == 1029 * 258
    assert Int4().limit(size) == 4113 * 34
    for compressor in (Float16(), Int8(), Int4()):
        assert len(ends(compressor, size)[0].encode(0, model(0, size))) == compressor.limit(size)
