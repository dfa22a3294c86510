"""Peers of different widths: each coordinate is averaged among those that hold it, and only slices travel."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.slices import Sliced, by_width
from p2pfl_me.message import Vector
from p2pfl_me.topology import metropolis_hastings, plan_of
from p2pfl_me.widths import held, hidden_units, holders, sliced

SHAPES = ((8, 5), (8,), (3, 8), (3,))
SIZE = 75
WIDTHS = (0.25, 0.5, 1.0)


def contract(widths: str, topology: str = "{kind: ring}", count: int = 6, more: str = "") -> Contract:
    peers = f"{{loopback: {{count: {count}}}, widths: {widths}}}"
    return contract_from_yaml(f"version: 1\nname: t\ntopology: {topology}\npeers: {peers}\n{more}")


def test_a_slice_is_the_first_hidden_units_and_what_hangs_on_them() -> None:
    mask = held(SHAPES, 0.3)  # ceil(2.4) = 3 of 8
    first, bias, last, out = np.split(mask, [40, 48, 72])
    assert first.reshape(8, 5)[:3].all() and not first.reshape(8, 5)[3:].any()
    assert bias.tolist() == [True] * 3 + [False] * 5
    assert (last.reshape(3, 8) == bias).all() and out.all()
    assert held(SHAPES, 1.0).all()
    assert [hidden_units(width, 128) for width in (0.1, 0.25, 0.5, 1.0)] == [13, 32, 64, 128]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10_000), st.data())
def test_the_average_of_every_value_over_its_holders_is_kept_whatever_is_lost(
    count: int, seed: int, data: st.DataObject
) -> None:
    """Both ends of an edge mix or neither does; then no slice's average moves, and what one lacks stays zero."""
    graph = nx.gnp_random_graph(count, 0.6, seed=seed)
    weights = metropolis_hastings(graph)
    widths = dict(enumerate(data.draw(st.lists(st.sampled_from(WIDTHS), min_size=count, max_size=count))))
    random = np.random.default_rng(seed)
    models = [sliced(SHAPES, widths[peer], random.normal(size=SIZE).astype(np.float32)) for peer in range(count)]
    agreed = [pair for pair in weights if random.random() < 0.7]
    after = mixed(models, widths, {pair: weights[pair] for pair in agreed})
    share = holders(SHAPES, widths.values())
    np.testing.assert_allclose(sum(after) / share, sum(models) / share, atol=1e-6)
    for peer, model in enumerate(after):
        assert not model[~held(SHAPES, widths[peer])].any()
        those = [models[other][held(SHAPES, widths[peer])] for other in range(count)]
        assert np.isfinite(model).all() and np.abs(model).max() <= np.abs(np.stack(those)).max() + 1e-6


def mixed(models: list[Vector], widths: dict[int, float], weights: dict[tuple[int, int], float]) -> list[Vector]:
    ends = {peer: Sliced(by_width(peer, SHAPES, widths)) for peer in widths}
    out = []
    for peer, own in enumerate(models):
        row = {b if a == peer else a: weight for (a, b), weight in weights.items() if peer in (a, b)}
        got = {other: ends[other].pack(peer, 0, models[other]) for other in row}
        assert all(ends[peer].fault(other, 0, content) is None for other, content in got.items())
        assert all(content.size == ends[peer].pack(other, 0, own).size for other, content in got.items())
        out.append(ends[peer].average(own, row, 0, {}, got).params)
    return out


def test_rounds_of_mixing_reach_every_slices_average_at_full_width_a_full_model() -> None:
    graph = nx.circulant_graph(6, [1, 2])
    widths = {0: 1.0, 1: 0.25, 2: 1.0, 3: 0.5, 4: 1.0, 5: 0.5}
    random = np.random.default_rng(1)
    models = [sliced(SHAPES, widths[peer], random.normal(size=SIZE).astype(np.float32)) for peer in range(6)]
    goal = sum(models) / holders(SHAPES, widths.values())
    for _ in range(80):
        models = mixed(models, widths, metropolis_hastings(graph))
    for peer, model in enumerate(models):
        np.testing.assert_allclose(model, sliced(SHAPES, widths[peer], goal), atol=1e-4)


def test_an_edge_carries_what_its_narrower_end_holds() -> None:
    end = Sliced(by_width(0, SHAPES, {0: 0.5, 1: 1.0, 2: 0.25}))
    own = np.arange(SIZE, dtype=np.float32)
    assert [end.pack(peer, 0, own).nbytes for peer in (1, 2)] == [4 * int(held(SHAPES, w).sum()) for w in (0.5, 0.25)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2e4])
def test_bad_slices_are_refused(bad: float) -> None:
    end = Sliced(by_width(0, SHAPES, {0: 1.0, 1: 0.5}))
    good = end.pack(1, 0, np.ones(SIZE, np.float32))
    assert end.fault(1, 0, good) is None
    assert "bytes" in str(end.fault(1, 0, good[:-4]))
    values = good.view("<f4").copy()
    values[3] = bad
    assert "absurd" in str(end.fault(1, 0, values.view(np.uint8)))


@pytest.mark.parametrize(
    ("widths", "more", "says"),
    [
        ("{9: 0.5}", "", "ids go from 0 to 5"),
        ("{0: 0}", "", "greater than 0"),
        ("{0: 0.5, 1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5, 5: 0.5}", "", "nobody who holds the whole model"),
        ("{0: 0.5}", "gossip: {protocol: swift}", "this is swift"),
        ("{0: 0.5}", "gossip: {compression: int8}", "this is int8"),
        ("{0: 0.5}", "gossip: {personal: true}", "this is personal"),
        ("{0: 0.5}", "model: {trainable: block5}", "needs model.trainable: head"),
    ],
)
def test_what_widths_cannot_be_combined_with_is_refused(widths: str, more: str, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        contract(widths, more=more)


def test_holders_that_are_not_connected_are_refused_with_who_should_be_wider() -> None:
    with pytest.raises(ContractError, match=r"width 1 or more.*\{0\} and \{2, 3, 4\}") as caught:
        plan_of(contract("{1: 0.5, 5: 0.5}"))
    assert "give peer 1 width 1" in caught.value.fix
    plan_of(contract("{1: 0.5}"))
    plan_of(contract("{1: 0.5, 5: 0.5}", "{kind: mesh}"))
    plan_of(contract("{0: 0.5, 1: 0.25}"))


@pytest.mark.parametrize("mine", WIDTHS)
@pytest.mark.parametrize("theirs", WIDTHS)
def test_an_answer_that_comes_late_adds_what_it_would_have_added_in_time(mine: float, theirs: float) -> None:
    widths, random = {0: mine, 1: theirs}, np.random.default_rng(0)
    models = {peer: sliced(SHAPES, widths[peer], random.normal(size=SIZE).astype(np.float32)) for peer in widths}
    ends = {peer: Sliced(by_width(peer, SHAPES, widths)) for peer in widths}
    sent = {peer: ends[peer].pack(1 - peer, 3, model) for peer, model in models.items()}
    for peer, own in models.items():
        other = 1 - peer
        assert ends[peer].fault(other, 3, sent[other]) is None
        mixed = ends[peer].average(own, {other: 0.3}, 3, {other: sent[peer]}, {other: sent[other]}).params
        late = ends[peer].correction(other, 3, 0.3, own, sent[peer], sent[other])
        np.testing.assert_allclose(own + late, mixed, atol=1e-6)
        assert late.any() and late.dtype == np.float32
