"""What a score costs, several evaluations in one table, and models of which parts stay home."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace

import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.errors import ContractError, RunError
from p2pfl_me.evaluate import floor
from p2pfl_me.evaluate.beside import write_beside
from p2pfl_me.evaluate.cost import reached
from p2pfl_me.evaluate.run import evaluate
from p2pfl_me.evaluate.variants import evaluate_all, variants_of
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.numbers import csv_rows
from p2pfl_me.simulation.carriage import model_bytes
from tests.evaluate.making import contract, run, without_page
from tests.evaluate.making import request as make_request


@pytest.fixture(autouse=True)
def only_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pfl_me.evaluate.run.write_results", without_page)


@pytest.mark.few(1)
@pytest.mark.parametrize("protocol", ["dpsgd", "push"])
def test_the_course_ends_where_the_evaluation_does_and_counts_every_byte(tmp_path: Path, protocol: str) -> None:
    asked = make_request(tmp_path, f"gossip.protocol={protocol}", "training.rounds=3", target=0.0)
    begun = time.monotonic()
    results = evaluate(asked, Console(io.StringIO()))
    assert results is not None and 0 < results.seconds <= time.monotonic() - begun
    last = results.score(Arm.GOSSIP, "uf1")
    assert last is not None and [step.round for step in results.course] == [1, 2, 3]
    assert results.course[-1].uf1 == pytest.approx(last.mean), "the last round's answers are the evaluation's"
    sent = [step.sent for step in results.course]
    if protocol == "dpsgd":  # two peers, one edge: each sends one model a round
        assert sent == [n * model_bytes(results.design.contract) for n in (1, 2, 3)]
    assert sent == sorted(sent) and sent[0] > 0
    seconds = [step.seconds for step in results.course]
    assert seconds == sorted(seconds) and seconds[0] > 0
    assert results.to_target() == results.course[0] and reached(results.course, 1.1) is None
    card = json.loads((asked.out / "card.json").read_text())
    assert card["cost"]["reached"]["round"] == 1 and card["cost"]["message_bytes"] == model_bytes(
        results.design.contract
    )
    assert [row["round"] for row in csv_rows((asked.out / "course.csv").read_text())] == ["1", "2", "3"]


@pytest.mark.thorough
def test_asking_on_the_way_changes_no_answer(tmp_path: Path) -> None:
    plain = make_request(tmp_path)
    run(plain)
    run(replace(plain, out=tmp_path / "asked", target=0.5))
    assert (tmp_path / "asked" / "predictions.csv").read_bytes() == (plain.out / "predictions.csv").read_bytes()
    with pytest.raises(RunError, match="another contract"):  # finished folds that were not asked cannot say
        run(replace(plain, target=0.5))


def test_parts_that_stay_home_are_judged_by_their_own_subjects(tmp_path: Path) -> None:
    asked = make_request(tmp_path, "gossip.personal=last_layer", target=0.0)
    results = evaluate(asked, Console(io.StringIO()))
    assert results is not None and results.by_own_peer and results.shared is Arm.GOSSIP_OWN_PEER
    assert {first for first, _, _ in results.differences()} <= {Arm.GOSSIP_OWN_PEER}
    own = results.score(Arm.GOSSIP_OWN_PEER, "uf1")
    assert own is not None and results.course[-1].uf1 == pytest.approx(own.mean)
    card = json.loads((asked.out / "card.json").read_text())
    assert card["shared_arm"] == "gossip_own_peer" and set(card["own_peers"]["1"].values()) == {0, 1}


@pytest.mark.thorough
def test_finished_evaluations_stand_in_one_table(tmp_path: Path) -> None:
    asked = make_request(tmp_path, target=0.0)
    variants = variants_of(["gossip.personal=[],last_layer"], ["training.rounds=1"])
    console = io.StringIO()

    def read(overrides: Sequence[str]) -> Contract:
        return contract(*overrides)

    def one(agreed: Contract, folder: Path) -> object | None:
        return evaluate(replace(asked, contract=agreed, out=folder), Console(console))

    assert evaluate_all(variants, ["training.rounds=1"], read, one, asked.out, Console(console)), console.getvalue()
    said = [line.partition("] ")[2] for line in console.getvalue().splitlines()]
    assert [line for line in said if line.startswith("-- ")] == ["-- personal []", "-- personal last_layer"]
    rows = csv_rows((asked.out / "beside.csv").read_text())
    assert [row["name"] for row in rows] == ["personal []", "personal last_layer"]
    for row, folder in zip(rows, ("personal", "personal-last_layer"), strict=True):
        card = json.loads((asked.out / folder / "card.json").read_text())
        assert float(row["gossip"]) == pytest.approx(card["scores"][card["shared_arm"]]["uf1"]["mean"])
        assert int(row["values"]) == card["cost"]["values"] and row["rounds_to_target"] == "1"
    assert int(rows[1]["message_bytes"]) < int(rows[0]["message_bytes"]), "what stays home is not sent"
    (pair,) = csv_rows((asked.out / "differences.csv").read_text())
    assert (pair["first"], pair["second"]) == ("personal []", "personal last_layer")
    assert "not reached" not in (asked.out / "report.md").read_text()


@pytest.mark.thorough
def test_the_paired_difference_is_what_the_answers_say(tmp_path: Path) -> None:
    one = make_request(tmp_path, seeds=2)
    run(one)
    two = replace(one, contract=contract("training.learning_rate=0.03"), out=tmp_path / "two")
    run(two)
    write_beside([one.out, two.out, one.out], tmp_path / "page", ["a", "b", "a"])
    rows = {(row["first"], row["second"]): row for row in csv_rows((tmp_path / "page" / "differences.csv").read_text())}
    scores = {row["name"]: float(row["gossip"]) for row in csv_rows((tmp_path / "page" / "beside.csv").read_text())}
    assert float(rows["a", "b"]["uf1"]) == pytest.approx(scores["a"] - scores["b"])
    assert float(rows["a", "a #2"]["uf1"]) == 0 and float(rows["a", "a #2"]["p"]) == 1


@pytest.mark.thorough
def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    one = make_request(tmp_path)
    run(one)
    other = make_request(tmp_path, subjects=range(6))
    run(replace(other, out=tmp_path / "other"))
    with pytest.raises(RunError, match="evaluation on other clips"):
        write_beside([one.out, tmp_path / "other"], tmp_path / "page")
    with pytest.raises(RunError, match="no finished evaluation lies here"):
        write_beside([one.out, tmp_path], tmp_path / "page")
    (one.out / "card.json").write_text("{}")
    with pytest.raises(RunError, match="damaged, or by another version"):
        write_beside([one.out], tmp_path / "page")


@pytest.mark.parametrize(
    ("varied", "overrides", "words"),
    [
        (["model.backbone"], [], "cannot read"),
        (["seed=1,2"], [], "cannot be varied"),
        (["model.backbone=mlp", "model.backbone=ststnet"], [], "varied twice"),
        (["model.backbone=mlp,mlp"], [], "stands twice"),
        (["model.backbone=mlp"], ["model.backbone=vgg16"], "also set by --set"),
    ],
)
def test_slips_of_vary_are_told(varied: list[str], overrides: list[str], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        variants_of(varied, overrides)


def test_a_wrong_value_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    asked, console = make_request(tmp_path), io.StringIO()

    def read(overrides: Sequence[str]) -> Contract:
        return contract(*overrides)

    def one(agreed: Contract, folder: Path) -> object | None:
        return evaluate(replace(asked, contract=agreed, out=folder), Console(console))

    variants = variants_of(["training.loss=cross_entropy,hinge"], [])
    with pytest.raises(ContractError, match=r"--vary training\.loss"):
        evaluate_all(variants, (), read, one, asked.out, Console(console))
    assert not asked.out.exists()


def test_variants_of_other_classes_are_no_one_task(tmp_path: Path) -> None:
    read = [contract(), contract("model.classes=[a, b]")]
    variants = variants_of(["training.rounds=1,2"], [])
    with pytest.raises(ContractError, match="the classes differ between the variants"):
        evaluate_all(variants, (), lambda _: read.pop(), lambda *_: None, tmp_path, Console(io.StringIO()))


@pytest.mark.parametrize(("seconds", "times"), [(0.2, 3), (0.4, 3), (0.6, 2), (3.0, 1)])
def test_a_round_is_timed_three_times_unless_a_second_has_gone_by(
    seconds: float, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, took = [100.0], [0.5, 0.25, 0.125]

    class Trainer:
        trained = 0

        def train(self, start: object, round: int) -> SimpleNamespace:
            now[0] += seconds
            self.trained += 1
            return SimpleNamespace(steps=10)

    trainer = Trainer()
    spent = accumulate([0.0, *(each for one in took for each in (one, 0.0))])
    monkeypatch.setattr(floor, "alone", lambda *_: trainer)
    monkeypatch.setattr(floor, "time", SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: next(spent)))
    best = floor._timed(SimpleNamespace(start=None), [], SimpleNamespace(test=()))  # type: ignore[arg-type]
    assert trainer.trained == times and best == pytest.approx(took[times - 1] / 10), "the fastest counts"
