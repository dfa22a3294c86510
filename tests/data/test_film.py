"""The drawn film shows what it says it shows, when it says so."""

from __future__ import annotations

import csv
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from p2pfl_me.cli.data import data
from p2pfl_me.data.synthetic.expression import PROTOTYPES
from p2pfl_me.data.synthetic.film import GAP_S, LEAD_S, Act, FilmPlan, film_frames, film_seconds, intensity, plan_acts
from p2pfl_me.errors import DataError


def test_acts_follow_one_another_with_neutral_stretches_between() -> None:
    acts = plan_acts(FilmPlan(micro=10, macro=3, blinks=5, turns=4, seed=8))
    assert sorted(act.kind for act in acts) == [Act.BLINK] * 5 + [Act.MACRO] * 3 + [Act.MICRO] * 10 + [Act.TURN] * 4
    assert acts[0].onset_s == LEAD_S
    for before, after in pairwise(acts):
        assert GAP_S[0] <= after.onset_s - before.offset_s <= GAP_S[1]
    for act in acts:
        assert act.onset_s < act.apex_s < act.offset_s
        assert (act.offset_s - act.onset_s <= 0.5) == (act.kind in (Act.MICRO, Act.BLINK))
        assert (act.label in PROTOTYPES) == (act.kind in (Act.MICRO, Act.MACRO))
    assert {act.label for act in acts if act.kind in (Act.MICRO, Act.MACRO)} == set(PROTOTYPES)


def test_an_act_is_whole_at_its_apex_and_gone_outside() -> None:
    for act in plan_acts(FilmPlan(micro=4, macro=2)):
        assert intensity(act, act.apex_s) == pytest.approx(1)
        assert intensity(act, act.onset_s) == intensity(act, act.offset_s) == 0
        assert 0 < intensity(act, (act.onset_s + act.apex_s) / 2) <= 1


def test_frames_are_a_function_of_the_plan() -> None:
    plan = FilmPlan(micro=1, blinks=0, turns=0, fps=10, seed=4)
    one, two = (list(islice(film_frames(plan), 3)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert one[0].shape == (480, 640, 3) and one[0].dtype == np.uint8
    other = next(film_frames(FilmPlan(micro=1, blinks=0, turns=0, fps=10, seed=5)))
    assert not np.array_equal(one[0], other)


def test_the_command_writes_a_film_and_its_truth(tmp_path: Path) -> None:
    out = tmp_path / "film.avi"
    words = ["film", "-o", str(out), "--micro", "1", "--blinks", "1", "--turns", "0", "--fps", "6", "--seed", "2"]
    result = CliRunner().invoke(data, words)
    assert result.exit_code == 0, result.output
    plan = FilmPlan(micro=1, blinks=1, turns=0, fps=6, seed=2)
    capture = cv2.VideoCapture(str(out))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == round(film_seconds(plan) * 6)
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(6)
    with (tmp_path / "film.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["kind"], row["label"], float(row["apex_s"])) for row in rows] == [
        (act.kind.value, act.label, pytest.approx(act.apex_s, abs=1e-3)) for act in plan_acts(plan)
    ]
    again = CliRunner().invoke(data, words)
    assert isinstance(again.exception, DataError) and "is there already" in str(again.exception)
    beside = CliRunner().invoke(data, ["film", "-o", str(tmp_path / "film.mp4")])
    assert isinstance(beside.exception, DataError) and "film.csv: is there already" in str(beside.exception)
    assert not (tmp_path / "film.mp4").exists()
    with (tmp_path / "film.csv").open() as file:
        assert list(csv.DictReader(file)) == rows
    other = CliRunner().invoke(data, ["film", "-o", str(tmp_path / "other.txt")])
    assert isinstance(other.exception, DataError)
