"""Real peers whose contract changes: the run goes on, a newcomer begins with a model, and all of it can be replayed."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import WeightsError
from p2pfl_me.options import RunOptions
from p2pfl_me.peer.checkpoint import read_model
from p2pfl_me.peer.replay import replay
from p2pfl_me.peer.start import warm
from p2pfl_me.simulation.engine import simulate
from tests.small import Command, events, write_contract, write_vectors

ROUNDS = 6


def finished(folder: Path, training: str = "{rounds: 2, local_epochs: 1}") -> tuple[Path, Path]:
    """The run folder and contract of two peers that are done."""
    contract = write_contract(folder / "two.yaml", 2, topology="{kind: line}", training=training)
    options = RunOptions(
        home=folder / "home", run=folder / "run", data=write_vectors(folder / "all.safetensors", range(8))
    )
    assert simulate(load_contract(contract), options, Console(io.StringIO())) == 0
    return folder / "run", contract


@pytest.mark.processes
def test_two_labs_go_on_under_a_contract_with_a_third_and_more_rounds(tmp_path: Path) -> None:
    run, _ = finished(tmp_path)
    three = write_contract(
        tmp_path / "three.yaml",
        3,
        training=f"{{rounds: {ROUNDS}, local_epochs: 1}}",
        gossip="{start: {patience: 60}, deadline: {min_s: 60}}",
    )
    labs: dict[int, Path] = {}
    for peer in range(2):  # each lab has a folder of its own
        labs[peer] = tmp_path / f"lab-{peer}"
        labs[peer].mkdir(mode=0o700)
        for name in ("contract.yaml", f"checkpoint-{peer}.safetensors", f"peer-{peer}.jsonl"):
            shutil.copy(run / name, labs[peer] / name)
    labs[2] = tmp_path / "lab-2"
    peers = []
    for peer, folder in labs.items():
        data = write_vectors(tmp_path / f"{peer}.safetensors", [10 + 2 * peer, 11 + 2 * peer])
        more = ["--from", str(run / "checkpoint-0.safetensors")] if peer == 2 else []
        words = ["peer", "--id", str(peer), "--topology", str(three), "--data", str(data), "--out", str(folder), *more]
        words += ["--other-data"]  # each has brought clips of its own by now
        peers.append(Command(words, tmp_path / "home"))
    for peer, (code, said) in enumerate(each.finish() for each in peers):
        rounds = [each["round"] for each in events(labs[peer], peer, "round")]
        assert rounds[-1] == ROUNDS - 1, said
        if peer < 2:
            assert code == 0 and rounds == list(range(ROUNDS)), said  # all gather before they go on
            assert "name, peers.loopback, topology, training.rounds" in said
            assert (labs[peer] / "contract-1.yaml").exists()
        assert events(labs[peer], peer, "round")[-1]["weights"].keys() == {str(k) for k in range(3) if k != peer}


@pytest.mark.processes
def test_a_record_is_replayed_under_the_contracts_of_its_lives(tmp_path: Path) -> None:
    contract = write_contract(
        tmp_path / "one.yaml", 1, topology="{kind: mesh}", training="{rounds: 2, local_epochs: 1}"
    )
    data = write_vectors(tmp_path / "own.safetensors", [1, 2, 3])
    for rounds in (2, 3):
        words = ["peer", "--id", "0", "--topology", str(contract), "--data", str(data), "--record"]
        more = ["--out", str(tmp_path / "run"), "--set", f"training.rounds={rounds}"]
        code, said = Command([*words, *more], tmp_path / "home").finish()
        assert code == 0, said
    found = replay(tmp_path / "run", 0)
    assert found.lives == 2 and found.difference is None and len(found.rounds) == 3


def test_a_model_of_another_meaning_is_no_beginning(tmp_path: Path) -> None:
    run, path = finished(tmp_path)
    model = run / "checkpoint-0.safetensors"
    same = load_contract(path, ["training.learning_rate=0.1", "seed=9"])
    assert (warm(model, same) == read_model(model).params).all()
    with pytest.raises(WeightsError, match="another `model` section \\(classes differ\\)"):
        warm(model, load_contract(path, ["model.classes=[surprise, negative, positive]"]))
    with pytest.raises(WeightsError, match="of another shape"):
        warm(model, load_contract(path, ["model.classes=[a, b]"]))
    with pytest.raises(WeightsError, match="not a checkpoint"):
        warm(path, same)
