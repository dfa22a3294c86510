"""A comparison's table as the field prints it: intervals, F1 by class, one row where all models are one, the clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from p2pfl_me.learning.metrics import Metrics, f1, uar, uf1
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.comparison_field import clips_words, field_blocks
from p2pfl_me.report.compose import score_rows
from p2pfl_me.report.document import Table
from p2pfl_me.report.methods import Comparison, Method, Setting
from p2pfl_me.report.results import METRICS, over_seeds, subject_interval
from p2pfl_me.report.run import Run, read_run
from p2pfl_me.report.summary import as_lines, as_object
from p2pfl_me.run.events import Scores
from p2pfl_me.run.manifest import Clips
from tests.report.fixture import by_person, write_run

SMALL = {"count": 3, "rounds": 2, "classes": ("anger", "joy", "fear"), "support": (9, 5, 4)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_run(tmp_path_factory.mktemp("field") / "run", **SMALL))


def of_people(labs: Mapping[str, object], people: int = 4) -> Metrics:
    """Answers to the clips of so many people of each lab."""
    told = {name: np.array(by_person(np.array(each), people)) for name, each in labs.items()}
    return Metrics(np.sum([each.sum(axis=0) for each in told.values()], axis=0), by_subject=told)


def ends(matrix: object, metric: Callable[[Any], Any] = uf1) -> str:
    found = subject_interval([np.array(by_person(np.array(matrix), 4))], metric)
    assert found is not None
    return f"[{found.low:.2f}, {found.high:.2f}]"


def answering(run: Run, matrices: Sequence[object], average: object) -> Run:
    """The run, with these answers of its peers (None: it was not asked) and of the average, and no baselines."""
    peers = []
    for log, matrix in zip(run.peers, matrices, strict=True):
        scores = None if matrix is None else of_people({"lab": matrix}).scores()
        peers.append(replace(log, rounds=tuple(replace(each, test=scores) for each in log.rounds)))
    return replace(
        run, peers=tuple(peers), average=of_people({"lab": average}).scores(), baselines=type(run.baselines)()
    )


def table(*runs: Run) -> dict[str, tuple[str, ...]]:
    (block,) = field_blocks(Setting("", (Method("ring", runs),)))
    assert isinstance(block, Table)
    assert block.header == ("", "UF1", "UAR", "F1, anger", "F1, joy", "F1, fear")
    return {name: tuple(cells) for name, *cells in block.rows}


ONE = [[6, 2, 1], [1, 3, 1], [0, 1, 3]]
OTHER = [[9, 0, 0], [2, 3, 0], [4, 0, 0]]
NO_FEAR = [[6, 2, 1], [1, 3, 1], [0, 0, 0]]


def test_every_number_is_that_of_its_matrix(run: Run) -> None:
    found = table(answering(run, [ONE, OTHER, ONE], OTHER))
    assert found["ring: average of the gossip models"][0] == f"{uf1(OTHER):.3f} {ends(OTHER)}"
    assert found["ring: average of the gossip models"][1] == f"{uar(OTHER):.3f} {ends(OTHER, uar)}"
    mean = (2 * f1(ONE) + f1(OTHER)) / 3
    assert found["ring: gossip peers"][2:] == tuple(f"{value:.3f}" for value in mean)
    assert found["ring: gossip peers"][0].startswith(f"{(2 * uf1(ONE) + uf1(OTHER)) / 3:.3f} [")


def test_one_model_at_every_peer_is_said_once(run: Run) -> None:
    found = table(answering(run, [ONE, ONE, ONE], ONE))
    assert list(found) == ["ring: every peer and the average, one model"]
    found = table(answering(run, [ONE, ONE, ONE], ONE), answering(run, [ONE, ONE, OTHER], ONE))
    assert list(found) == ["ring: gossip peers", "ring: average of the gossip models"], "in one seed they differ"


def test_who_was_not_asked_takes_nothing_from_the_others(run: Run) -> None:
    """A peer without answers, and a class of which a peer was shown no clip."""
    whole = table(answering(run, [ONE, OTHER, ONE], OTHER))
    assert table(answering(run, [OTHER, None, None], OTHER)) == {
        "ring: every peer and the average, one model": whole["ring: average of the gossip models"]
    }
    found = table(answering(run, [NO_FEAR, ONE, NO_FEAR], ONE))["ring: gossip peers"]
    assert found[4] == f"{f1(ONE)[2]:.3f}"
    assert table(answering(run, [NO_FEAR] * 3, NO_FEAR))["ring: every peer and the average, one model"][4] == "–"


def test_it_says_the_numbers_of_the_other_tables(run: Run) -> None:
    found = table(run)
    arms = {"gossip peers": Arm.GOSSIP, "average of the gossip models": Arm.AVERAGE}
    named = {f"ring: {words}": arm for words, arm in arms.items()}
    named |= {arm.words: arm for arm in (Arm.ISOLATED, Arm.FEDAVG, Arm.POOLED)}
    for name, arm in named.items():
        for metric, cell in zip(list(METRICS)[:2], found[name], strict=False):
            stated = over_seeds([run], arm, metric)
            assert stated is not None and cell.startswith(f"{stated.mean:.3f} ["), (name, metric)


def test_the_clips_are_named_by_what_another_paper_can_compare(run: Run) -> None:
    def of(source: str, digest: str) -> Run:
        return replace(run, manifest=replace(run.manifest, data=Clips(source=source, digest=digest)))

    what = "SHA-256 of the rows, whatever their split,"
    assert clips_words([of("casme2", "ab"), of("casme2", "ab")]) == f"casme2: {what} ab"
    assert clips_words([of("casme2", "ab"), of("casme2", "cd")]) == f"casme2: {what} ab; casme2: {what} cd"
    assert clips_words([of("", "")]) == ""


LAB_A, LAB_B = [[6, 2, 1], [0, 0, 0], [0, 1, 3]], [[0, 0, 0], [1, 3, 1], [0, 0, 0]]


def of_labs(run: Run, peers: Sequence[tuple[object, ...]], average: tuple[object, ...], seed: int = 1) -> Run:
    """The run, its peers' and its average's answers to lab A's clips and to lab B's (None: it was asked of none)."""

    def scores(labs: tuple[object, ...]) -> Scores:
        return of_people({name: each for name, each in zip("AB", labs, strict=True) if each is not None}).scores()

    logs = [
        replace(log, rounds=tuple(replace(each, test=scores(labs)) for each in log.rounds))
        for log, labs in zip(run.peers, peers, strict=True)
    ]
    contract = run.contract.model_copy(update={"seed": seed})
    return replace(run, contract=contract, peers=tuple(logs), average=scores(average), baselines=type(run.baselines)())


def by_lab(*runs: Run) -> tuple[dict[tuple[str, str], tuple[str, ...]], str]:
    (block,) = field_blocks(Setting("", (Method("ring", runs),)))
    assert isinstance(block, Table)
    assert block.header == ("", "clips of", "UF1", "UAR", "F1, anger", "F1, joy", "F1, fear")
    return {(name, of): tuple(cells) for name, of, *cells in block.rows}, block.caption


def test_each_data_set_stands_beside_the_whole(run: Run) -> None:
    """As peers are asked: all of lab A's clips, one of them none of lab B's."""
    found, caption = by_lab(of_labs(run, [(LAB_A, LAB_B), (LAB_A, None), (OTHER, LAB_B)], (LAB_A, LAB_B)))
    peers, average = "ring: gossip peers", "ring: average of the gossip models"
    assert list(found) == [(name, of) for of in ("Full", "A", "B") for name in (peers, average)]
    assert found[average, "Full"][0].startswith(f"{uf1(np.add(LAB_A, LAB_B)):.3f} [")
    assert found[average, "B"][:2] == tuple(f"{metric(LAB_B):.3f} {ends(LAB_B, metric)}" for metric in (uf1, uar))
    assert found[peers, "A"][0].startswith(f"{(2 * uf1(LAB_A) + uf1(OTHER)) / 3:.3f} [")
    assert found[peers, "B"][0].startswith(f"{uf1(LAB_B):.3f} ["), "who was asked of none of it counts for nothing"
    assert found[average, "B"][2:] == ("–", f"{f1(LAB_B)[1]:.3f}", "–")
    assert "Test clips: A 18, B 5." in caption
    assert (
        "No test clip of B shows anger or fear, which counts as 0 in its means: there is no more than 0.333" in caption
    )


def test_a_seed_without_a_data_set_and_an_older_run_are_told(run: Run) -> None:
    both = of_labs(run, [(LAB_A, LAB_B)] * 3, (LAB_A, LAB_B))
    found, caption = by_lab(both, of_labs(run, [(LAB_A, None)] * 3, (LAB_A, None), seed=2))
    assert found["ring: every peer and the average, one model", "B"][0].startswith(f"{uf1(LAB_B):.3f} [")
    assert "No test clip is of B with seed 2." in caption and "Test clips: A 13, B 0 to 5." in caption
    older = replace(of_people({"lab": ONE}).scores(), by_dataset={}, by_subject={})
    logs = [replace(log, rounds=tuple(replace(each, test=older) for each in log.rounds)) for log in run.peers]
    old = replace(run, peers=tuple(logs), average=older, baselines=type(run.baselines)())
    found, caption = by_lab(both, old)
    assert "did not keep their answers by subject give no interval" in caption
    assert "1 of 2 runs did not keep their answers by data set, and stand in Full alone." in caption
    full = float(found["ring: every peer and the average, one model", "Full"][0][:5])
    assert full == pytest.approx((uf1(np.add(LAB_A, LAB_B)) + uf1(ONE)) / 2, abs=6e-4)


def test_one_data_set_is_not_named_and_its_numbers_stand_once(run: Run) -> None:
    one = of_labs(run, [(ONE, None)] * 3, (ONE, None))
    assert table(one) == table(answering(run, [ONE] * 3, ONE))
    assert as_object([one])["runs"][0]["scores_by_dataset"] == {}


def test_files_and_lines_say_the_same_by_data_set(run: Run) -> None:
    labs = of_labs(run, [(LAB_A, LAB_B), (LAB_A, None), (OTHER, LAB_B)], (LAB_A, LAB_B))
    told = as_object([labs])["runs"][0]["scores_by_dataset"]
    assert told["B"] == {
        "gossip": {name: {"0": each, "2": each} for name, each in told["B"]["average"].items()},
        "average": {"uf1": uf1(LAB_B), "uar": uar(LAB_B), "accuracy": pytest.approx(0.6)},
    }
    rows = score_rows(Comparison((Setting("", (Method("ring", (labs,)),)),)))
    assert ("", "ring", 1, "gossip", "mean", "uf1", pytest.approx((2 * uf1(LAB_A) + uf1(OTHER)) / 3), "A") in rows
    assert ("", "ring", 1, "average", "value", "uar", uar(np.add(LAB_A, LAB_B)), "") in rows
    assert any(
        line.startswith(f"  on clips of B, average of the gossip models: UF1 {uf1(LAB_B):.3f}")
        for line in as_lines([labs])
    )


def test_intervals_are_over_subjects_and_none_is_drawn_from_one(run: Run) -> None:
    """Clips of one face say no more than one does: all of a person are drawn together."""
    right = np.diag(np.diag(ONE))

    def cells(*people: object, **changed: object) -> tuple[str, str]:
        told = {"lab": np.array(people)}
        scores = replace(Metrics(told["lab"].sum(axis=0), by_subject=told).scores(), **changed)
        logs = tuple(replace(log, rounds=tuple(replace(each, test=scores) for each in log.rounds)) for log in run.peers)
        one = replace(run, peers=logs, average=scores, baselines=type(run.baselines)())
        (block,) = field_blocks(Setting("", (Method("ring", (one,)),)))
        assert isinstance(block, Table)
        return block.rows[0][1], block.caption

    def width(cell: str) -> float:
        low, high = cell.split("[")[1].strip("]").split(", ")
        return float(high) - float(low)

    alike, _ = cells(*by_person(np.array(ONE), 17))
    apart, _ = cells(right, ONE - right)
    assert width(alike) < width(apart), "who is named rightly and who is not are two people, whatever their clips"
    alone, caption = cells(ONE)
    assert alone == f"{uf1(ONE):.3f}" and "Where the test clips show one subject, none can be drawn." in caption
    older, caption = cells(right, ONE - right, by_subject={})
    assert older == f"{uf1(ONE):.3f}" and "did not keep their answers by subject give no interval" in caption
