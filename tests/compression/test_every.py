"""What holds for every compressor: antisymmetry, conserved average, consensus, limits, purity, hostile bytes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.compression import Jwins
from p2pfl_me.errors import WeightsError, WireError
from tests.compression.pairs import ALL, CONSERVING, SIZE, ends, gossip, meet, model, spread

STEPS = {"float16": 2e-4, "int8": 5e-3, "int4": 0.07, "chunked-all": 5e-3, "chunked-signs": 0.05}
"""Formats of few levels keep the spread that their last step leaves; models have values of about 1."""


@pytest.mark.few(4)
@pytest.mark.parametrize("name", CONSERVING)
@given(seed=st.integers(0, 2**32), scale=st.sampled_from([1e-6, 1e-3, 1.0, 100.0]), rounds=st.integers(1, 5))
@settings(max_examples=15)
def test_corrections_cancel(name: str, seed: int, scale: float, rounds: int) -> None:
    low, high = ends(CONSERVING[name], seed=seed % 1000)
    x, y = model(seed, scale=scale), model(seed + 1, scale=scale)
    for round in range(rounds):
        at_low, at_high = meet(round, low, high, x, y)
        assert at_low.dtype == np.float32 and at_low.shape == (SIZE,)
        np.testing.assert_allclose(at_low, -at_high, rtol=0, atol=1e-6 * scale)
        x, y = x + at_low / 3 + model(seed + round, scale=scale / 100), y + at_high / 3


@pytest.mark.few(3)
@pytest.mark.parametrize("name", CONSERVING)
def test_a_ring_comes_to_the_mean(name: str) -> None:
    start = [model(seed) for seed in range(6)]
    near = STEPS.get(name, 1e-3)
    end = gossip(CONSERVING[name], start, 300, until=near)
    np.testing.assert_allclose(np.mean(end, axis=0), np.mean(start, axis=0), atol=2e-4)
    assert spread(end) < near


@pytest.mark.few(5)
@pytest.mark.parametrize("name", ALL)
@given(size=st.integers(1, 600), seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_a_payload_keeps_its_limit(name: str, size: int, seed: int) -> None:
    compressor = ALL[name]
    shapes = ((size // 7, 7), (size % 7,)) if size >= 7 else ((size,),)
    low, high = ends(compressor, size, shapes=shapes)
    x, y = model(seed, size), model(seed + 1, size)
    for round in range(4):
        assert len(low.encode(round, x)) <= compressor.limit(size, shapes)
        at_low, at_high = meet(round, low, high, x, y)
        assert at_low.shape == at_high.shape == (size,)
        x = x + at_low / 3 + model(seed + round, size, 0.01)


@pytest.mark.parametrize("name", ALL)
def test_encoding_changes_nothing(name: str) -> None:
    low, high = ends(ALL[name])
    x, y = model(1), model(2)
    for round in range(3):
        kept = x.copy(), low.save()
        assert low.encode(round, x) == low.encode(round, x)
        np.testing.assert_array_equal(x, kept[0])
        after = low.save()
        assert after.keys() == kept[1].keys()
        for key, array in after.items():
            np.testing.assert_array_equal(array, kept[1][key])
        meet(round, low, high, x, y)


@pytest.mark.parametrize("name", ALL)
def test_equal_models_stay(name: str) -> None:
    low, high = ends(ALL[name])
    x = model(1)
    for round in range(6):
        for correction in meet(round, low, high, x, x.copy()):
            # JWINS compares the other's float16 with its own float32.
            np.testing.assert_allclose(correction, 0, atol=4e-3 if isinstance(ALL[name], Jwins) else 0)


@pytest.mark.parametrize("name", ALL)
def test_a_restart_goes_on_as_if_nothing_had_been(name: str) -> None:
    low, high = ends(ALL[name])
    twin_low, twin_high = ends(ALL[name])
    x, y = model(1), model(2)
    for round in range(6):
        expected = meet(round, low, high, x, y)
        found = meet(round, twin_low, twin_high, x, y)
        np.testing.assert_array_equal(expected, found)
        saved = twin_low.save()
        twin_low = ends(ALL[name])[0]
        twin_low.load(saved)
        x = x + expected[0] / 3 + model(round, scale=0.01)


@pytest.mark.parametrize("name", ALL)
def test_a_foreign_memory_is_refused(name: str) -> None:
    with pytest.raises(WeightsError):
        ends(ALL[name])[0].load({"momentum": np.zeros(3, np.float32)})


@pytest.mark.few(5)
@pytest.mark.parametrize("name", ALL)
@given(data=st.data())
@settings(max_examples=60)
def test_any_bytes_are_refused_or_usable(name: str, data: st.DataObject) -> None:
    low, high = ends(ALL[name])
    rounds = data.draw(st.integers(0, 2))
    for round in range(rounds):
        meet(round, low, high, model(1), model(2))
    honest = bytearray(high.encode(rounds, model(3)))
    match data.draw(st.sampled_from(["noise", "cut", "longer", "flipped"])):
        case "noise":
            payload = data.draw(st.binary(max_size=2 * len(honest)))
        case "cut":
            payload = bytes(honest[: data.draw(st.integers(0, len(honest) - 1))])
        case "longer":
            payload = bytes(honest) + data.draw(st.binary(min_size=1, max_size=40))
        case _:
            for _ in range(data.draw(st.integers(1, 20))):
                honest[data.draw(st.integers(0, len(honest) - 1))] ^= 1 << data.draw(st.integers(0, 7))
            payload = bytes(honest)
    try:
        low.check(rounds, payload)
    except WireError:
        return
    correction = low.exchange(rounds, model(1), low.encode(rounds, model(1)), payload)
    assert correction.shape == (SIZE,) and np.isfinite(correction).all()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2e4, -2e4, 1e30])
def test_a_diverged_model_is_encoded_and_refused(name: str, bad: float) -> None:
    low, high = ends(ALL[name])
    x = np.full(SIZE, bad, np.float32)
    payload = low.encode(0, x)
    with pytest.raises(WireError):
        high.check(0, payload)


@pytest.mark.parametrize("name", ALL)
def test_refusing_takes_little_memory(name: str) -> None:
    low, high = ends(ALL[name])
    meet(0, low, high, model(1), model(2))
    payload = low.encode(1, model(1))[:8] + b"\xff" * 5_000_000
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            high.check(1, payload)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ALL)
def test_what_was_sent_may_lie_in_any_buffer(name: str) -> None:
    low, high = ends(ALL[name])
    twin_low, twin_high = ends(ALL[name])
    for round in range(3):
        x, y = model(round), model(round + 10)
        sent, received = low.encode(round, x), high.encode(round, y)
        high.exchange(round, y, received, sent)
        twin_low.check(round, memoryview(bytearray(received)))
        found = twin_low.exchange(round, x, bytearray(sent), memoryview(bytearray(received)))
        np.testing.assert_array_equal(low.exchange(round, x, sent, received), found)
    assert twin_high.save() == {}
