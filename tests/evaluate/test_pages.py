"""Pages, cards and tables of evaluations of other kinds than `test_approved` shows, word by word, as approved."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2pfl_me.errors import DataError
from p2pfl_me.evaluate import beside, results, tables
from p2pfl_me.evaluate.answers import gather
from p2pfl_me.evaluate.beside import write_beside
from p2pfl_me.evaluate.cost import gather_course
from p2pfl_me.evaluate.course import Course, Turn
from p2pfl_me.evaluate.design import Design
from p2pfl_me.evaluate.document import compose
from p2pfl_me.evaluate.folder import is_evaluation
from p2pfl_me.evaluate.folds import make_split
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.items import Items
from p2pfl_me.evaluate.outcome import Guesses, Outcome
from p2pfl_me.evaluate.results import Results, Took
from p2pfl_me.evaluate.tables import peer_table
from p2pfl_me.evaluate.train import Bench, _refuse_leak
from p2pfl_me.evaluate.units import FoldUnit
from p2pfl_me.evaluate.write import texts
from p2pfl_me.learning.statistics import difference, interval
from p2pfl_me.learning.trainer import Labels, Part
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.style import house_style
from tests.evaluate.making import clip, without_page
from tests.evaluate.making import request as make_request
from tests.report.approving import approve, page_words
from tests.small import CLASSES

PEERS, SUBJECTS, CLIPS, ROUNDS = 2, 6, 4, 3


@pytest.fixture(autouse=True)
def few_draws_and_round_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words and places are looked at here; bounds of intervals and sizes of messages have tests of their own."""
    for where in (results, beside):
        for function in (interval, difference):
            if hasattr(where, function.__name__):
                monkeypatch.setattr(where, function.__name__, partial(function, draws=200))
    monkeypatch.setattr(
        "p2pfl_me.evaluate.card.model_bytes", lambda found: 1_000_000 - 999 * bool(found.gossip.personal)
    )


Errors = Mapping[Arm, float]


def evaluation(
    folder: Path,
    labs: tuple[str, ...],
    protocol: HoldOut,
    errors: Errors,
    *overrides: str,
    target: float | None = None,
    seeds: int = 1,
    **changes: Any,
) -> Results:
    """Subjects dealt to two peers in turn; each model of an arm is wrong as often as `errors` says."""
    clips = tuple(
        clip(lab, subject, subject * CLIPS + number, CLASSES[(subject * number) % 3])
        for lab in labs
        for subject in range(SUBJECTS)
        for number in range(CLIPS)
    )
    labels = np.array([CLASSES.index(each.label) for each in clips])
    peer_of = np.array([place // CLIPS % PEERS for place in range(len(clips))])
    split = make_split(clips, protocol, folds=3, seed=1)
    held = sorted(item for fold in split.folds for item in fold.test)
    nothing = Part(np.zeros((1, 1), np.float32), np.zeros(len(clips), np.int64), labels, np.arange(len(clips)))
    asked = make_request(folder, *overrides, protocol=protocol, target=target, seeds=seeds)
    dealt = {seed: {"all": peer_of} for seed in asked.all_seeds}
    digests = ("c" * 64, "f" * 64, "0" * 64)
    design = Design(asked, asked.contract, Items(clips, labels, nothing), split, dealt, *digests, "", True, ())
    random = np.random.default_rng(0)

    def said(arm: Arm) -> tuple[int, ...]:
        wrong = random.random(len(labels)) < errors[arm]
        return tuple(np.where(wrong, random.integers(0, 3, len(labels)), labels)[held].tolist())

    answers, courses = [], []
    for seed in asked.all_seeds:
        guesses = [Guesses(arm, peer, tuple(held), said(arm)) for arm in (Arm.ISOLATED, Arm.GOSSIP) for peer in (0, 1)]
        guesses += [Guesses(arm, -1, tuple(held), said(arm)) for arm in (Arm.AVERAGE, Arm.POOLED)]
        answers.append(gather(seed, [Outcome(tuple(guesses), {}, None, 0.0)], [peer_of], len(clips), PEERS))
        turns = [Turn({peer: list(said(Arm.GOSSIP)) for peer in (0, 1)}, 4e6 * n, 0.25 * n) for n in range(1, ROUNDS)]
        turns.append(Turn({guess.peer: list(guess.classes) for guess in guesses[2:4]}, 4e6 * ROUNDS, 0.25 * ROUNDS))
        course = gather_course(seed, [Course(tuple(held), tuple(turns))] if target else [], len(clips), PEERS)
        courses += [course] if course else []
    steps = {Arm.GOSSIP: 1200, Arm.ISOLATED: 600, Arm.POOLED: 1100}
    took = tuple(
        Took(FoldUnit(seed, fold), steps, 0.02 * (fold + 1), 700.0)
        for seed in asked.all_seeds
        for fold in range(len(split.folds))
    )
    return Results(replace(design, **changes), tuple(answers), took, 12.34, "p2pme evaluate", tuple(courses))


USUAL = {Arm.ISOLATED: 0.7, Arm.GOSSIP: 0.4, Arm.AVERAGE: 0.3, Arm.POOLED: 0.1}
SAME = dict.fromkeys(USUAL, 0.5)


def frames(folder: Path) -> Results:
    seen = "weights were trained on subjects of 3 of 24 clips"
    return evaluation(folder, ("A",), HoldOut.FRAMES, USUAL, target=0.2, seen=seen)


def own_peer(folder: Path) -> Results:
    personal = ("gossip.personal=last_layer", "gossip.compression=topk")
    return evaluation(folder, ("A", "B"), HoldOut.KFOLD, SAME, *personal, target=0.99, seeds=2, known=False)


def one_set(folder: Path) -> Results:
    """Of unknown weights, few clips a class, whose gossip peers are one model with their average."""
    weights = f"model.weights={{source: file, sha256: {'a' * 64}}}"
    found = evaluation(folder, ("A",), HoldOut.LOSO, USUAL, weights, known=False)
    (each,) = found.answers
    one = replace(each, models={**each.models, Arm.GOSSIP: np.repeat(each.models[Arm.AVERAGE], PEERS, axis=0)})
    return replace(found, answers=(one,), took=tuple(replace(unit, distance=1e-8) for unit in found.took))


def short(value: Any) -> Any:
    """Floats as they could be printed anywhere: the last bits may differ between machines."""
    if isinstance(value, dict):
        return {key: short(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [short(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def words(found: Results) -> str:
    with house_style():
        document = compose(found)
    files = texts(found)
    card = json.loads(files["card.json"])
    for name in ("versions", "machine", "written", "contract", "digests", "images", "network"):
        del card[name]
    lines = [line for line in files["card.md"].split("```yaml")[0].splitlines() if not VOLATILE.match(line)]
    heads = [f"{name}: {len(text.splitlines())}" for name, text in files.items()]
    course = files.get("course.csv", "").splitlines()
    tone = [str(fact) for fact in document.facts]
    parts = [page_words(document), json.dumps(short(card), indent=0), *lines, *heads[1:], *course, *tone]
    return "\n".join(parts) + "\n"


VOLATILE = re.compile(r"- (versions|machine|written|digests|command)")


@pytest.mark.parametrize("kind", [frames, own_peer, one_set], ids=lambda kind: kind.__name__.replace("_", "-"))
def test_page_card_and_tables_of(kind: Any, tmp_path: Path) -> None:
    approve(f"evaluation-{kind.__name__.replace('_', '-')}", words(kind(tmp_path)))


def test_a_table_of_several(tmp_path: Path) -> None:
    """Of three with costs to a target, of which one keeps parts at home, and one that was asked for none."""
    labs = ("A", "B")
    topk, home = "gossip.compression=topk", "gossip.personal=last_layer"
    every = {
        "good": evaluation(tmp_path, labs, HoldOut.LOSO, {**USUAL, Arm.GOSSIP: 0.3}, target=0.3),
        "bad": evaluation(tmp_path, labs, HoldOut.LOSO, {**USUAL, Arm.GOSSIP: 1.0}, target=0.9),
        "like": evaluation(tmp_path, labs, HoldOut.LOSO, {**USUAL, Arm.GOSSIP: 0.35}, topk),
        "small": evaluation(tmp_path, labs, HoldOut.LOSO, {**USUAL, Arm.GOSSIP: 0.4}, home),
    }
    folders = []
    for name, found in every.items():
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        without_page(found, folders[-1])
    write_beside(folders, tmp_path / "page")
    write_beside(folders[:2], tmp_path / "two", ["one", "one"])
    read = [(tmp_path / page / name).read_text() for page in ("page", "two") for name in NAMES]
    approve(
        "evaluations-beside", "\n".join(re.sub(r"\d\.\d{5,}", lambda n: f"{float(n[0]):.5f}", each) for each in read)
    )


NAMES = ("report.md", "beside.csv", "differences.csv")


def test_subjects_whose_peer_was_not_asked_leave_their_arms_out(tmp_path: Path) -> None:
    found = own_peer(tmp_path)
    (first, second) = found.answers

    def asked(models: Mapping[Arm, Labels]) -> dict[Arm, Labels]:
        return {**models, Arm.GOSSIP_OWN_PEER: np.where(np.arange(48) == 5, -1, models[Arm.GOSSIP_OWN_PEER])}

    assert Arm.GOSSIP_OWN_PEER in found.arms and found.by_own_peer
    partly = replace(found, answers=(first, replace(second, models=asked(second.models))))
    assert Arm.GOSSIP_OWN_PEER not in partly.arms and not partly.by_own_peer and partly.shared is Arm.GOSSIP


def test_of_many_peers_the_first_are_shown_and_the_others_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = frames(tmp_path)
    for most, shown, other in ((1, 1, " The other 1 stand in scores.csv."), (2, 2, ""), (3, 2, "")):
        monkeypatch.setattr(tables, "MOST_PEERS", most)
        table = peer_table(found)
        assert [row[0] for row in table.rows] == ["peer 0", "peer 1"][:shown]
        assert table.caption.endswith(f"before any is held out.{other}")


def test_an_evaluation_is_finished_when_card_and_answers_are_there(tmp_path: Path) -> None:
    for name in ("card.json", "predictions.csv"):
        assert not is_evaluation(tmp_path)
        (tmp_path / name).write_text("")
    assert is_evaluation(tmp_path)
    (tmp_path / "card.json").unlink()
    assert not is_evaluation(tmp_path)


@pytest.mark.parametrize("protocol", [HoldOut.LOSO, HoldOut.FRAMES])
def test_whoever_is_held_out_and_trained_on_is_refused_where_the_training_begins(
    tmp_path: Path, protocol: HoldOut
) -> None:
    design = evaluation(tmp_path, ("A",), protocol, USUAL).design
    fold = design.split.folds[0]
    bench = Bench(design.contract, design.items, design.split, {}, np.zeros(0, np.float32))
    _refuse_leak(bench, fold)
    (first, *_), leaks = fold.test, replace(fold, train=(*fold.train, fold.test[0]))
    with pytest.raises(DataError, match=f"{f'item {first}' if protocol.leaks else 'A/0'} is held out and trained on"):
        _refuse_leak(bench, leaks)
    if not protocol.leaks:  # another clip of the same person
        others = replace(fold, test=fold.test[:1], train=(*fold.train, *fold.test[1:]))
        with pytest.raises(DataError, match="A/0 is held out and trained on in A/0"):
            _refuse_leak(bench, others)
