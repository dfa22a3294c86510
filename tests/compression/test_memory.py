"""Compressions with a memory: in step while both apply the same, and anew (never wrong) when they have not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.compression import Chunked, EdgeState, Power, TopK
from p2pfl_me.compression.chunked import _Chunks
from p2pfl_me.compression.power import _orthonormal
from p2pfl_me.errors import WireError
from p2pfl_me.message import Vector
from tests.compression.pairs import ALL, REMEMBERING, SHAPES, SIZE, ends, meet, model

FAULTS = ["none", "low lost all", "high lost all", "low only", "high only", "low from old checkpoint"]


def in_step(low: EdgeState, high: EdgeState) -> bool:
    mine, theirs = low.save(), high.save()
    names = {"own": "theirs", "theirs": "own"}
    swapped = {names.get(name, name): array for name, array in theirs.items()}
    return mine.keys() == swapped.keys() and all(np.array_equal(mine[key], swapped[key]) for key in mine)


@pytest.mark.few(2)
@pytest.mark.parametrize("name", REMEMBERING)
@given(faults=st.lists(st.sampled_from(FAULTS), max_size=8))
@settings(max_examples=40)
def test_ends_fall_out_of_step_and_find_back(name: str, faults: list[str]) -> None:
    low, high = ends(ALL[name])
    x, y = model(1), model(2)
    old = low.save()
    round = 0
    for fault in faults:
        sent, received = low.encode(round, x), high.encode(round, y)
        low.check(round, received)
        high.check(round, sent)
        at_low = at_high = np.zeros(SIZE, np.float32)
        if fault != "high only":
            at_low = low.exchange(round, x, sent, received)
        if fault != "low only":
            at_high = high.exchange(round, y, received, sent)
        if fault not in {"low only", "high only"}:
            np.testing.assert_allclose(at_low, -at_high, rtol=0, atol=1e-5)
        # A correction out of a memory that the other does not share would be of the size of the models.
        assert np.abs(at_low).max() < 2 * np.abs(y - x).max()
        if fault == "low lost all":
            low = ends(ALL[name])[0]
        if fault == "high lost all":
            high = ends(ALL[name])[1]
        if fault == "low from old checkpoint":
            low.load(old)
        if len(faults) % 2:
            old = low.save()
        round += 1
    for _ in range(3):
        meet(round, low, high, x, y)
        round += 1
    assert in_step(low, high) and low.save()


@pytest.mark.parametrize("name", REMEMBERING)
def test_the_round_of_a_mismatch_corrects_nothing(name: str) -> None:
    low, high = ends(ALL[name])
    x, y = model(1), model(2)
    for round in range(5):
        meet(round, low, high, x, y)
    low = ends(ALL[name])[0]
    for correction in meet(5, low, high, x, y):
        assert not correction.any()
    assert low.save() == high.save() == {}


@pytest.mark.parametrize("changes", ["low", "high"])
def test_an_old_memory_with_the_right_number_of_exchanges_is_found_out(changes: str) -> None:
    low, high = ends(TopK(fraction=0.1))
    x, y = model(1), model(2)
    for round in range(3):
        meet(round, low, high, x, y)
    old = low.save()
    low = ends(TopK(fraction=0.1))[0]
    meet(3, low, high, x, y)
    for round in range(4, 7):
        meet(round, low, high, x + (changes == "low"), y + (changes == "high"))
    low.load(old)
    for correction in meet(7, low, high, x, y):
        assert not correction.any()


def test_choco_pulls_as_before_after_one_end_lost_its_state() -> None:
    low, high = ends(TopK(fraction=0.1))
    x, y = model(1), model(2)
    mean = (x + y) / 2
    for round in range(120):
        if round == 20:
            low = ends(TopK(fraction=0.1))[0]
        at_low, at_high = meet(round, low, high, x, y)
        x, y = x + at_low / 2, y + at_high / 2
    np.testing.assert_allclose(x, mean, atol=2e-3)
    np.testing.assert_allclose(y, mean, atol=2e-3)


def test_choco_sends_later_what_was_left_out() -> None:
    low, high = ends(TopK(fraction=0.1, gamma=1.0))
    x, y = model(1), np.zeros(SIZE, np.float32)
    meet(0, low, high, x, y)
    moved = model(3)
    for round in range(1, 40):
        correction = meet(round, low, high, moved, y)[1]
    np.testing.assert_allclose(correction, moved, atol=1e-6)


@pytest.mark.parametrize("name", ["topk", "chunked", "chunked-signs"])
def test_what_both_ends_begin_with_is_never_sent(name: str) -> None:
    base = model(1)
    low, high = ALL[name].edge(3, 8, 7, SIZE, base=base), ALL[name].edge(8, 3, 7, SIZE, base=base.copy())
    change = model(2, scale=0.01)
    assert len(low.encode(0, base + change)) < 2 * SIZE / 3 < len(ends(ALL[name])[0].encode(0, base))
    for correction in meet(0, low, high, base, base):
        assert not np.abs(correction).max() > 1e-20, "nobody has moved"
    at_low, at_high = meet(1, low, high, base + change, base)
    np.testing.assert_array_equal(at_low, -at_high)
    assert 0 < np.abs(at_low).max() < 0.1


@pytest.mark.parametrize("name", ["topk", "chunked"])
def test_ends_that_began_with_other_models_see_it_and_correct_nothing(name: str) -> None:
    low, high = ALL[name].edge(3, 8, 7, SIZE, base=model(1)), ALL[name].edge(8, 3, 7, SIZE, base=model(2))
    for correction in meet(0, low, high, model(3), model(4)):
        assert not correction.any()
    alone = ALL[name].edge(3, 8, 7, SIZE, base=model(1))
    for correction in meet(0, alone, ends(ALL[name])[1], model(3), model(4)):
        assert not correction.any()
    meet(1, low, high, model(3), model(4))
    assert in_step(low, high) and low.save()


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_more_bits_are_nearer(bits: int) -> None:
    change = model(5, 5000)
    coder = _Chunks(Chunked(fraction=1, bits=bits), 5000)
    _, values = coder.decode(np.frombuffer(coder.encode(change), np.uint8))
    # What the best uniform quantiser of a normal value leaves (Max, 1960), and a few per cent for chunks of 256.
    least = {1: 0.3634, 2: 0.1188, 3: 0.03744, 4: 0.01154}[bits]
    assert least * 0.85 < np.mean((change - values) ** 2) / np.mean(change**2) < least * 1.1


def test_a_chunk_sends_its_own_largest_however_small_beside_others() -> None:
    change = np.concatenate([np.full(256, 1e-6, np.float32), model(1, 256, 100.0), model(2, 40)])
    change[7] = 1e-4
    coder = _Chunks(Chunked(fraction=0.05, bits=2), change.size)
    places, _ = coder.decode(np.frombuffer(coder.encode(change), np.uint8))
    assert isinstance(places, np.ndarray) and 7 in places
    assert [int(((places >= low) & (places < low + 256)).sum()) for low in (0, 256, 512)] == [13, 13, 2]


def test_a_sum_of_sane_changes_may_be_absurd() -> None:
    low, high = ends(TopK(fraction=0.1))
    x = np.full(SIZE, 9000, np.float32)
    meet(0, low, high, x, x)
    with pytest.raises(WireError):
        high.check(1, low.encode(1, x + 2000))


def test_power_finds_a_difference_of_low_rank() -> None:
    rng = np.random.default_rng(0)
    shapes = ((30, 20), (11,))
    x = rng.normal(size=611).astype(np.float32)
    low_rank = (rng.normal(size=(30, 2)) @ rng.normal(size=(2, 20))).reshape(-1)
    difference = np.concatenate([low_rank, rng.normal(size=11)]).astype(np.float32)
    low, high = ends(Power(rank=2), 611, shapes=shapes)
    meet(0, low, high, x, x + difference)
    # A random basis, then the column space itself: exact from the second exchange on.
    correction, _ = meet(1, low, high, x, x + difference)
    np.testing.assert_allclose(correction, difference, atol=1e-4)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_power_never_makes_models_differ_more(seed: int) -> None:
    low, high = ends(ALL["power"])
    x, y = model(seed), model(seed + 1)
    for round in range(8):
        before = np.linalg.norm(x - y)
        at_low, at_high = meet(round, low, high, x, y)
        x, y = x + at_low / 2, y + at_high / 2
        assert np.linalg.norm(x - y) <= before * (1 + 1e-6)
    np.testing.assert_allclose(x[384:400], y[384:400], atol=1e-6)


@pytest.mark.parametrize(
    "columns",
    [np.zeros((6, 3)), np.ones((6, 3)), np.eye(6)[:, [0, 0, 1]], np.full((6, 3), 1e-30)],
)
def test_a_basis_is_always_orthonormal(columns: Vector) -> None:
    spare = np.random.default_rng(0).normal(size=(6, 3))
    for others in (spare, columns):
        basis = _orthonormal(columns, others)
        np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-6)


def test_power_sends_vectors_and_small_matrices_whole() -> None:
    low, high = ends(Power(rank=5))
    x, y = model(1), model(2)
    correction, _ = meet(0, low, high, x, y)
    for place in (slice(384, 400), slice(400, 480), slice(480, 485)):
        np.testing.assert_allclose(correction[place], (y - x)[place], atol=1e-6)


def test_shapes_of_another_model_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="485"):
        Power().limit(486, SHAPES)


@pytest.mark.parametrize("shape", [(128, 2048)])
def test_power_is_small(shape: tuple[int, ...]) -> None:
    head = (shape, (128,), (7, 128), (7,))
    assert Power(rank=1).limit(263_175, head) == 8 + 4 * (2048 + 128 + 128 + 7)


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.25])
def test_the_limit_of_top_k_is_the_whole_model_that_an_edge_begins_with(fraction: float) -> None:
    compressor = TopK(fraction=fraction)
    for size in (40, 1000, 263_175):
        low, _ = ends(compressor, size=size)
        assert len(low.encode(0, model(1, size))) == compressor.limit(size), "reached and not passed"
