"""Who was not asked enters no mean: models that sit a fold out, seeds without answers, data sets nobody holds out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.evaluate.answers import Answers
from p2pfl_me.evaluate.card import card_markdown, run_card
from p2pfl_me.evaluate.design import Design
from p2pfl_me.evaluate.document import compose
from p2pfl_me.evaluate.folds import make_split
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.items import Items
from p2pfl_me.evaluate.results import SCORES, Results, Took
from p2pfl_me.evaluate.tables import class_table, field_table, p_words, peer_table, triple_table
from p2pfl_me.evaluate.units import FoldUnit
from p2pfl_me.evaluate.write import texts
from p2pfl_me.learning.metrics import present_mean
from p2pfl_me.learning.statistics import by_model, difference, interval, mean_counts, statistic
from p2pfl_me.learning.trainer import Part
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.numbers import csv_rows
from p2pfl_me.report.style import house_style
from tests.evaluate.making import clip
from tests.evaluate.making import request as make_request
from tests.evaluate.test_statistics import counts
from tests.small import CLASSES

LABS = ("A", "B", "C")
SUBJECTS, CLIPS = 4, 6


def three_labs(
    tmp_path: Path,
    wrong: dict[Arm, set[int]] | None = None,
    distance: float = 0.1,
    shown: dict[str, int] | None = None,
    people: dict[str, int] | None = None,
) -> Results:
    """Leave one lab out with a lab a peer: each sits its own fold out, and is right wherever it was asked.

    `wrong` names the peers of an arm (0 of an arm of one model) whose answers are all of the next class. Labs show
    three classes by four people each, or as many as `shown` and `people` say.
    """
    shown, people = shown or {}, people or {}
    clips = tuple(
        clip(lab, subject, subject * CLIPS + number, CLASSES[number % shown.get(lab, 3)])
        for lab in LABS
        for subject in range(people.get(lab, SUBJECTS))
        for number in range(CLIPS)
    )
    labels = np.array([CLASSES.index(each.label) for each in clips])
    lab = np.array([LABS.index(each.dataset) for each in clips])
    nothing = Part(np.zeros((1, 1), np.float32), np.zeros(len(clips), np.int64), labels, np.arange(len(clips)), None)
    asked = make_request(tmp_path, protocol=HoldOut.LAB, peers="dataset", seeds=2)
    design = Design(
        asked,
        asked.contract.model_copy(update={"peers": asked.contract.peers.model_copy()}),
        Items(clips, labels, nothing),
        make_split(clips, HoldOut.LAB, folds=5, seed=1),
        {seed: {"all": lab} for seed in (1, 2)},
        "c" * 64,
        "f" * 64,
        "0" * 64,
        "",
        False,
        (),
    )
    peers = np.where(lab == np.arange(3)[:, None], -1, labels)
    models = {Arm.ISOLATED: peers, Arm.GOSSIP: peers, Arm.AVERAGE: labels[None], Arm.POOLED: labels[None]}
    home = {Arm.ISOLATED_OWN_PEER: np.full((1, len(clips)), -1), Arm.GOSSIP_OWN_PEER: np.full((1, len(clips)), -1)}
    for arm, rows in (wrong or {}).items():
        models[arm] = models[arm].copy()
        for row in rows:
            models[arm][row] = np.where(models[arm][row] < 0, -1, (models[arm][row] + 1) % 3)
    answers = tuple(Answers(seed, {**models, **home}) for seed in (1, 2))
    took = tuple(
        Took(FoldUnit(seed, fold), {}, distance if fold else None, 1.0) for seed in (1, 2) for fold in range(3)
    )
    return Results(design, answers, took, 1.0, "p2pme evaluate")


def test_a_peer_that_sat_a_fold_out_takes_nothing_from_those_that_were_asked(tmp_path: Path) -> None:
    results = three_labs(tmp_path)
    for arm in results.arms:
        for dataset in ("", *LABS):
            for metric in SCORES:
                score = results.score(arm, metric, dataset)
                assert score is not None, (arm, dataset)
                assert (score.mean, score.interval.low, score.interval.high) == (1, 1, 1), (arm, dataset, metric)
                assert score.seeds == (1, 1) and score.worst in (None, 1) and score.std == 0
            assert results.class_f1(arm, dataset).tolist() == [1, 1, 1]
        np.testing.assert_array_equal(results.confusion(arm), np.diag(results.support()))
    assert [each.mean for _, _, each in results.differences()] == [0, 0, 0, 0]
    assert results.distance() == pytest.approx(0.1), "a fold that measured none has no part in it"


def test_no_page_table_card_or_file_prints_another_number(tmp_path: Path) -> None:
    results = three_labs(tmp_path)
    for table in (triple_table(results), field_table(results), class_table(results), peer_table(results)):
        cells = [cell for row in table.rows if not row[0].startswith("always") for cell in row[1:]]
        scores = {cell for cell in cells if "." in cell}
        assert scores <= {"1.000", "1.000 ± 0.000", "1.000 [1.00, 1.00]", "1.000 to 1.000"}, table
    card = run_card(results)
    for found in (card["scores"], *card["scores_by_dataset"].values()):
        for scores in found.values():
            assert [scores[metric]["mean"] for metric in SCORES] == [1, 1, 1] and set(scores["class_f1"].values()) == {
                1
            }
    assert "NaN" not in json.dumps(card) and "nan" not in card_markdown(card)
    files = texts(results)
    rows = csv_rows(files["scores.csv"])
    assert {row["score"] for row in rows} == {"1"}
    held_out = {(row["peer"], row["dataset"]) for row in rows if row["arm"] == "gossip" and row["dataset"] != "all"}
    assert held_out == {(str(peer), lab) for peer in range(3) for lab in LABS if LABS[peer] != lab}
    with house_style():
        document = compose(results)
    assert "UF1 of 1.000" in document.verdict


def test_the_worst_peer_is_the_worst_of_those_asked(tmp_path: Path) -> None:
    results = three_labs(tmp_path, {Arm.GOSSIP: {2}})
    everywhere, there = results.score(Arm.GOSSIP, "uf1"), results.score(Arm.GOSSIP, "uf1", "C")
    assert everywhere is not None and (everywhere.worst, everywhere.mean) == (0, pytest.approx(2 / 3))
    assert there is not None and (there.worst, there.mean) == (1, 1), "peer C was not asked about its own clips"
    np.testing.assert_array_equal(results.confusion(Arm.GOSSIP).sum(axis=1), results.support())


def test_of_many_peers_the_first_are_shown_and_the_others_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2pfl_me.evaluate.tables.MOST_PEERS", 2)
    table = peer_table(three_labs(tmp_path))
    assert [row[0] for row in table.rows] == ["peer 0", "peer 1"]
    assert "The other 1 stand in scores.csv." in table.caption


@pytest.mark.parametrize(("p", "words"), [(1.0, "1.000"), (0.001, "0.001"), (0.00099, "< 0.001"), (0.0, "< 0.001")])
def test_a_small_p_is_not_printed_as_none(p: float, words: str) -> None:
    assert p_words(p) == words


@pytest.mark.thorough
def test_a_data_set_that_nobody_was_asked_about_has_no_score(tmp_path: Path) -> None:
    results = three_labs(tmp_path)
    lab = np.array([each.dataset for each in results.design.items.clips])
    answers = tuple(
        replace(each, models={arm: np.where(lab == "B", -1, rows) for arm, rows in each.models.items()})
        for each in results.answers
    )
    split = results.design.split
    kept = replace(split, folds=tuple(fold for fold in split.folds if fold.name != "B"))
    partly = replace(results, answers=answers, design=replace(results.design, split=kept))
    assert partly.score(Arm.POOLED, "uf1", "B") is None
    assert all(row[3:5] == ("1.000 [1.00, 1.00]",) * 2 for row in field_table(partly).rows)
    assert all(row[5:7] == ("–", "–") for row in field_table(partly).rows)
    assert run_card(partly)["scores_by_dataset"]["B"]["gossip"]["uf1"] is None
    assert {row[3] for row in class_table(partly).rows if row[0].startswith("B")} == {"–"}
    with house_style():
        compose(partly)


def test_numbers_that_are_one_by_construction_are_said_once(tmp_path: Path) -> None:
    words = [row[0] for row in field_table(three_labs(tmp_path)).rows]
    assert len(words) == 4
    one = everybody_asked(three_labs(tmp_path, distance=0.0))
    assert [row[0] for row in field_table(one).rows] == [
        "Isolated peers",
        "Gossip peers = Average of the gossip models",
        "Pooled training",
    ]
    assert "numbers are the same" in field_table(one).caption
    apart = everybody_asked(three_labs(tmp_path, {Arm.AVERAGE: {0}}, distance=0.0))
    assert len(field_table(apart).rows) == 4, "answers that differ are two rows, whatever the distance says"
    assert one.one_model and one.agreed and not apart.one_model and not apart.agreed
    for named, is_one in ((-1, True), (0, False), (1, False)):
        first = one.answers[0].models[Arm.GOSSIP].copy()
        first[2, 1] = named  # by a peer about a clip of the second class
        told = replace(one.answers[0], models={**one.answers[0].models, Arm.GOSSIP: first})
        asked = replace(one, answers=(told, one.answers[1]))
        assert (asked.one_model, asked.agreed) == (is_one or bool(one.design.items.labels[1] == named), named == 1)


def everybody_asked(results: Results) -> Results:
    """The same, of labs whose peers sit nothing out."""
    labels = results.design.items.labels
    full = {Arm.GOSSIP: np.tile(labels, (3, 1)), Arm.ISOLATED: np.tile(labels, (3, 1))}
    return replace(results, answers=tuple(replace(each, models={**each.models, **full}) for each in results.answers))


def test_one_model_whose_peers_sat_folds_out_has_numbers_of_its_own(tmp_path: Path) -> None:
    """The model is wrong about lab A alone: two of three peers were asked there, and all but one elsewhere."""
    results = three_labs(tmp_path, distance=0.0)
    lab = np.array([LABS.index(each.dataset) for each in results.design.items.clips])
    labels = results.design.items.labels
    said = np.where(lab == 0, (labels + 1) % 3, labels)
    rows = np.where(lab == np.arange(3)[:, None], -1, said)
    answers = tuple(
        replace(each, models={**each.models, Arm.GOSSIP: rows, Arm.AVERAGE: said[None]}) for each in results.answers
    )
    one = replace(results, answers=answers)
    gossip, average = one.score(Arm.GOSSIP, "accuracy"), one.score(Arm.AVERAGE, "accuracy")
    assert gossip is not None and gossip.mean == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert average is not None and average.mean == pytest.approx(2 / 3)
    table = field_table(one)
    assert len(table.rows) == 4 and "sat out" in table.caption and "numbers are the same" not in table.caption


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 2),
    st.sampled_from(list(SCORES)),
)
def test_somebody_absent_changes_no_mean(seed: int, models: int, place: int, seeds: int, metric: str) -> None:
    score = SCORES[metric]
    there = [counts(seed + each, models, 4, 3) for each in range(seeds)]
    beside = [counts(seed + 99 + each, models, 4, 3) for each in range(seeds)]
    absent = [np.insert(each, min(place, models), 0, axis=0) for each in there]
    also = [np.insert(each, min(place, models), counts(seed, 1, 4, 3)[0], axis=0) for each in beside]
    assert statistic(absent, score) == pytest.approx(statistic(there, score))
    assert np.isnan(by_model(absent[0], score)[min(place, models)])
    one, other = interval(absent, score, 200), interval(there, score, 200)
    assert one is not None and other is not None
    assert (one.low, one.high) == (pytest.approx(other.low), pytest.approx(other.high))
    np.testing.assert_allclose(mean_counts(absent), mean_counts(there))
    with_absent, without = difference(absent, also, draws=200), difference(there, beside, draws=200)
    assert with_absent is not None and without is not None
    assert (with_absent.mean, with_absent.p) == (pytest.approx(without.mean), without.p)
    # A seed in which nobody was asked is no seed.
    empty = np.zeros_like(there[0])
    assert statistic([*there, empty], score) == pytest.approx(statistic(there, score))
    np.testing.assert_allclose(mean_counts([*there, empty]), mean_counts(there))


def test_where_nobody_was_asked_there_is_no_number() -> None:
    empty = np.zeros((2, 3, 3, 3), dtype=np.int64)
    assert statistic([empty]) is None and interval([empty]) is None and difference([empty], [empty]) is None
    assert mean_counts([empty]).tolist() == np.zeros((3, 3)).tolist()
    assert np.isnan(present_mean([])) and np.isnan(present_mean([[np.nan]]))
    np.testing.assert_array_equal(present_mean([[1.0, np.nan], [3.0, 5.0]]), [2.0, 5.0])


def test_the_fields_table_says_which_lab_lacks_a_class_and_which_has_one_subject(tmp_path: Path) -> None:
    plain = field_table(three_labs(tmp_path)).caption
    assert "shows" not in plain and "one subject" not in plain
    results = three_labs(tmp_path, shown={"B": 1, "C": 2}, people={"C": 1})
    said = field_table(results).caption
    assert f"No clip of B shows {CLASSES[1]} or {CLASSES[2]}, which counts as 0 in its means" in said
    assert f"No clip of C shows {CLASSES[2]}, which" in said and "of A shows" not in said
    assert "C has one subject, so no interval can be drawn" in said and "B has one" not in said
    for lab, most in (("A", 1.0), ("B", 1 / 3), ("C", 2 / 3)):  # all answers are right: what is said is what is had
        score = results.score(Arm.POOLED, "uf1", lab)
        assert score is not None and score.mean == pytest.approx(most)
        assert most == 1 or f"no more than {most:.3f}" in said
