"""What two ends on different machines and versions rely on: the same draws, bytes and limits, as literals."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from p2pfl_me.compression import COMPRESSIONS, Chunked, Fragments, Jwins, Power, TopK, sparse
from p2pfl_me.compression.history import EMPTY, next_tag
from p2pfl_me.compression.jwins import padded
from p2pfl_me.compression.limits import require_sane
from p2pfl_me.compression.sparse import count_of, largest
from p2pfl_me.compression.streams import Edge
from p2pfl_me.contract.gossip import Gossip
from p2pfl_me.errors import WireError
from tests.compression.pairs import ends, meet, model


@pytest.mark.parametrize(
    ("kind", "options", "refused"),
    [
        ("fragments", {"parts": 1}, "parts"),
        ("fragments", {"parts": 1001}, "parts"),
        ("power", {"rank": 0}, "rank"),
        ("power", {"rank": 65}, "rank"),
        ("chunked", {"fraction": 0.0}, "fraction"),
        ("chunked", {"fraction": 1.01}, "fraction"),
        ("chunked", {"bits": 0}, "bits"),
        ("chunked", {"bits": 5}, "bits"),
        ("chunked", {"gamma": 0.0}, "gamma"),
        ("chunked", {"gamma": 1.01}, "gamma"),
        ("topk", {"fraction": 0.0}, "fraction"),
        ("topk", {"fraction": 1.01}, "fraction"),
        ("topk", {"gamma": 0.0}, "gamma"),
        ("topk", {"gamma": 1.01}, "gamma"),
        ("jwins", {"fractions": []}, "fractions"),
        ("jwins", {"fractions": [0.0]}, "fractions"),
        ("jwins", {"fractions": [1.01]}, "fractions"),
        ("jwins", {"fractions": [0.5] * 65}, "fractions"),
    ],
)
def test_options_out_of_bounds_are_refused(kind: str, options: dict[str, Any], refused: str) -> None:
    with pytest.raises(ValueError, match=refused):
        Gossip.model_validate({"compression": {"kind": kind, **options}})


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("fragments", {"parts": 1000}),
        ("power", {"rank": 64}),
        ("topk", {"fraction": 1.0, "gamma": 1.0}),
        ("chunked", {"fraction": 1.0, "bits": 4, "gamma": 1.0}),
        ("chunked", {"fraction": 1e-9, "bits": 1}),
        ("jwins", {"fractions": [1.0] * 64}),
    ],
)
def test_and_the_bounds_themselves_are_taken(kind: str, options: dict[str, Any]) -> None:
    Gossip.model_validate({"compression": {"kind": kind, **options}})


def test_a_step_that_nobody_wrote_is_twice_the_fraction() -> None:
    for kind in (TopK, Chunked):
        assert [kind(fraction=fraction).step for fraction in (0.01, 0.1, 0.25, 0.6)] == [0.02, 0.2, 0.5, 1.0]
    assert TopK(fraction=0.1, gamma=0.7).step == 0.7


SHAPES = ((128, 10), (10,), (4, 3, 5), (50,))
SIZE = 1400


@pytest.mark.parametrize(
    ("compression", "limit"),
    [
        (TopK(fraction=0.1), 8 + 2 * SIZE),
        (TopK(fraction=1.0), 8 + 4 + 2 * SIZE + SIZE // 8 + 3),
        # Nothing is coded before the first exchange: that payload is the longest.
        (Chunked(), 8 + 2 * SIZE),
        (Chunked(fraction=1.0, bits=4), 8 + 2 * SIZE),
        (Fragments(parts=4), 4 * 64 * 6),
        (Fragments(parts=2), 4 * 64 * 11),
        (Jwins(), 1 + 2 * 1408),
        (Jwins(fractions=(0.98,)), 1 + 4 + 2 * 1380 + 182 + 3),
        (Power(), 8 + 4 * (128 + 10 + 4 + 50)),
        (Power(rank=3), 8 + 4 * (3 * 128 + 10 + 3 * 4 + 50)),
        (Power(rank=9), 8 + 4 * (9 * 128 + 10 + 60 + 50)),
        (Power(rank=10), 8 + 4 * (10 * 128 + 10 + 60 + 50)),
    ],
)
def test_a_limit_is_what_the_longest_payload_has_and_no_more(compression: Any, limit: int) -> None:
    assert compression.limit(SIZE, SHAPES) == limit
    low, high = ends(compression, SIZE, shapes=SHAPES)
    longest = 0
    for round in range(6):
        x, y = model(round, SIZE), model(round + 50, SIZE)
        longest = max(longest, len(low.encode(round, x)), len(high.encode(round, y)))
        meet(round, low, high, x, y)
    assert 0.9 * limit <= longest <= limit


def test_shapes_that_are_not_the_models_are_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="shapes of 1400 values for a model of 1401"):
        Power().limit(1401, SHAPES)


@pytest.mark.parametrize(
    ("kind", "digests"),
    [
        ("chunked", ("2215b45fb1f7", "180407c2cc89")),
        ("float16", ("65af9a286b20", "144b94f6b2aa")),
        ("fragments", ("f0666585b5af", "03cb8feee214")),
        ("int4", ("b96ec1aaf959", "a48be6173fe0")),
        ("int8", ("a3058b8b3a6c", "7e42038654bf")),
        ("topk", ("2215b45fb1f7", "01e12358b064")),
    ],
)
def test_payloads_are_the_same_bytes_on_every_machine(kind: str, digests: tuple[str, str]) -> None:
    low, high = ends(COMPRESSIONS.of(kind), 20_000)
    found = []
    for round in range(2):
        x, y = (np.sin(np.arange(20_000, dtype=np.float32) % 97 * shift).round(3) for shift in (1 + round, 3 + round))
        found.append(hashlib.sha256(low.encode(round, x) + high.encode(round, y)).hexdigest()[:12])
        meet(round, low, high, x, y)
    assert tuple(found) == digests


def test_both_ends_draw_the_same_words_and_no_others_do() -> None:
    edge = Edge(3, 8, 7, 100)
    assert [hex(word) for word in edge.words(2, "cut-off", 4, 3)] == ["0x4545275e265fd180", "0x78f777d4b873b9dd"]
    np.testing.assert_array_equal(edge.words(9, "x", 1), Edge(8, 3, 7, 100).words(9, "x", 1))
    for other in (Edge(3, 9, 7, 100), Edge(4, 8, 7, 100), Edge(3, 8, 6, 100)):
        assert (other.words(9, "x", 1) != edge.words(9, "x", 1)).all()
    assert edge.is_low and not Edge(8, 3, 7, 100).is_low
    assert next_tag(edge, b"mine", b"yours") == next_tag(Edge(8, 3, 7, 100), b"yours", b"mine") != EMPTY
    assert next_tag(edge, b"mine", b"yours") != next_tag(edge, b"yours", b"mine")


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_value_is_sane_up_to_the_largest_weight_and_not_beyond(dtype: Any) -> None:
    most = dtype(10_000)
    require_sane(np.array([most, -most, 0, -0.0], dtype))
    require_sane(np.array([], dtype))
    for bad in (np.nextafter(most, dtype(20_000)), dtype(np.inf), dtype(np.nan)):
        for value in (bad, -bad):
            with pytest.raises(WireError, match="not a number, or beyond 10000"):
                require_sane(np.array([0, value, 1], dtype))


def test_a_fraction_is_at_least_one_value_and_at_most_all() -> None:
    assert [count_of(0.1, size) for size in (1, 4, 5, 25, 1000)] == [1, 1, 1, 2, 100]
    assert count_of(1.0, 7) == 7 and count_of(0.999, 7) == 7


def test_the_largest_come_first_and_of_equal_ones_the_first() -> None:
    scores = np.array([0.5, 2.0, 2.0, 0.0, 2.0, np.nan, 1.0], np.float32)
    chosen = {count: largest(scores, count).tolist() for count in range(1, 8)}
    assert chosen == {
        1: [5],
        2: [1, 5],
        3: [1, 2, 5],
        4: [1, 2, 4, 5],
        5: [1, 2, 4, 5, 6],
        6: [0, 1, 2, 4, 5, 6],
        7: [0, 1, 2, 3, 4, 5, 6],
    }


def test_a_transform_is_padded_to_sixteenths_and_at_least_48() -> None:
    assert [padded(size) for size in (1, 48, 49, 64, 65)] == [48, 48, 64, 64, 80]


@pytest.mark.parametrize(("count", "size"), [(1, 1), (1, 10**6), (5, 5), (100, 1000), (263, 263_175)])
def test_a_sparse_payload_never_exceeds_what_is_stated_and_comes_near(count: int, size: int) -> None:
    spaced = np.linspace(size // count - 1, size - 1, count).astype(np.int64)
    body = sparse.encode(spaced, np.ones(count, np.float32))
    assert len(body) <= sparse.most_bytes(count, size) <= len(body) + 4 + count // 3
    indices, values = sparse.decode(np.frombuffer(body, np.uint8), count, size)
    np.testing.assert_array_equal(indices, spaced)
    assert (values == 1).all()
