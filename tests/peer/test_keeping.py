"""What a peer keeps: checkpoints, event lines, sketches, and the score of its neighbours' misbehaviour."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from p2pfl_me.errors import PeerError, WeightsError
from p2pfl_me.gossip.protocol import Finish, Mixed
from p2pfl_me.gossip.sketch import WIDTH, Sketcher, encode_sketch
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.learning.trainer import Trained, Trainer
from p2pfl_me.message import Vector
from p2pfl_me.peer.checkpoint import Checkpoint, Course, checkpoint_path, load_checkpoint, save_checkpoint
from p2pfl_me.peer.misbehaviour import HALF_LIFE_S, MisbehaviourScores
from p2pfl_me.peer.tensorfile import safetensors_parts
from p2pfl_me.peer.unlogged import Unlogged
from p2pfl_me.peer.work import RoundWork
from p2pfl_me.run.events import Finish as Ended
from p2pfl_me.run.events import Handed, Joined, Round
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.lines import EventLog
from p2pfl_me.run.reading import read_log
from tests.run.making import start

PARAMS = np.arange(5, dtype=np.float32)
STATE = Checkpoint(3, 7, PARAMS, Progress(0.25, 2), "c" * 64, "l" * 64)


def load(run: Path, peer: int = 3, contract: str = "c" * 64, layout: str = "l" * 64) -> Checkpoint:
    return load_checkpoint(run, peer, contract_digest=contract, layout_digest=layout)


def test_a_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, STATE)
    back = load(tmp_path)
    assert replace(back, params=PARAMS) == STATE
    np.testing.assert_array_equal(back.params, PARAMS)
    fresh = replace(STATE, progress=Progress())
    save_checkpoint(tmp_path, fresh)
    assert load(tmp_path).progress == Progress()


def test_a_failed_write_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, STATE)
    checkpoint_path(tmp_path, 3).with_suffix(".previous").mkdir()
    with pytest.raises(PeerError, match="checkpoint of round 8"):
        save_checkpoint(tmp_path, replace(STATE, completed=8))
    assert load(tmp_path).completed == 7
    with pytest.raises(PeerError, match="was moved or removed: go on with --resume --out"):
        save_checkpoint(tmp_path / "moved", STATE)


@pytest.mark.parametrize(
    ("change", "says"),
    [({"contract": "d" * 64}, "another contract"), ({"layout": "m" * 64}, "another model shape")],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, change: dict[str, str], says: str) -> None:
    save_checkpoint(tmp_path, STATE)
    with pytest.raises(WeightsError, match=says):
        load(tmp_path, **change)  # type: ignore[arg-type]


def test_a_missing_or_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no checkpoint"):
        load(tmp_path)
    checkpoint_path(tmp_path, 3).write_bytes(b"\x10" * 40)
    with pytest.raises(WeightsError, match="not a checkpoint"):
        load(tmp_path)
    save_checkpoint(tmp_path, replace(STATE, params=np.array([1, np.nan], np.float32)))
    with pytest.raises(WeightsError, match="finite"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("format", "2", "is a checkpoint of format 2, and this p2pme reads format 1"),
        ("format", "1", ""),
        ("round", "-1", "`round` is no number of things: '-1'"),
        ("round", "\u0663", "`round` is no number"),
        ("round", "4", "4 rounds cannot be so many of one kind"),
        ("trained", "-3", "`trained` is no number of things"),
        ("trained", "8", "7 rounds cannot be so many"),
        ("alone", "1e3", "`alone` is no number of things"),
        ("payments", "-1", "`payments` is no number of things"),
        ("stale_rounds", "", "`stale_rounds` is no number of things"),
        ("best_loss", "nan", "`best_loss` is no number"),
    ],
)
def test_words_beside_the_model_are_read_as_strictly_as_it(tmp_path: Path, name: str, value: str, says: str) -> None:
    """A checkpoint of a newer version, or one that was changed: a peer went on after -1 rounds, and trained -3."""
    path = save_checkpoint(tmp_path, replace(STATE, course=Course(7, 6, 1)))
    with safe_open(path, "np") as file:
        words, params = file.metadata(), file.get_tensor("params")
    path.write_bytes(b"".join(bytes(each) for each in safetensors_parts({"params": params}, {**words, name: value})))
    with pytest.raises(WeightsError, match=re.escape(says)) if says else contextlib.nullcontext():
        load(tmp_path)


def test_a_torn_line_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "peer-0.jsonl"
    path.write_text('{"event":"round","round":0}\n{"event":"rou')
    log = EventLog(path)
    log.write(start())
    log.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["event"] == "start"


class _Stopped:
    """A trainer whose peer is told to stop in the middle of `at`."""

    def __init__(self, at: str) -> None:
        self.at, self.work = at, cast(RoundWork, None)

    def train(self, params: Vector, round: int) -> Trained:
        self._stop("train")
        return Trained(params, 0.5, 1)

    def evaluate(self, params: Vector, part: str) -> None:
        self._stop(part)

    def _stop(self, here: str) -> None:
        if here == self.at:
            self.work.settle(sync=False)
            self.work.finished(Finish("stopped", 7), None)


@pytest.mark.parametrize("at", ["train", "test", "validation"])
def test_a_step_that_outlives_its_peer_leaves_no_trace(tmp_path: Path, at: str) -> None:
    """Its thread goes on until the process is gone: `finish` stays the last word, with the checkpoint that it names."""
    trainer, log = _Stopped(at), EventLog(RunFolder(tmp_path).log(3))
    save_checkpoint(tmp_path, STATE)
    trainer.work = work = RoundWork(cast(Trainer, trainer), Sketcher(5, 1), log, tmp_path, STATE)
    work.conclude(Mixed(7, work.train(7, PARAMS) + 1, {}, {}, {}, 0.0), 0, 0)
    log.close()
    assert [line.event.NAME for line in read_log(RunFolder(tmp_path), 3).events] == ["trained", "finish"][
        at == "train" :
    ]
    assert load(tmp_path).completed == STATE.completed


def test_who_is_stopped_while_a_round_is_stored_counts_it(tmp_path: Path) -> None:
    """Its core has not heard of the round yet, and the checkpoint has it: the last line said one less."""
    trainer, log = _Stopped("never"), EventLog(RunFolder(tmp_path).log(3))
    work = RoundWork(cast(Trainer, trainer), Sketcher(5, 1), log, tmp_path, replace(STATE, course=Course(7, 7, 0)))
    work.conclude(Mixed(7, work.train(7, PARAMS) + 1, {}, {}, {}, 0.0), 0, 0)
    work.finished(Finish("stopped", 7), None)
    log.close()
    last = read_log(RunFolder(tmp_path), 3).events[-1].event
    assert isinstance(last, Ended) and last.rounds == last.trained == load(tmp_path).completed == 8


class _Killed(Exception):
    pass


@pytest.mark.parametrize("model", ["mixed", "handed", "joined"])
@pytest.mark.parametrize("at", ["before the checkpoint", "before its line", "after both"])
def test_a_kill_between_a_checkpoint_and_its_line_loses_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, at: str
) -> None:
    """A round stood in the checkpoint, and no report ever told of it."""
    folder, log = RunFolder(tmp_path), EventLog(RunFolder(tmp_path).log(3))
    unlogged, joins = Unlogged(tmp_path, 3), model == "joined"
    work = RoundWork(cast(Trainer, _Stopped("")), Sketcher(5, 1), log, tmp_path, STATE, unlogged=unlogged, joins=joins)
    mixed = Mixed(7, PARAMS + 1, {1: 0.5}, {}, {}, 0.0, handed=model != "mixed")
    if model == "mixed":
        work.train(7, PARAMS)

    def killed(*_: object) -> None:
        raise _Killed

    with monkeypatch.context() as patch:
        if at == "before the checkpoint":
            patch.setattr("p2pfl_me.peer.work.save_checkpoint", killed)
        elif at == "before its line":
            patch.setattr(log, "append", killed)
        with nullcontext() if at == "after both" else pytest.raises(_Killed):
            work.conclude(mixed, 20, 10)
    log.close()
    kind = {"mixed": Round, "handed": Handed, "joined": Joined}[model]
    stored = at != "before the checkpoint"
    assert checkpoint_path(tmp_path, 3).exists() == stored
    for _ in range(2):
        log = EventLog(folder.log(3))
        unlogged.tell(log, load(tmp_path).completed if stored else STATE.completed)
        log.close()
        assert sum(isinstance(line.event, kind) for line in read_log(folder, 3).events) == stored


@pytest.mark.parametrize("cut", [0, 1, 2, 40, -1])
def test_half_a_line_that_was_to_be_told_is_told_to_nobody(tmp_path: Path, cut: int) -> None:
    unlogged, log = Unlogged(tmp_path, 3), EventLog(RunFolder(tmp_path).log(3))
    unlogged.keep(8, log.line(start(3)))
    path = RunFolder(tmp_path).unlogged(3)
    path.write_bytes(path.read_bytes()[:cut])
    unlogged.tell(log, 8)
    assert not read_log(RunFolder(tmp_path), 3).events
    unlogged.forget()
    unlogged.tell(log, 8)
    log.close()
    assert not path.exists()


def test_a_log_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PeerError, match="cannot be written"):
        EventLog(tmp_path / "file" / "peer-0.jsonl")


def test_a_full_disk_is_named_and_costs_nothing_that_was_kept(tmp_path: Path) -> None:
    log = EventLog(Path("/dev/full"))
    with pytest.raises(PeerError, match="No space left") as caught:
        log.write(start())
    assert "give the same command again" in str(caught.value)
    with contextlib.suppress(OSError):
        log.close()


@given(st.integers(1, 5 * WIDTH), st.integers(0, 100))
def test_a_sketch_is_linear_and_shared_by_seed(size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(2, size)).astype(np.float32)
    sketcher, twin = Sketcher(size, seed), Sketcher(size, seed)
    np.testing.assert_allclose(sketcher.sketch(x) - twin.sketch(y), sketcher.sketch(x - y), atol=1e-4)


def test_a_sketch_estimates_the_distance() -> None:
    random = np.random.default_rng(0)
    ratios = []
    for seed in range(40):
        x = random.normal(size=263_175).astype(np.float32)
        ratios.append(np.linalg.norm(Sketcher(x.size, seed).sketch(x)) ** 2 / np.linalg.norm(x) ** 2)
    assert abs(np.mean(ratios) - 1) < 0.03
    assert np.std(ratios) < 1.5 * np.sqrt(2 / WIDTH)


@pytest.mark.parametrize("shape", [(128, 2048), (2048, 128), (512, 512)])
def test_a_sketch_estimates_the_distance_of_models_that_differ_by_a_layers_step(shape: tuple[int, int]) -> None:
    """A gradient of a linear layer has the rank of its batch; all buckets must not err together then."""
    random = np.random.default_rng(0)
    x = np.zeros(263_175, np.float32)
    x[: shape[0] * shape[1]] = np.outer(random.normal(size=shape[0]), random.normal(size=shape[1])).ravel()
    ratios = [np.linalg.norm(Sketcher(x.size, seed).sketch(x)) ** 2 / np.linalg.norm(x) ** 2 for seed in range(40)]
    assert abs(np.mean(ratios) - 1) < 0.04
    assert np.std(ratios) < 2.5 * np.sqrt(2 / WIDTH)


def test_a_sketch_travels_as_little_endian_base64() -> None:
    sketch = np.arange(WIDTH, dtype=np.float32)
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(encode_sketch(sketch)), "<f4"), sketch)


def test_conduct_forgives_the_rare_and_not_the_stubborn() -> None:
    patient = MisbehaviourScores()
    assert not any(patient.refused(now, 1) for now in np.arange(100) * HALF_LIFE_S)
    strict = MisbehaviourScores()
    verdicts = [strict.refused(now, 1) for now in range(6)]
    assert verdicts[:4] == [False] * 4 and verdicts[5]
    assert strict.score(5.0, 2) == 0.0
