"""Consensus distance from sketches: near the true distance, and obeying what the mixing matrix predicts."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.report.consensus import Contraction, agreement, contraction_of
from p2pfl_me.report.consensus_picture import consensus_picture
from p2pfl_me.report.methods import Method, closing_of, distances
from p2pfl_me.report.run import read_run
from p2pfl_me.report.style import NARROW, house_style
from p2pfl_me.topology import round_rms, schedule_of
from tests.report.fixture import VALUES, Recipe, contract_text, mixing_matrix, sketch, write_run

SMALL = {"classes": ("a", "b", "c"), "support": (5, 4, 3), "baselines": False}


def contraction(recipe: Recipe) -> Contraction:
    values = np.sort(np.abs(np.linalg.eigvalsh(mixing_matrix(recipe))))[:-1]
    return Contraction(float(values.max()), (float(np.sqrt((values**2).mean())),))


def test_two_peers_have_a_distance_and_a_prediction_and_one_has_none(tmp_path: Path) -> None:
    two = read_run(write_run(tmp_path / "two", **SMALL, count=2, rounds=2, kind="mesh"))
    rows = agreement(two, contraction_of(two))
    assert [row.peers for row in rows] == [2, 2] and all(row.expected is not None for row in rows)
    one = read_run(write_run(tmp_path / "one", **SMALL, count=1, rounds=2, kind="mesh"))
    assert contraction_of(one) is None and agreement(one, None) == ()


def test_a_sketch_keeps_distances() -> None:
    random = np.random.default_rng(3)
    a, b = random.normal(size=(2, VALUES))
    sketches = [np.frombuffer(base64.b64decode(sketch(x)), "<f4") for x in (a, b)]
    assert np.linalg.norm(sketches[0] - sketches[1]) == pytest.approx(np.linalg.norm(a - b), rel=0.1)


def test_measured_and_predicted_distances_of_a_ring(tmp_path: Path) -> None:
    recipe = Recipe(**SMALL, rounds=6)
    rows = agreement(read_run(write_run(tmp_path / "run", recipe)), contraction(recipe))
    assert [row.peers for row in rows] == [10] * 6
    # Before the first round all models are equal, so differences are isotropic and `expected` is exact on average.
    assert rows[0].expected == pytest.approx(rows[0].mixed, rel=0.1)
    for row in rows:
        assert row.bound is not None and row.mixed <= row.bound * 1.001 < row.trained


def test_a_complete_graph_agrees_exactly(tmp_path: Path) -> None:
    recipe = Recipe(**SMALL, kind="mesh", count=4, rounds=2)
    rows = agreement(read_run(write_run(tmp_path / "run", recipe)), contraction(recipe))
    assert all(row.mixed / row.norm < 1e-6 < row.trained / row.norm for row in rows)


def test_the_distance_is_over_the_peers_present(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", Recipe(**SMALL, count=4, rounds=4, killed={0: 1, 1: 3, 2: 3})))
    rows = agreement(run, None)
    assert [(row.round, row.peers, row.bound) for row in rows] == [(1, 4, None), (2, 3, None), (3, 3, None)]


def test_a_distance_is_no_share_of_an_average_model_that_is_zero(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", Recipe(**SMALL, kind="mesh", count=2, rounds=3)))
    opposite = [sketch(sign * np.ones(VALUES)) for sign in (1, -1)]
    ended = [
        replace(log, rounds=(*log.rounds[:-1], replace(log.rounds[-1], sketch_mixed=told)))
        for log, told in zip(run.peers, opposite, strict=True)
    ]
    zero = Method("ends at zero", (replace(run, peers=tuple(ended)),))
    rows = agreement(zero.runs[0], contraction_of(run))
    assert rows[-1].norm == 0 < rows[-1].mixed and rows[-1].share(rows[-1].mixed) is None
    assert rows[0].share(None) is None
    assert closing_of(zero).final is None and [index for index, *_ in distances(zero)] == [1, 2]
    assert consensus_picture(zero.runs[0]) is not None


def test_a_run_of_one_round_ends_as_far_apart_as_that_leaves_it(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", Recipe(**SMALL, count=5, rounds=1)))
    (row,) = agreement(run, contraction_of(run))
    final = closing_of(Method("one", (run,))).final
    assert final is not None and final.mean == pytest.approx(row.mixed / row.norm)
    assert distances(Method("one", (run,))) == ((1, pytest.approx(row.mixed / row.norm), row.share(row.expected)),)


def test_the_prediction_comes_from_the_contracts_graph(tmp_path: Path) -> None:
    found = contraction_of(read_run(write_run(tmp_path / "run", Recipe(**SMALL, rounds=1))))
    expected = contraction(Recipe())
    assert found is not None
    # The closed form for a ring with weights 1/3: (1 + 2 cos(2 pi / n)) / 3.
    assert found.beta == pytest.approx((1 + 2 * np.cos(2 * np.pi / 10)) / 3, abs=1e-9)
    assert found.rms_of(7) == pytest.approx(expected.rms_of(1), abs=1e-9)


def test_a_single_peer_has_no_prediction(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", Recipe(**SMALL, count=1, rounds=1, kind="mesh")))
    assert contraction_of(run) is None and agreement(run, None) == ()


def test_the_caption_speaks_of_lines_that_are_drawn(tmp_path: Path) -> None:
    """Who agrees exactly after every exchange has one line alone: nought has no place on a log axis."""
    for kind, drawn in (("mesh", False), ("ring", True)):
        run = read_run(write_run(tmp_path / kind, Recipe(**SMALL, count=4, rounds=2, kind=kind)))
        picture = consensus_picture(run)
        assert picture is not None
        with house_style():
            named = {text.get_text() for text in picture.figure(NARROW).axes[0].texts}
        assert ("after mixing" in named) is ("lower line" in picture.reading) is drawn
        assert ("predicted" in named) is ("dashed" in picture.reading) is drawn


def test_parts_of_models_are_mixed_by_thinner_graphs_for_which_nothing_is_predicted(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", Recipe(**SMALL, count=5, rounds=1, kind="mesh"))
    assert contraction_of(read_run(folder)) is not None
    with (folder / "contract.yaml").open("a", encoding="utf-8") as file:
        file.write("privacy: {exchange: submodels}\n")
    assert contraction_of(read_run(folder)) is None


def test_a_graph_that_changes_is_predicted_round_by_round(tmp_path: Path) -> None:
    """The report counts rounds from 1, a schedule from 0: row k stands beside the edges of round k - 1."""
    folder = write_run(tmp_path / "run", Recipe(**SMALL, rounds=8))
    changing = contract_text(Recipe(**SMALL, rounds=8, kind="base", extra="meets: 2"))
    (folder / "contract.yaml").write_text(changing, encoding="utf-8")
    run = read_run(folder)
    schedule = schedule_of(run.contract)
    rows = agreement(run, contraction_of(run))
    assert schedule.period == 4 and len(rows) == 8
    for row in rows:
        assert row.bound is None and row.expected is not None
        assert row.expected / row.trained == pytest.approx(round_rms(schedule, row.round - 1), rel=1e-9)
