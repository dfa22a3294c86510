"""Baselines stop early on other subjects by the contract's own rule, each by itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from p2pfl_me.baselines.children import fill_features
from p2pfl_me.baselines.train import run_baseline
from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.data.clip import ApexSource
from p2pfl_me.data.preprocess.note import ClipNote
from p2pfl_me.data.shards import Shards, write_shards
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.samples import samples_of
from p2pfl_me.learning.trainer import make_trainer
from tests.small import CLASSES, write_vectors

TEXT = f"""
version: 1
name: t
topology: {{kind: ring}}
peers: {{loopback: {{count: 3}}}}
model: {{classes: [{", ".join(CLASSES)}]}}
training: {{rounds: 25, local_epochs: 4, learning_rate: 0.01}}
gossip: {{patience: {{rounds: 2}}}}
data: {{validation_fraction: 0.3, test_fraction: 0.2}}
"""
"""So fast a learner of so noisy clips that it soon knows its own subjects by heart."""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    folder = tmp_path_factory.mktemp("shards")
    data = write_vectors(folder / "all.safetensors", range(16), per_subject=6)
    return write_shards(contract_from_yaml(TEXT), data, folder, folder)[0]


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["isolated", "pooled", "fedavg"])
def test_patience_stops_a_baseline(name: str, shards: Shards, tmp_path: Path) -> None:
    agreed = contract_from_yaml(TEXT)
    found = run_baseline(agreed, name, shards, cache=tmp_path, weights=None)
    courses = list(found["peers"].values()) if name == "isolated" else [found["rounds"]]
    assert all(3 <= len(course) < 25 for course in courses), [len(course) for course in courses]
    assert [each["round"] for each in courses[0]] == list(range(len(courses[0])))
    patient = contract_from_yaml(TEXT, overrides=["gossip.patience=null", "training.rounds=6"])
    whole = run_baseline(patient, name, shards, cache=tmp_path, weights=None)
    courses = list(whole["peers"].values()) if name == "isolated" else [whole["rounds"]]
    assert all(len(course) == 6 for course in courses)


def test_an_isolated_peer_stops_two_rounds_after_its_lowest_validation_loss(shards: Shards, tmp_path: Path) -> None:
    agreed = contract_from_yaml(TEXT)
    lengths = {
        int(peer): len(rounds)
        for peer, rounds in run_baseline(agreed, "isolated", shards, cache=tmp_path, weights=None)["peers"].items()
    }
    for peer, length in lengths.items():
        trainer = make_trainer(agreed, peer, samples_of(agreed, shards.of(peer), cache=tmp_path), "cpu")
        params, losses = initial_params(agreed, cache=tmp_path), []
        for round in range(length):
            params = trainer.train(params, round).params
            found = trainer.evaluate(params, "validation")
            assert found is not None
            losses.append(found.loss)
        assert losses.index(min(losses)) == length - 3


@pytest.mark.parametrize("tells", [True, False])
def test_what_is_known_of_the_images_is_told_where_it_is_asked_for(
    tells: bool, shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = SimpleNamespace(noted=(ClipNote(None, ApexSource.MIDDLE),))
    monkeypatch.setattr("p2pfl_me.baselines.children.read_samples", lambda *_, **__: read)
    fill_features(contract_from_yaml(TEXT), shards, tmp_path, None, "cpu", tells=tells)
    assert ("the apex of 1 of 1 clips is the middle frame" in capsys.readouterr().out) == tells
