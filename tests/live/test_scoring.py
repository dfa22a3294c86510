"""Spotted films against their truth: a case counted by hand, and labels through the model's own map."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.errors import DataError
from p2pfl_me.live.film import Film
from p2pfl_me.live.intervals import read_truth
from p2pfl_me.live.naming import Name
from p2pfl_me.live.scoring import in_classes, score_films, score_text
from p2pfl_me.live.whole import Result, Spotted
from p2pfl_me.spotting import metric
from p2pfl_me.spotting.event import Event, Verdict
from p2pfl_me.spotting.interval import Interval, Kind
from p2pfl_me.spotting.regions import Group
from tests.learning.runs import TEXT

ONE, TWO = (Film(Path(name), 30.0, 300) for name in ("one.avi", "two.avi"))
TRUTH = """film,kind,label,onset_s,offset_s
one,micro,Disgust,1.0,1.4
one,micro,happiness,3.0,3.4
one,micro,others,5.0,5.4
one,macro,,7,9
two,micro,repression,1.0,1.4
two,micro,surprise,4.0,4.4
"""


def spotted(onset_s: float, label: str, *, sure: bool = True, verdict: Verdict = Verdict.EXPRESSION) -> Spotted:
    interval = Interval(onset_s, onset_s + 0.4, Kind.MICRO)
    name = Name(label, 0.9 if sure else 0.3, sure)
    return Spotted(1, Event(verdict, interval, onset_s + 0.2, Group.BROWS, 3.0), name)


def test_strs_of_two_films_by_hand(tmp_path: Path) -> None:
    """Five micro-expressions: four are found, one of them by a hair (1.13 to 1.53 over 1.0 to 1.4: .27/.53), surprise
    is missed, one answer is wrong: F1 = 8/10. Named: disgust rightly, happiness not at all, others (which the map
    leaves out) counts for nothing, repression as positive. negative: TP 1, FN 1, F1 2/3; positive: FN 1, FP 1, F1 0;
    their mean is 1/3.
    """
    (tmp_path / "truth.csv").write_text(TRUTH)
    model = contract_from_yaml(TEXT.replace("classes: [negative, positive, surprise]", "label_map: megc3")).model
    truth = in_classes(read_truth(tmp_path / "truth.csv", (ONE, TWO)), model)
    found = [
        (ONE, [spotted(1.13, "negative"), spotted(3.0, "positive", sure=False), spotted(5.0, "surprise")]),
        (TWO, [spotted(1.0, "positive"), spotted(6.0, "negative"), spotted(4.0, "surprise", verdict=Verdict.BLINK)]),
    ]
    scores = score_films(truth, [(film, Result(tuple(events), (), False, "")) for film, events in found])
    assert (scores.micro.tp, scores.micro.fp, scores.micro.fn) == (4, 1, 1)
    assert scores.recognition_f1 == pytest.approx(1 / 3)
    assert scores.strs == pytest.approx(0.8 / 3)
    assert "recognition F1 on true positives 0.3333, STRS 0.2667" in score_text(scores)


def test_labels_that_the_model_does_not_know_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text(TRUTH)
    truth = read_truth(tmp_path / "truth.csv", (ONE, TWO))
    with pytest.raises(DataError) as caught:
        in_classes(truth, contract_from_yaml(TEXT).model)
    assert all(f"'{label}'" in str(caught.value) for label in ("Disgust", "happiness", "others", "repression"))
    assert "'surprise'" not in str(caught.value).replace("negative, positive, surprise", "")


def test_two_films_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text(TRUTH)
    with pytest.raises(DataError, match=r"several films are named one\.avi"):
        read_truth(tmp_path / "truth.csv", (ONE, Film(Path("b/one.avi"), 30.0, 9)))


def test_a_kind_that_is_not_there_has_no_score() -> None:
    counts = metric.Counts(), metric.Counts(2, 0, 1)
    micro, macro, _ = (line.split() for line in score_text(metric.Scores(counts[1], counts[0], None)).splitlines()[1:4])
    assert micro[1:] == ["0.8000", "2", "0", "1", "1.000", "0.667"]
    assert macro[1:] == ["-", "0", "0", "0", "-", "-"], "a 0 would say that it was looked for and missed"
