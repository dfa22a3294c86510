"""What an end is worth: rounds that were left out, or shared with nobody, are counted over all lives and told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.errors import DivergedError
from p2pfl_me.exits import Exit, verdict
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.learning.trainer import Part, Samples, make_trainer
from p2pfl_me.peer.checkpoint import Checkpoint, Course, load_checkpoint, save_checkpoint
from p2pfl_me.peer.work import failure
from p2pfl_me.run.events import Reason


def course(*rounds: tuple[bool, bool]) -> Course:
    found = Course()
    for shared, due in rounds:
        found = found.after(shared=shared, due=due)
    return found


FULL, ALONE, NOBODY_DUE = (True, False), (False, True), (False, False)


@pytest.mark.parametrize(
    ("rounds", "of", "words"),
    [
        ((FULL, FULL, FULL), 3, ""),
        ((FULL, NOBODY_DUE, (True, True)), 3, ""),  # one of two neighbours came; a changing graph met nobody
        ((FULL, FULL), 3, "trained 2 of 3 rounds"),
        ((FULL, ALONE, FULL), 3, "was alone in 1 of them"),
        ((ALONE, ALONE, ALONE), 3, "shared none of them with anybody"),
        ((NOBODY_DUE, NOBODY_DUE), 2, ""),
        ((ALONE, FULL), 60, "trained 2 of 60 rounds and was alone in 1 of them"),
        ((), 5, "trained 0 of 5 rounds"),
        ((), 0, "trained nothing"),  # told to end before the first
    ],
)
def test_what_is_missing_is_told(rounds: tuple[tuple[bool, bool], ...], of: int, words: str) -> None:
    assert course(*rounds).shortfall(of) == words


def test_the_course_of_earlier_lives_is_in_the_checkpoint(tmp_path: Path) -> None:
    kept = Checkpoint(0, 9, np.ones(4, np.float32), Progress(), "c", "l", course=Course(7, 5, 2))
    save_checkpoint(tmp_path, kept)
    assert load_checkpoint(tmp_path, 0, contract_digest="c", layout_digest="l").course == Course(7, 5, 2)


@pytest.mark.parametrize(
    ("codes", "worth"),
    [
        ((0, 0), Exit.DONE),
        ((0, 4), Exit.INCOMPLETE),
        ((4, 4), Exit.INCOMPLETE),
        ((0, 4, 3), Exit.FAILED),
        ((0, -9), Exit.FAILED),
        ((None,), Exit.FAILED),
    ],
)
def test_a_swarm_is_worth_what_its_peers_are(codes: tuple[int | None, ...], worth: Exit) -> None:
    assert verdict(codes) is worth


@pytest.mark.parametrize("rate", [1000, 1e30])
def test_a_lab_calls_its_own_training_diverged_before_its_neighbours_refuse_it(rate: float) -> None:
    """With 1000 the weights stay finite, at a size that everybody else would quarantine it for."""
    text = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\nmodel: {classes: [a, b]}\n"
    contract = contract_from_yaml(f"{text}training: {{learning_rate: {rate}}}\n")
    bank = np.random.default_rng(0).normal(size=(24, 2048)).astype(np.float32)
    rows = np.arange(24, dtype=np.int64)
    trainer = make_trainer(contract, 0, Samples(Part(bank, rows, rows % 2, rows)), "cpu")
    start = np.random.default_rng(1).normal(size=contract.model.layout.size).astype(np.float32) / 50
    with pytest.raises(DivergedError, match=r"diverged in round 1.*\n.*lower training.learning_rate") as caught:
        trainer.train(start, 0)
    assert caught.value.exit_code == Exit.DIVERGED
    assert failure(caught.value, "x").reason is Reason.DIVERGED and failure(ValueError(), "x").reason is Reason.ERROR
