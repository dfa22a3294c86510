"""Whole evaluations on small vectors: the same numbers however they are run, nothing twice, leaks only by name."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.errors import ContractError, DataError, RunError
from p2pfl_me.evaluate import gossiping, pool
from p2pfl_me.evaluate.design import make_design
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.outcome import outcome_from
from p2pfl_me.evaluate.run import _readable
from p2pfl_me.evaluate.store import Store
from p2pfl_me.evaluate.train import _alone, alone, do, streams_of
from p2pfl_me.evaluate.units import FoldUnit, Unit, WholeUnit
from p2pfl_me.learning.metrics import Metrics, confusion_matrix
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.numbers import csv_rows
from tests.evaluate.making import request as make_request
from tests.evaluate.making import run, without_page
from tests.small import CLASSES, Command, here, wait_for, write_vectors

PAGES = {"test_from_vectors_to_the_page", "test_random_samples_need_the_flag_and_bear_its_words_everywhere"}


@pytest.fixture(autouse=True)
def only_tables(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.name not in PAGES:
        monkeypatch.setattr("p2pfl_me.evaluate.run.write_results", without_page)


def units(out: Path) -> dict[Path, int]:
    """Finished ones: pathlib's `*` also finds the hidden draft that kill -9 leaves behind."""
    found = (path for path in sorted(out.glob("units/**/*.json")) if not path.name.startswith("."))
    return {path: path.stat().st_mtime_ns for path in found}


def test_from_vectors_to_the_page(tmp_path: Path) -> None:
    asked = make_request(tmp_path, seeds=2)
    code, said = run(asked)
    assert code == 0 and "the last one" in said
    lines = [
        line.partition("] ")[2]
        for line in said.splitlines()
        if not re.search(r"  \d+/\d+  | left$|  the last one$", line)
    ]
    assert lines[:2] == [
        "reading clips and drawing or reading the backbone",
        "leave one subject out: 60 clips of 5 subjects, 5 folds, 2 peers, topology ring, 2 seeds, 14 units",
    ]
    assert re.match("120 training steps; at .* ms each, measured just now on one core", lines[2])
    out = asked.out
    assert lines[3] == "writing the page" and lines[-1] == f"report: {out / 'report.html'}", (
        "nothing was finished already"
    )
    scores = [line.partition(": UF1 ")[0] for line in lines[4:-2]]
    assert scores[:4] == ["Isolated peers", "Gossip peers", "Average of the gossip models", "Pooled training"]
    assert lines[-2].startswith("Gossip peers reach a UF1 of ")
    answers = csv_rows((out / "predictions.csv").read_text())
    assert len(answers) == 2 * 60 * (2 + 2 + 1 + 1), "every model answers about every clip once"
    card = json.loads((out / "card.json").read_text())
    for seed in (1, 2):
        own = [row for row in answers if row["seed"] == str(seed) and row["arm"] == "pooled"]
        true, guess = ([CLASSES.index(row[key]) for row in own] for key in ("label", "predicted"))
        by_hand = Metrics(confusion_matrix(true, guess, 3))
        assert card["scores"]["pooled"]["uf1"]["seeds"][seed - 1] == pytest.approx(by_hand.uf1)
        assert card["scores"]["pooled"]["uar"]["seeds"][seed - 1] == pytest.approx(by_hand.uar)
    assert card["engine"] == "lockstep" and card["seeds"] == [1, 2] and card["leak_warning"] is None
    assert card["steps"]["pooled"] == 2 * 5 * 2 * 2, "seeds x folds x rounds x batches of 48 clips"
    whose: dict[Arm, set[int]] = {}
    for path in units(out):
        for guesses in outcome_from(path.read_text(), str(path)).guesses:
            whose.setdefault(guesses.arm, set()).add(guesses.peer)
    assert whose == {Arm.GOSSIP: {0, 1}, Arm.ISOLATED: {0, 1}, Arm.AVERAGE: {-1}, Arm.POOLED: {-1}}
    page, words = (out / "report.html").read_text(), (out / "report.md").read_text()
    assert "pooled" in page and "leak" not in words.lower().replace("leave", "")
    assert "95 % interval" in (out / "card.md").read_text()
    assert not list(out.rglob("*.jp*g")) and {path.stem for path in out.rglob("*.png")} == {"triple", "confusion"}


def test_the_floor_of_the_work_is_told_with_its_steps_and_only_where_something_was_trained(tmp_path: Path) -> None:
    asked = make_request(tmp_path)
    code, said = run(asked)
    found = re.search(r"([\d,]+) training steps; at (\S+) ms each.* they take (\S+) s, and .* took (\S+) s", said)
    assert code == 0 and found, said
    steps, each, least, took = (float(word.replace(",", "")) for word in found.groups())
    card = json.loads((asked.out / "card.json").read_text())
    assert steps == sum(card["steps"].values())
    assert least == pytest.approx(steps * each / 1e3, rel=0.1) and 0 < least < took
    assert "training steps; at" not in run(asked)[1], "nothing was trained, so nothing was measured"


@pytest.mark.thorough
def test_a_second_time_trains_nothing_and_more_seeds_train_only_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = make_request(tmp_path)
    run(asked)
    before = units(asked.out)
    trained: list[Unit] = []

    def counting(bench: object, unit: Unit) -> object:
        trained.append(unit)
        return do(bench, unit)  # type: ignore[arg-type]

    monkeypatch.setattr(pool, "do", counting)
    code, said = run(asked)
    assert code == 0 and not trained and "7 of 7 units are finished already" in said
    assert "7 of 14 units are finished already" in run(replace(asked, seeds=2))[1]
    assert {unit.seed for unit in trained} == {2}
    assert {path: units(asked.out)[path] for path in before} == before


@pytest.mark.few(1)
@pytest.mark.parametrize("change", ["contract", "data", "protocol", "peers"])
def test_results_of_something_else_are_never_mixed_in(tmp_path: Path, change: str) -> None:
    asked = make_request(tmp_path)
    run(asked)
    before = units(asked.out)
    other = {
        "contract": lambda: make_request(tmp_path, "training.learning_rate=0.01"),
        "data": lambda: replace(asked, data=write_vectors(tmp_path / "more.safetensors", range(6))),
        "protocol": lambda: replace(asked, protocol=HoldOut.KFOLD, folds=4),
        "peers": lambda: replace(asked, peers="3"),
    }[change]()
    with pytest.raises(RunError, match="another contract, other clips or other folds"):
        run(other)
    assert units(asked.out) == before


def test_a_folder_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    asked = make_request(tmp_path)
    asked.out.mkdir()
    (asked.out / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="not empty"):
        run(asked)


def test_a_folder_that_cannot_be_made_is_told_with_what_helps(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot be written: Not a directory\n.*--out, or free some space"):
        Store(tmp_path / "file" / "out", "digest")


@pytest.mark.thorough
def test_worker_processes_give_the_same_answers(tmp_path: Path) -> None:
    asked = make_request(tmp_path)
    run(asked)
    code, said = run(replace(asked, jobs=2, out=tmp_path / "other"))
    assert code == 0, said
    assert (tmp_path / "other" / "predictions.csv").read_bytes() == (asked.out / "predictions.csv").read_bytes()


@pytest.mark.thorough
@pytest.mark.processes
def test_killed_it_leaves_no_process_and_goes_on_where_it_was(tmp_path: Path) -> None:
    data = write_vectors(tmp_path / "vectors.safetensors", range(5))
    out = tmp_path / "out"
    words = ["evaluate", "--data", data, "--peers", "3", "--seeds", "2", "--jobs", "2", "--out", out]
    words += ["--set", f"model.classes=[{', '.join(CLASSES)}]", "--set", "training.rounds=4"]
    command = Command([str(word) for word in words], tmp_path / "home")
    wait_for(lambda: len(units(out)) >= 2, "two finished units")
    os.kill(command.process.pid, signal.SIGKILL)
    command.finish()
    wait_for(lambda: not group_lives(command.process.pid), "the workers end when their parent is killed")
    before = units(out)
    code, said = here(tmp_path / "home", *words)
    assert code == 0, said
    assert f"{len(before)} of 16 units are finished already" in said
    assert {path: units(out)[path] for path in before} == before


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.thorough
@pytest.mark.processes
def test_ctrl_c_ends_in_order(tmp_path: Path) -> None:
    data = write_vectors(tmp_path / "vectors.safetensors", range(8))
    out = tmp_path / "out"
    words = ["evaluate", "--data", data, "--peers", "3", "--seeds", "3", "--jobs", "2", "--out", out]
    words += ["--set", f"model.classes=[{', '.join(CLASSES)}]", "--set", "training.rounds=40"]
    command = Command([str(word) for word in words], tmp_path / "home")
    wait_for(lambda: len(units(out)) >= 1, "a finished unit")
    command.interrupt()
    code, said = command.finish()
    assert code == 130, said
    assert "same command again" in said and "Traceback" not in said
    wait_for(lambda: not group_lives(command.process.pid), "no process is left behind")


def test_no_peer_trains_on_a_held_out_subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = make_request(tmp_path, subjects=range(7), peers="3")
    design = make_design(asked, tmp_path)
    subject = np.array([clip.subject for clip in design.items.clips])
    bench = pool.bench_of(pool.job_of(design), 1)
    seen: list[set[str]] = []
    real = gossiping.gossip

    def watching(contract: object, samples: list[object], start: object, told: object) -> object:
        seen.extend(set(subject[own.train.clips].tolist()) for own in samples)  # type: ignore[attr-defined]
        return real(contract, samples, start, told)  # type: ignore[arg-type]

    monkeypatch.setattr("p2pfl_me.evaluate.train.gossip", watching)
    for number, fold in enumerate(design.split.folds):
        seen.clear()
        outcome = do(bench, FoldUnit(1, number))
        assert len(seen) == 3 and fold.name not in set.union(*seen), fold.name
        assert len(set.union(*seen)) == sum(map(len, seen)) == 6, "each other subject at one peer, as it was dealt"
        assert {guess.items for guess in outcome.guesses} == {fold.test}


def test_a_peer_that_a_fold_does_not_touch_has_the_same_model_as_if_trained_for_it(tmp_path: Path) -> None:
    asked = make_request(tmp_path)
    design = make_design(asked, tmp_path)
    bench = pool.bench_of(pool.job_of(design), 1)
    peer_of = bench.dealt["all"]
    (whole,) = do(bench, WholeUnit(1, "all", 0)).guesses
    answers = dict(zip(whole.items, whole.classes, strict=True))
    fold = next(fold for fold in design.split.folds if peer_of[fold.test[0]] != 0)
    own = [item for item in fold.train if peer_of[item] == 0]
    afresh = _alone(bench, Arm.ISOLATED, 0, own, fold.test)
    assert [answers[item] for item in afresh.items] == list(afresh.classes)


def test_pooled_and_peer_0_draw_from_the_first_streams_and_every_other_peer_from_its_own(tmp_path: Path) -> None:
    assert [streams_of(peer) for peer in (-1, 0, 1, 2)] == [0, 0, 1, 2]
    design = make_design(make_request(tmp_path), tmp_path)
    bench = pool.bench_of(pool.job_of(design), 1)
    (whole,) = do(bench, WholeUnit(1, "all", 1)).guesses
    own = np.flatnonzero(bench.dealt["all"] == 1).tolist()
    trainer, params = alone(bench, 1, own, whole.items), bench.start
    for round in range(2):
        params = trainer.train(params, round).params
    found = trainer.clip_logits(params, "test")
    assert found is not None and found.logits.argmax(axis=1).tolist() == list(whole.classes)


@pytest.mark.few(1)
@pytest.mark.parametrize("gossip", ["{protocol: dpsgd}", "{protocol: gradient_tracking}", "{personal: true}"])
def test_the_cores_on_a_simulated_network_reach_the_lockstep_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gossip: str
) -> None:
    asked = make_request(tmp_path, f"gossip={gossip}", peers="3", subjects=range(6))
    design = make_design(asked, tmp_path)
    bench = pool.bench_of(pool.job_of(design), 1)
    lockstep = do(bench, FoldUnit(1, 0))
    monkeypatch.setattr(gossiping, "engine_of", lambda contract: "simulate")
    simulated = do(bench, FoldUnit(1, 0))
    assert simulated.guesses == lockstep.guesses and simulated.distance == lockstep.distance


@pytest.mark.few(1)
@pytest.mark.parametrize("protocol", ["push_sum", "adpsgd"])
def test_what_knows_no_rounds_runs_on_the_simulated_network(tmp_path: Path, protocol: str) -> None:
    asked = make_request(tmp_path, f"gossip.protocol={protocol}", "training.rounds=1", subjects=range(4))
    code, said = run(asked)
    assert code == 0, said
    assert json.loads((asked.out / "card.json").read_text())["engine"] == "simulate"


def test_random_samples_need_the_flag_and_bear_its_words_everywhere(tmp_path: Path) -> None:
    asked = make_request(tmp_path, protocol=HoldOut.FRAMES)
    with pytest.raises(DataError, match="subjects leak"):
        run(asked)
    assert not asked.out.exists()
    run(replace(asked, subjects_leak=True))
    words = (asked.out / "report.md").read_text()
    tables = words.count("SUBJECTS LEAK")
    assert words.startswith("# SUBJECTS LEAK") and tables >= 6
    assert all("(subjects leak)" in line for line in words.splitlines() if line.startswith("## "))
    assert "accuracy" not in words, "frames are no clips"
    assert "SUBJECTS LEAK" in (asked.out / "report.html").read_text()
    assert "subjects leak" in (asked.out / "card.md").read_text()
    for name in ("predictions", "scores", "differences", "triple", "confusion"):
        rows = csv_rows((asked.out / f"{name}.csv").read_text())
        assert rows and {row["warning"] for row in rows} == {"subjects leak"}, name
    with pytest.raises(DataError, match="no subject leaks"):
        run(replace(asked, protocol=HoldOut.LOSO, subjects_leak=True))


def test_a_peer_whose_only_subject_is_held_out_is_left_out_of_that_fold(tmp_path: Path) -> None:
    asked = make_request(tmp_path, peers="5")
    code, said = run(asked)
    assert code == 0, said
    rows = csv_rows((asked.out / "predictions.csv").read_text())
    assert sum(row["arm"] == "gossip" for row in rows) == 60 * 4
    card = json.loads((asked.out / "card.json").read_text())
    assert "gossip" in card["scores"] and "gossip_own_peer" not in card["scores"], "no peer of one's own is left"


def test_a_graph_that_cannot_be_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ContractError):
        run(make_request(tmp_path, "topology={kind: torus, rows: 2, columns: 2}", peers="3"))
    assert not (tmp_path / "out").exists()


def test_the_split_is_on_the_disk_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = make_request(tmp_path)

    def stop(bench: object, unit: Unit) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(pool, "do", stop)
    code, said = run(asked)
    assert code == 130 and "finished folds are kept" in said
    split = json.loads((asked.out / "split.json").read_text())
    assert sorted(name for fold in split["folds"] for name in fold["held_out"]) == [f"vectors/{n}" for n in range(5)]


def test_time_is_told_in_words_that_fit() -> None:
    assert [_readable(seconds) for seconds in (0, 89, 90, 600)] == ["0 s", "89 s", "2 min", "10 min"]


def test_work_takes_the_time_it_takes(tmp_path: Path) -> None:
    asked = make_request(tmp_path)
    design = make_design(asked, tmp_path)
    bench = pool.bench_of(pool.job_of(design), 1)
    for unit in (FoldUnit(1, 0), WholeUnit(1, "all", 0)):
        before = time.process_time()
        took = do(bench, unit).seconds
        assert 0 < took <= time.process_time() - before


def test_nobody_to_gossip_with_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nobody to gossip with"):
        run(make_request(tmp_path, peers="dataset"))
    with pytest.raises(DataError, match=r"without vectors/\d only 1 peer has clips left"):
        run(make_request(tmp_path, subjects=range(3)))
    with pytest.raises(DataError, match="no number of peers"):
        run(make_request(tmp_path, peers="some"))
    with pytest.raises(DataError, match="no number of peers"):
        run(make_request(tmp_path, peers="²"))
    with pytest.raises(DataError, match="cannot be dealt"):
        run(make_request(tmp_path, peers="9"))


def test_left_to_itself_it_takes_as_many_peers_as_the_clips_allow(tmp_path: Path) -> None:
    for name in ("few", "many", "three"):
        (tmp_path / name).mkdir()
    few = make_design(make_request(tmp_path / "few", peers="auto"), tmp_path)
    assert (few.request.peers, few.contract.peers.count) == ("4", 4)  # one data set of five subjects
    many = make_design(make_request(tmp_path / "many", subjects=range(24), peers="auto"), tmp_path)
    assert (many.request.peers, many.contract.peers.count) == ("10", 10)
    with pytest.raises(DataError, match="only 1 peer has clips left"):
        make_design(make_request(tmp_path / "three", subjects=range(3), peers="auto"), tmp_path)


def test_a_spoilt_unit_is_told_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a finished fold"):
        outcome_from('{"guesses": 3}', "x.json")


def test_few_shots_are_taken_at_each_peer_and_pooled_has_those_clips(tmp_path: Path) -> None:
    asked = make_request(tmp_path, "training.few_shot=2")
    design = make_design(asked, tmp_path)
    bench = pool.bench_of(pool.job_of(design), 1)
    steps = do(bench, FoldUnit(1, 0)).steps
    # Two peers with two clips of three classes each: one batch a peer, and one for all twelve.
    assert (steps["gossip"], steps["pooled"]) == (2 * 2, 2)
    kept = bench.kept(range(60))
    assert np.bincount(design.items.labels[kept]).tolist() == [2, 2, 2]
