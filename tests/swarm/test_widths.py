"""Real peers of three widths, and their simulation: slices travel, slices are kept, the bits are the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import digest, load_contract
from p2pfl_me.options import RunOptions
from p2pfl_me.peer.checkpoint import load_checkpoint
from p2pfl_me.peer.replay import replay
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.widths import held, holders
from tests.small import events, here, write_contract, write_vectors

PEERS = 4


@pytest.mark.thorough
@pytest.mark.processes
def test_peers_of_three_widths_learn_together(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "vectors.safetensors", range(12))
    path = write_contract(tmp_path / "widths.yaml", PEERS, training="{rounds: 8, local_epochs: 1}")
    overrides = ["--set", "peers.widths={1: 0.5, 2: 0.25}", "--set", "topology={kind: mesh}"]
    run, options = tmp_path / "run", ["--data", vectors, "--no-report", "--record"]
    code, output = here(tmp_path / "home", "swarm", path, *options, "--out", run, *overrides)
    assert code == 0, output
    contract = load_contract(path, overrides[1::2])
    layout = contract.model.layout
    digests = {"contract_digest": digest(contract).hex(), "layout_digest": layout.digest().hex()}
    models = [load_checkpoint(run, peer, **digests).params for peer in range(PEERS)]
    for peer, model in enumerate(models):
        mask = held(layout.dimensions, contract.peers.width(peer))
        assert not model[~mask].any() and model[mask].astype(bool).mean() > 0.99
        assert all(len(event["weights"]) == 3 for event in events(run, peer, "round"))
        assert replay(run, peer).difference is None
    losses = np.array([[event["loss"] for event in events(run, peer, "round")] for peer in range(PEERS)])
    assert losses[:, -1].mean() < losses[:, 0].mean()
    for peer in range(PEERS):
        for line in (run / f"egress-{peer}.jsonl").read_text().splitlines():
            entry = json.loads(line)
            if entry["kind"] in ("offer", "answer"):
                width = min(contract.peers.width(peer), contract.peers.width(entry["to"]))
                assert 0 <= entry["bytes"] - 4 * held(layout.dimensions, width).sum() < 100
    simulated = RunOptions(home=tmp_path / "home", run=tmp_path / "simulated", data=vectors)
    assert simulate(contract, simulated, Console(quiet=True)) == 0
    finals = [
        [events(folder, peer, "finish")[-1]["digest"] for peer in range(PEERS)]
        for folder in (run, tmp_path / "simulated")
    ]
    assert finals[0] == finals[1]
    share = holders(layout.dimensions, map(contract.peers.width, range(PEERS)))
    assert set(np.unique(share)) == {2.0, 3.0, 4.0}
    assert json.loads((run / "average.json").read_text())["test"]["uf1"] >= 0


def test_groups_that_could_not_agree_are_refused_before_anything_starts(tmp_path: Path) -> None:
    path = write_contract(tmp_path / "widths.yaml", PEERS)
    more = ["--set", "peers.widths={1: 0.5, 3: 0.5}"]
    code, output = here(tmp_path / "home", "swarm", path, "--out", tmp_path / "run", *more)
    assert (
        code == 2 and "not connected without narrower ones: {0} and {2}" in output and "give peer 1 width 1" in output
    )
    assert not (tmp_path / "run").exists()
