"""The numbers of a report against scikit-learn, against hand counts, and under missing peers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.learning.metrics import uf1
from p2pfl_me.report.methods import Method, course_of
from p2pfl_me.report.results import (
    Arm,
    PeerCurves,
    chance_uf1,
    extremes,
    final_scores,
    mean_confusion,
    over_seeds,
    part_of,
    people_of,
    score_curves,
    spread,
    subject_interval,
)
from p2pfl_me.report.run import read_run
from p2pfl_me.report.score_picture import score_picture
from p2pfl_me.run.events import Scores
from tests.report.fixture import Recipe, by_person, write_run

SMALL = {"count": 3, "rounds": 4, "classes": ("a", "b", "c"), "support": (5, 4, 3)}


def test_chance_is_the_score_of_the_constant_answer_over_the_runs_that_have_clips(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", **SMALL))
    without = read_run(write_run(tmp_path / "without", **SMALL, part=None))
    share = 5 / 12
    assert chance_uf1([run, without]) == pytest.approx(2 * share / (1 + share) / 3)
    assert chance_uf1([without]) is None


def test_the_interval_holds_the_score_narrows_with_people_and_does_not_change() -> None:
    matrix = np.array([[20, 5, 1], [4, 12, 2], [1, 3, 9]])
    few = np.array(by_person(matrix, 12))
    interval, many = subject_interval([few]), subject_interval([np.concatenate([few] * 25)])
    assert interval and many
    assert interval.low < uf1(matrix) < interval.high
    assert many.high - many.low < (interval.high - interval.low) / 3
    assert subject_interval([few]) == interval == subject_interval([few, few]), "the same people are drawn for both"
    assert subject_interval([]) is None and subject_interval([matrix[None]]) is None


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"lab": ((0, 1, 3), (3, 4))},
        {"lab": ((0, 2, 4, 1), (3, 4))},
        {"lab": ((-1, 2), (3, 4))},
        {"lab": ((0, 5, 0, -3), (3, 4))},
        {"lab": ((0, 2), (3, 3))},
        {"lab": ((0, 2, 3, 4),), "other": ((0, 1),)},
    ],
)
def test_answers_by_person_that_are_not_those_of_the_matrix_are_none(
    told: dict[str, tuple[tuple[int, ...], ...]],
) -> None:
    sound = Scores(confusion=((2, 0), (0, 4)), by_subject={"lab": ((0, 2), (3, 4))})
    found = people_of(sound)
    assert found is not None and found.tolist() == [[[2, 0], [0, 0]], [[0, 0], [0, 4]]]
    assert people_of(replace(sound, by_subject=told)) is None


def test_a_mean_is_over_the_peers_present() -> None:
    nan = float("nan")
    curves = PeerCurves((0, 1, 2), (4, 7), np.array([[0.2, 0.4], [0.5, nan], [nan, nan]]))
    np.testing.assert_allclose(curves.mean(), [0.3, 0.5, nan])
    assert curves.final() == {4: 0.5, 7: 0.4}


def test_final_scores_of_every_arm(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", **SMALL, killed={2: 1}))
    assert part_of(run) == "test"
    gossip = final_scores(run, Arm.GOSSIP, "uf1")
    assert set(gossip) == {0, 1, 2}
    first = run.peers[2].rounds[0].test
    assert first is not None and gossip[2] == first.uf1
    assert set(final_scores(run, Arm.ISOLATED, "uar")) == {0, 1, 2}
    assert set(final_scores(run, Arm.POOLED, "accuracy")) == {-1} == set(final_scores(run, Arm.AVERAGE, "uf1"))
    assert score_curves(run, "uf1").values.shape == (4, 3)
    matrix = mean_confusion(run)
    assert matrix is not None and matrix.sum() == pytest.approx(12)


def test_without_a_test_set_there_are_no_scores(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", **SMALL, part=None))
    assert part_of(run) is None and final_scores(run, Arm.GOSSIP, "uf1") == {} and mean_confusion(run) is None
    assert score_curves(run, "loss").values.shape == (4, 3)


def test_spread_over_seeds(tmp_path: Path) -> None:
    runs = [read_run(write_run(tmp_path / str(seed), **SMALL, seed=seed)) for seed in (1, 2)]
    found = over_seeds(runs, Arm.GOSSIP, "uf1")
    means = [np.mean(list(final_scores(run, Arm.GOSSIP, "uf1").values())) for run in runs]
    assert found is not None and found.seeds == 2 and found.std is not None
    assert found.mean == pytest.approx(np.mean(means)) and found.std == pytest.approx(np.std(means, ddof=1))
    ends = extremes(runs, Arm.GOSSIP, "uf1")
    assert ends is not None and ends[0].mean <= found.mean <= ends[1].mean
    assert extremes(runs, Arm.POOLED, "uf1") is None
    assert spread([]) is None and spread([0.5]).std is None  # type: ignore[union-attr]


def test_seeds_without_a_round_in_common_have_no_course(tmp_path: Path) -> None:
    runs = [read_run(write_run(tmp_path / str(seed), count=3, rounds=3, seed=seed)) for seed in (1, 2)]
    together = course_of(Method("m", tuple(runs)))
    assert together is not None and together.rounds == (1, 2, 3)
    for number, keep in ((0, {0, 1}), (1, {1, 2})):
        for path in sorted((tmp_path / str(number + 1)).glob("peer-*.jsonl")):
            lines = [line for line in path.read_text().splitlines() if json.loads(line).get("round", 1) in keep]
            path.write_text("\n".join(lines) + "\n")
    found = [read_run(tmp_path / str(seed)) for seed in (1, 2)]
    both = course_of(Method("m", tuple(found)))
    assert both is not None and both.rounds == (2,) and both.std[0] > 0
    for path in sorted((tmp_path / "1").glob("peer-*.jsonl")):
        lines = [line for line in path.read_text().splitlines() if json.loads(line).get("round", 0) == 0]
        path.write_text("\n".join(lines) + "\n")
    apart = course_of(Method("m", (read_run(tmp_path / "1"), found[1])))
    assert apart is None


def test_a_course_of_training_losses_holds_nobodys_loss_on_test_clips(tmp_path: Path) -> None:
    scored = read_run(write_run(tmp_path / "run", Recipe(count=3, rounds=2)))
    mute = [replace(log, rounds=tuple(replace(each, test=None) for each in log.rounds)) for log in scored.peers]
    run = replace(scored, peers=tuple(mute))
    assert part_of(run) is None and run.average is not None and run.average.get("loss") is not None
    picture = score_picture(run)
    assert picture is not None and picture.header[-1] == "loss"
    assert {row[0] for row in picture.rows} == {"gossip", "gossip mean"}
