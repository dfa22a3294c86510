"""Whose each clip is, what a unit leaves on the disk, and how many steps it takes: by hand, without training."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from p2pfl_me.cli.evaluate import evaluate
from p2pfl_me.data.clip import Clip
from p2pfl_me.errors import DataError, PeerError, RunError
from p2pfl_me.evaluate import design as designs
from p2pfl_me.evaluate import gossiping
from p2pfl_me.evaluate.answers import ARMS, Answers, rows
from p2pfl_me.evaluate.course import Course, Turn
from p2pfl_me.evaluate.dealing import count_peers, deal, with_peers
from p2pfl_me.evaluate.folds import Split, make_split
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.items import Items
from p2pfl_me.evaluate.outcome import Guesses, Outcome, outcome_from
from p2pfl_me.evaluate.store import Store
from p2pfl_me.evaluate.train import _steps
from p2pfl_me.evaluate.units import FoldUnit, WholeUnit, peers_left
from p2pfl_me.learning.trainer import Part
from p2pfl_me.report.arms import Arm
from tests.evaluate.making import clip, contract
from tests.evaluate.making import request as make_request
from tests.small import CLASSES


def items_of(labs: tuple[str, ...] = ("b", "a"), subjects: int = 4, clips: int = 3) -> Items:
    made: list[Clip] = [
        clip(lab, who, who * clips + number, CLASSES[number % 3])
        for lab in labs
        for who in range(subjects)
        for number in range(clips)
    ]
    nothing = np.zeros(len(made), np.int64)
    return Items(tuple(made), nothing, Part(np.zeros((1, 1), np.float32), nothing, nothing, np.arange(len(made))))


def split_of(items: Items, protocol: HoldOut) -> Split:
    return make_split(items.clips, protocol, folds=2, seed=1)


def test_a_data_set_a_peer_is_in_the_order_of_their_names() -> None:
    items = items_of()
    split = split_of(items, HoldOut.LOSO)
    agreed = with_peers(contract(), count_peers(items.clips, split, "dataset"))
    assert agreed.peers.count == 2
    assert deal(agreed, items.clips, split, "dataset")["all"].tolist() == [1] * 12 + [0] * 12


def test_a_subjects_clips_are_one_peers_and_each_pool_is_dealt_by_itself() -> None:
    items = items_of()
    split = split_of(items, HoldOut.SINGLE)
    assert count_peers(items.clips, split, "3") == 3
    for wanted, told in (("1", "--peers 1 makes 1 peer"), ("dataset", "one data set a peer makes 1 peer")):
        with pytest.raises(DataError, match=told):
            count_peers(items.clips, split, wanted)
    assert count_peers(items.clips, split, "2") == 2
    dealt = deal(with_peers(contract(), 3), items.clips, split, "3")
    assert set(dealt) == {"a", "b"}
    for pool, peer_of in dealt.items():
        inside = [each.dataset == pool for each in items.clips]
        assert ((peer_of >= 0) == inside).all()
        of = {(each.subject, int(peer)) for each, peer in zip(items.clips, peer_of, strict=True) if peer >= 0}
        assert len(of) == 4 and {peer for _, peer in of} == {0, 1, 2}


def test_samples_are_dealt_one_by_one_evenly_and_at_random() -> None:
    items = items_of()
    split = split_of(items, HoldOut.FRAMES)
    dealt = {
        seed: deal(with_peers(contract(f"seed={seed}"), 5), items.clips, split, "5")["all"].tolist()
        for seed in (1, 1, 2)
    }
    assert sorted(Counter(dealt[1]).items()) == [(0, 5), (1, 5), (2, 5), (3, 5), (4, 4)]
    assert dealt[1] != dealt[2] and dealt[1] != [place % 5 for place in range(24)]
    left = peers_left(split.folds[0], np.array(dealt[1]))
    assert left == sorted(left) and len(left) == 5


def test_two_peers_at_least_have_to_be_left_in_each_fold() -> None:
    items = items_of(("a",), subjects=3)
    split = split_of(items, HoldOut.LOSO)
    peer_of = np.repeat([0, 0, 1], 3)
    with pytest.raises(DataError, match="without a/2 only 1 peer has clips left"):
        designs._require_company(split, {1: {"all": peer_of}})
    designs._require_company(split, {1: {"all": np.repeat([0, 1, 2], 3)}})


def test_the_last_round_is_taken_though_the_contract_would_stop_earlier(tmp_path: Path) -> None:
    asked = make_request(tmp_path, "gossip.patience={rounds: 2}", "data.validation_fraction=0.2")
    design = designs.make_design(asked, tmp_path)
    assert asked.contract.gossip.patience is not None and design.contract.gossip.patience is None
    other = designs.make_design(replace(asked, target=0.5), tmp_path)
    assert other.digest != design.digest and (other.clips, other.features) == (design.clips, design.features)
    assert asked.all_seeds == (1,) and replace(asked, seeds=3).all_seeds == (1, 2, 3)
    assert [unit.seed for unit in design.units()] == [1] * len(design.units())
    assert design.of_seed(7).seed == 7


def test_steps_are_rounds_times_epochs_times_batches() -> None:
    agreed = contract("training.rounds=3", "training.local_epochs=2", "training.batch_size=8")
    assert [_steps(agreed, samples) for samples in (0, 1, 8, 9, 17)] == [0, 6, 6, 12, 18]


def test_answers_stand_by_seed_arm_peer_and_item() -> None:
    models: dict[Arm, Any] = {arm: np.full((1, 3), -1) for arm in ARMS}
    models[Arm.GOSSIP] = np.array([[0, -1, 2], [-1, 1, -1]])
    models[Arm.AVERAGE] = np.array([[-1, 2, -1]])
    assert list(rows([Answers(4, models)])) == [
        (4, Arm.GOSSIP, 0, 0, 0),
        (4, Arm.GOSSIP, 0, 2, 2),
        (4, Arm.GOSSIP, 1, 1, 1),
        (4, Arm.AVERAGE, -1, 1, 2),
    ]


def test_a_unit_comes_back_from_the_disk_as_it_was(tmp_path: Path) -> None:
    guesses = (Guesses(Arm.GOSSIP, 1, (0, 2), (1, 0)), Guesses(Arm.POOLED, -1, (0,), (2,)))
    plain = Outcome(guesses, {"gossip": 4}, None, 1.23456)
    course = Course((0, 2), (Turn({1: [1, 0]}, 10.0, 0.1235),))
    for outcome in (plain, replace(plain, distance=0.25, course=course)):
        text = outcome.to_text()
        assert outcome_from(text, "x") == replace(outcome, seconds=1.235)
        assert ("course" in json.loads(text)) == (outcome.course is not None)
        with pytest.raises(RunError, match="x: is not a finished fold"):
            outcome_from(text[:-2], "x")
    store, unit = Store(tmp_path / "out", "digest"), WholeUnit(1, "all", 0)
    assert not store.has(unit)
    store.keep(unit, plain)
    store.keep(FoldUnit(1, 4), plain)
    assert store.has(unit) and store.read([unit]) == {unit: replace(plain, seconds=1.235)}
    assert sorted(path.name for path in tmp_path.rglob("units/*/*")) == ["fold-005.json", "peer-0.json"]
    Store(tmp_path / "out", "digest")
    with pytest.raises(RunError, match=r"another contract, other clips or other folds \(digest\)"):
        Store(tmp_path / "out", "other")
    (tmp_path / "full").mkdir()
    Store(tmp_path / "full", "digest")
    for path in (tmp_path / "file", tmp_path / "used" / "x"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    for place in ("file", "used"):
        with pytest.raises(RunError, match="not an evaluation's folder"):
            Store(tmp_path / place, "digest")


@pytest.mark.parametrize(
    ("finished", "failed", "told"), [({0}, {}, "peer 1 never finished"), (set(), {1: "bad"}, "bad")]
)
def test_a_gossip_that_somebody_did_not_finish_has_no_models(
    monkeypatch: pytest.MonkeyPatch, finished: set[int], failed: dict[int, str], told: str
) -> None:
    errors = {peer: PeerError(words) for peer, words in failed.items()}
    ended: Any = SimpleNamespace(run=lambda: None, failed=errors, finished=dict.fromkeys(finished))
    monkeypatch.setattr(gossiping, "Simulation", lambda *given, **named: ended)
    with pytest.raises(PeerError, match=told):
        gossiping._simulated(contract("gossip.protocol=push"), [], np.zeros(1, np.float32), None)


@pytest.mark.parametrize("words", [("--set", "peers.loopback.count=2"), ("--vary", "peers.loopback.count=2,3")])
def test_numbers_of_peers_that_would_take_no_part_are_refused(words: tuple[str, str], tmp_path: Path) -> None:
    result = CliRunner().invoke(evaluate, [*words, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2 and "--peers N" in result.output and not (tmp_path / "out").exists()
