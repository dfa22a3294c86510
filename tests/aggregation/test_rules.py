"""Every rule says what its formula says, in whatever order models come, and no liar leads it away."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from p2pfl_me.aggregation import AGGREGATIONS, Neighbourhood
from p2pfl_me.aggregation.differences import BLOCK, distances, gram
from p2pfl_me.aggregation.rules.mean import Mean
from p2pfl_me.aggregation.selection import middle_of
from p2pfl_me.message import Vector
from tests.aggregation import oracles
from tests.aggregation.oracles import expected

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((kind, {}) for kind in AGGREGATIONS),
    ("trimmed_mean", {"trim": 2}),
    ("trimmed_mean", {"trim": 4}),
    ("krum", {"f": 3}),
    ("multi_krum", {"f": 2, "keep": 3}),
    ("multi_krum", {"f": 1, "keep": 10}),
    ("geometric_median", {"iterations": 3, "smoothing": 0.1}),
    ("clipped_gossip", {"f": 3}),
    ("clipped_gossip", {"radius": 5.0}),
    ("cs_plus", {"f": 4}),
    ("remove_then_clip", {"f": 3}),
    ("nna", {"f": 4}),
    ("balance", {"gamma": 0.6, "alpha": 0.3}),
]
FAR = 100.0
"""How far a liar's values lie from everybody's."""


def ids(value: object) -> str:
    return ",".join(f"{key}={each}" for key, each in value.items()) if isinstance(value, dict) else str(value)


def neighbourhood(
    seed: int, count: int = 9, size: int = 2 * BLOCK + 77, *, liars: int = 0, even: bool = False
) -> Neighbourhood:
    """Peers 0..count; this one is in the middle. Liars are the last ones: all their values are FAR away."""
    random = np.random.default_rng(seed)
    center = random.normal(size=size)
    models = [
        (center + random.uniform(0.1, 0.6) * random.normal(size=size)).astype(np.float32) for _ in range(count + 1)
    ]
    for liar in range(count + 1 - liars, count + 1):
        models[liar] = (models[liar] + FAR * (1 + random.random())).astype(np.float32)
    me = count // 2
    others = [peer for peer in range(count + 1) if peer != me]
    drawn = np.ones(count) if even else random.uniform(0.5, 1.5, count)
    row = {peer: float(share) for peer, share in zip(others, drawn / (drawn.sum() + 1), strict=True)}
    return Neighbourhood(me, 3, 10, models[me], row, {peer: models[peer] for peer in reversed(others)})


@pytest.mark.few(23)
@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=ids)
@pytest.mark.parametrize(("count", "even"), [(9, True), (9, False), (10, False)])
def test_a_rule_is_its_formula(kind: str, options: dict[str, Any], count: int, even: bool) -> None:
    rule = AGGREGATIONS.of(kind, **options)
    for seed, liars in ((1, 0), (2, 1), (3, 2)):
        around = neighbourhood(seed, count, liars=liars, even=even)
        before = {peer: model.copy() for peer, model in around.models.items()}
        found = rule.aggregate(around)
        np.testing.assert_allclose(found.params, expected(rule, around), rtol=0, atol=4e-6 * (FAR if liars else 1))
        assert found.params.dtype == np.float32
        assert found.weights.keys() | found.refused.keys() == around.models.keys()
        assert not found.weights.keys() & found.refused.keys()
        assert 0 <= sum(found.weights.values()) <= 1 + 1e-9
        for peer, model in around.models.items():
            np.testing.assert_array_equal(model, before[peer])
            assert found.distance[peer] == pytest.approx(
                np.linalg.norm(model - around.own) / np.linalg.norm(around.own), rel=1e-5
            )


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=ids)
def test_the_order_of_arrival_changes_no_bit(kind: str, options: dict[str, Any]) -> None:
    rule, around = AGGREGATIONS.of(kind, **options), neighbourhood(4)
    turned = Neighbourhood(around.me, 3, 10, around.own, around.row, dict(sorted(around.models.items())))
    one, other = rule.aggregate(around), rule.aggregate(turned)
    assert one.params.tobytes() == other.params.tobytes() and one.weights == other.weights


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=ids)
def test_who_agrees_with_all_stays_where_they_are(kind: str, options: dict[str, Any]) -> None:
    rule, around = AGGREGATIONS.of(kind, **options), neighbourhood(5)
    alike = Neighbourhood(around.me, 3, 10, around.own, around.row, dict.fromkeys(around.models, around.own))
    np.testing.assert_allclose(rule.aggregate(alike).params, around.own, rtol=1e-6)


WARY = [name for name, kind in AGGREGATIONS.items() if kind.robust and AGGREGATIONS.of(name).least_neighbours]
"""The rules that no few liars can lead astray, and that need neighbours to tell by."""


@pytest.mark.parametrize("kind", WARY)
def test_one_liar_of_nine_moves_every_rule_little_and_the_mean_much(kind: str) -> None:
    """The yardstick is how far apart honest models are; the mean goes a tenth of the liar's way."""
    rule = AGGREGATIONS.of(kind)
    for seed in range(5):
        around = neighbourhood(seed, liars=1, even=True)
        honest = np.stack([model for peer, model in sorted(around.models.items())][:-1])
        spread = max(float(np.linalg.norm(model - around.own)) for model in honest)
        moved = float(np.linalg.norm(rule.aggregate(around).params - around.own))
        assert moved < 1.5 * spread
        assert float(np.linalg.norm(Mean().aggregate(around).params - around.own)) > 5 * spread


@pytest.mark.parametrize("kind", ["trimmed_mean", "median"])
def test_no_value_leaves_what_honest_peers_have(kind: str) -> None:
    rule, around = AGGREGATIONS.of(kind), neighbourhood(6, liars=1)
    honest = np.stack([around.own, *(model for _, model in sorted(around.models.items()))][:-1])
    params = rule.aggregate(around).params
    assert ((honest.min(axis=0) - 1e-5 <= params) & (params <= honest.max(axis=0) + 1e-5)).all()


@pytest.mark.parametrize("kind", WARY)
def test_whom_too_few_have_reached_keeps_its_own_model_and_says_why(kind: str) -> None:
    rule = AGGREGATIONS.of(kind)
    around = neighbourhood(7)
    left = dict(list(around.models.items())[: rule.least_neighbours - 1])
    found = rule.aggregate(Neighbourhood(around.me, 3, 10, around.own, around.row, left))
    assert found.params.tobytes() == around.own.tobytes() and found.params is not around.own
    assert not found.weights and found.refused.keys() == left.keys()
    assert all(f"{kind} needs {rule.least_neighbours}" in reason for reason in found.refused.values())


def test_as_many_as_a_rule_needs_are_enough() -> None:
    for kind, options in VARIANTS:
        rule = AGGREGATIONS.of(kind, **options)
        around = neighbourhood(8, max(1, rule.least_neighbours))
        found = rule.aggregate(around)
        np.testing.assert_allclose(found.params, expected(rule, around), rtol=0, atol=4e-6)
        assert not any("needs" in reason for reason in found.refused.values())


def test_a_neighbour_that_is_missing_leaves_its_weight_at_home() -> None:
    """The rules that go by W do with the rest of the row what the loss rule says."""
    around = neighbourhood(9)
    gone = max(around.models)
    here = {peer: model for peer, model in around.models.items() if peer != gone}
    for kind in ("mean", "clipped_gossip", "cs_plus", "remove_then_clip"):
        found = AGGREGATIONS.of(kind).aggregate(Neighbourhood(around.me, 3, 10, around.own, around.row, here))
        assert gone not in found.weights and gone not in found.refused
        assert all(weight <= around.row[peer] + 1e-9 for peer, weight in found.weights.items())


def test_a_selection_leaves_the_middle_of_whatever_it_is_given() -> None:
    """By the 0-1 principle (Knuth): what is right for all zeros and ones is right for all numbers."""
    for count in range(3, 11):
        columns = np.array(list(itertools.product((0, 1), repeat=count)), np.float32).T.copy()
        ranked = np.sort(columns, axis=0)
        for drop in range(1, (count - 1) // 2 + 1):
            selection = middle_of(count, drop)
            held = [*columns, *np.full((count + 1, columns.shape[1]), np.nan, np.float32)]
            for compare, one, other, into in selection.steps:
                assert into >= count  # models are others'
                compare(held[one], held[other], out=held[into])
            left = np.sort(np.stack([held[place] for place in selection.middle]), axis=0)
            np.testing.assert_array_equal(left, ranked[drop : count - drop])


def test_products_of_differences_are_exact_to_float32() -> None:
    for count, size in ((2, 40), (9, 2 * BLOCK + 77), (23, BLOCK + 5000)):
        around = neighbourhood(1, count, size)
        found = gram(around)
        rows = np.stack([{**around.models, around.me: around.own}[peer] for peer in found.order]).astype(np.float64)
        true = (rows - rows[0]) @ (rows - rows[0]).T
        np.testing.assert_allclose(found.products, true, rtol=0, atol=3e-7 * true.max())
        assert (found.products == found.products.T).all() and found.norm == pytest.approx(np.linalg.norm(around.own))
        far = distances(around)
        assert found.distances.of == pytest.approx(far.of, rel=1e-6)


def test_every_rule_has_its_formula_here() -> None:
    assert [kind for kind in AGGREGATIONS if not callable(getattr(oracles, kind, None))] == []


MODELS: Vector = np.array(
    [[0.5, -1.0, 2.0], [1.0, 0.0, 2.5], [0.0, -0.5, 1.5], [0.8, -0.9, 2.2], [9.0, 7.0, -8.0], [0.4, -1.2, 1.9]],
    dtype=np.float32,
)
"""Row 0 is one's own; row 4 lies."""
ROW = {1: 0.2, 2: 0.1, 3: 0.15, 4: 0.12, 5: 0.13}
BYZFL, GAUCHER = "byzfl 0.0.11", "renaudgaucher/Byzantine-Robust-Gossip 1300c359"
HE, MURMURA = "epfml/byzantine-robust-decentralized-optimizer", "Cloudslab/murmura, balance.py"


@pytest.mark.parametrize(
    ("source", "kind", "options", "published"),
    [
        (BYZFL, "trimmed_mean", {"trim": 1}, [0.675, -0.6, 1.9]),
        (BYZFL, "trimmed_mean", {"trim": 2}, [0.65, -0.7, 1.95]),
        (BYZFL, "median", {}, [0.65, -0.7, 1.95]),
        # Its score counts one model more than the paper's, so its f = 2 is f = 1 here.
        (BYZFL, "krum", {"f": 1}, [0.5, -1.0, 2.0]),
        (BYZFL, "multi_krum", {"f": 1, "keep": 4}, [0.425, -0.9, 1.9]),
        (BYZFL, "geometric_median", {"iterations": 1000}, [0.569944640, -0.881048807, 1.968753514]),
        (BYZFL, "nna", {"f": 1}, [0.54, -0.72, 2.02]),
        (BYZFL, "nna", {"f": 2}, [0.425, -0.9, 1.9]),
        (GAUCHER, "cs_plus", {"f": 1}, [0.565778127, -0.904927024, 1.996736168]),
        (GAUCHER, "clipped_gossip", {"f": 1}, [0.597036208, -0.806767706, 1.977984134]),
        (HE, "clipped_gossip", {"radius": 1.0}, [0.630010863, -0.735243079, 1.970577652]),
        (HE, "trimmed_mean", {"trim": 1}, [0.675, -0.6, 1.9]),
        (MURMURA, "balance", {"gamma": 0.5}, [0.55, -1.025, 2.025]),
        (MURMURA, "balance", {"gamma": 2.0}, [0.525, -0.825, 2.0125]),
    ],
    ids=lambda value: None if isinstance(value, list) else ids(value),
)
def test_values_are_those_of_published_code(
    source: str, kind: str, options: dict[str, Any], published: list[float]
) -> None:
    models = {peer: MODELS[peer] for peer in ROW}
    found = AGGREGATIONS.of(kind, **options).aggregate(Neighbourhood(0, 3, 10, MODELS[0], ROW, models))
    np.testing.assert_allclose(found.params, published, rtol=0, atol=1e-6)
