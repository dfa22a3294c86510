"""Mixing alone: the cores of real peers draw together as steeply as the graph predicts, whatever its kind."""

from __future__ import annotations

import numpy as np
import pytest

from p2pfl_me.compare.grid import Group
from p2pfl_me.compare.mixing import mixing_of, mixings_of
from p2pfl_me.compare.skew import AS_WRITTEN
from p2pfl_me.contract import Contract
from p2pfl_me.gossip.kind import fitting_protocol
from p2pfl_me.report.comparison_mixing import mixing_blocks
from p2pfl_me.report.document import Table
from p2pfl_me.report.mixing import Mixing, exact_after, reaches, slope_of
from p2pfl_me.topology import schedule_of, spectral_figures
from p2pfl_me.topology.kind import TOPOLOGIES
from p2pfl_me.topology.spectral import EPS

APPROACH = ("ring", "line", "star", "random", "torus", "small_world", "regular", "hypercube", "exponential")
APPROACH += ("epidemic", "epidemic_local", "equi_static", "equi_dynamic", "edges")
EXACT = {"mesh": 1, "base": 3, "one_peer_exponential": 3}


def contract(kind: str, peers: int = 8, **gossip: object) -> Contract:
    values = {
        "version": 1,
        "name": kind,
        "topology": {"kind": kind, **TOPOLOGIES[kind].example(peers)},
        "peers": {"loopback": {"count": peers}},
        "gossip": {"protocol": fitting_protocol(TOPOLOGIES.of(kind, **TOPOLOGIES[kind].example(peers))), **gossip},
    }
    return Contract.model_validate(values)


def test_every_kind_is_tried() -> None:
    assert {*APPROACH, *EXACT} == {*TOPOLOGIES}


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", APPROACH)
def test_measured_slopes_are_the_predicted_ones(kind: str) -> None:
    # With a power of two, random distances around the circle now and then meet the exact mean.
    agreed = contract(kind, 12 if kind == "equi_dynamic" else 8)
    mixing = mixing_of(kind, agreed)
    slope = slope_of(mixing)
    assert slope is not None
    assert slope.ratio == pytest.approx(1, abs=0.1)
    # Not only the slope: the whole course, up to the chance of the vectors that were drawn.
    np.testing.assert_allclose(mixing.measured, mixing.predicted, rtol=0.1)
    if not agreed.topology.one_way and schedule_of(agreed).period == 1:
        assert slope.measured == pytest.approx(spectral_figures(schedule_of(agreed)).beta, rel=0.05)


@pytest.mark.parametrize("kind", EXACT)
def test_finite_time_is_exact_just_then(kind: str) -> None:
    mixing = mixing_of(kind, contract(kind))
    assert exact_after(mixing.measured) == exact_after(mixing.predicted) == EXACT[kind]
    assert slope_of(mixing) is None


@pytest.mark.thorough
def test_per_byte_one_peer_and_base_are_far_ahead_of_the_ring() -> None:
    def megabytes(kind: str) -> float:
        mixing = mixing_of(kind, contract(kind, 16))
        goal = reaches(mixing.measured)
        assert goal is not None and mixing.measured[goal] <= EPS
        return float(mixing.megabytes[goal])

    ring = megabytes("ring")
    assert megabytes("base") < ring / 20
    assert megabytes("one_peer_exponential") < ring / 20  # although a push-sum message is a float64 sum


def test_gradient_tracking_without_gradients_only_mixes_twice_the_bytes() -> None:
    plain, tracking = (mixing_of(name, contract("ring", 6, protocol=name)) for name in ("dpsgd", "gradient_tracking"))
    np.testing.assert_allclose(tracking.measured, plain.measured, rtol=1e-3)
    assert tracking.megabytes[-1] == pytest.approx(2 * plain.megabytes[-1], rel=0.01)


def test_protocols_that_do_more_than_mix_are_named_and_left_out() -> None:
    groups = [
        Group(name, name, AS_WRITTEN, AS_WRITTEN.name, agreed)
        for name, agreed in (
            ("ring", contract("ring", 4)),
            ("ring, slower", contract("ring", 4).model_copy(update={"seed": 2})),
            ("ring, int8", contract("ring", 4, compression="int8")),
            ("ring, swift", contract("ring", 4, protocol="swift")),
        )
    ]
    found, left_out = mixings_of(groups)
    assert [(each.name, each.alike) for each in found] == [("ring", ("ring, slower",))]
    table, *_ = mixing_blocks(found, left_out)
    assert isinstance(table, Table) and "ring, slower: mixed as ring is. Without a line" in table.caption
    assert left_out == ("ring, int8", "ring, swift")


def test_slopes_by_hand() -> None:
    course = 0.8 ** np.arange(30.0)
    steep = Mixing("x", 0.5 ** np.arange(30.0), course, np.arange(30.0))
    slope = slope_of(steep)
    assert slope is not None
    assert slope.predicted == pytest.approx(0.8) and slope.measured == pytest.approx(0.5)
    assert slope.ratio == pytest.approx(np.log(0.5) / np.log(0.8))
    assert reaches(course) is None and reaches(steep.measured) == 10
    assert exact_after(course) is None
    assert exact_after(np.array([1, 0.5, 1e-8])) == 2


def test_a_slope_is_of_the_second_half_of_the_rounds_above_rounding() -> None:
    """On a line that bends, so that every other choice of rounds gives another slope."""
    predicted = np.array([1.0, 0.5, 0.2, 0.1, 0.02, 9e-6])
    measured = np.array([1.0, 0.4, 0.3, 0.2, 0.03, 2e-6])
    slope = slope_of(Mixing("bent", measured, predicted, np.arange(6.0)))
    assert slope is not None
    assert slope.predicted == pytest.approx((0.02 / 0.2) ** 0.5) and slope.measured == pytest.approx(
        (0.03 / 0.3) ** 0.5
    )
    assert slope_of(Mixing("short", measured[:1], predicted[:1], np.arange(1.0))) is None, "one round has no slope"
