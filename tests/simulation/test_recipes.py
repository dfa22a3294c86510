"""Ready contracts after papers do what they say: two rounds of all ten peers, with what protects them in force."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.contract.ready import read_contract
from p2pfl_me.contract.template import NBAFL, PEMFL
from p2pfl_me.options import RunOptions
from p2pfl_me.report.run import Run, read_run
from p2pfl_me.simulation.engine import simulate
from tests.small import CLASSES


def ran(name: str, tmp_path: Path) -> tuple[Contract, Run]:
    short = [f"model.classes=[{', '.join(CLASSES)}]", "training.rounds=2"]
    contract = read_contract(name, short)
    random, subjects = np.random.default_rng(0), np.repeat(np.arange(24), 3)
    features = random.normal(size=(subjects.size, contract.model.input_width)).astype(np.float32)
    tensors = {"features": features, "labels": np.arange(subjects.size) % len(CLASSES), "subjects": subjects}
    save_file(tensors, tmp_path / "rows.safetensors", {"classes": json.dumps(CLASSES)})
    options = RunOptions(tmp_path / "home", tmp_path / "run", tmp_path / "rows.safetensors")
    assert simulate(contract, options, Console(quiet=True)) == 0
    return contract, read_run(tmp_path / "run")


@pytest.mark.thorough
def test_nbafl_trains_five_peers_a_round_and_each_pays_for_its_own(tmp_path: Path) -> None:
    contract, run = ran(NBAFL, tmp_path)
    paid = [(log.peer, each.round) for log in run.peers for each in log.spent]
    assert contract.privacy.unit == "lab" and len(paid) == 2 * 5
    assert all(log.spent[-1].epsilon <= 100 for log in run.peers if log.spent)


@pytest.mark.thorough
def test_pemfl_has_momentum_and_every_peer_pays_for_every_round_within_its_budget(tmp_path: Path) -> None:
    contract, run = ran(PEMFL, tmp_path)
    assert contract.gossip.protocol.kind == "qg_dsgdm" and contract.privacy.unit == "clip"
    assert [len(log.spent) for log in run.peers] == [2] * 10
    assert all(0 < log.spent[-1].epsilon <= 8 for log in run.peers)
