"""Lockstep leaves the run folder that the event simulator leaves: weights and scores to the bit, all models counted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import digest, load_contract
from p2pfl_me.errors import ContractError
from p2pfl_me.options import RunOptions
from p2pfl_me.peer.checkpoint import load_checkpoint
from p2pfl_me.report.run import read_run
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.simulation.lockstep import run_lockstep
from p2pfl_me.simulation.lockstep_fit import require_lockstep
from tests.small import events, write_contract, write_vectors

PEERS = 6
OTHER = {"t", "wait_seconds", "seconds", "round_seconds", "distance", "bytes_sent", "bytes_received"}
"""What depends on the moment (a neighbour that is ahead has sent more), or what lockstep does not look at: greetings
and the other small messages of the start, whose number depends on who comes when."""


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("topology", "gossip"),
    [
        ("{kind: base, meets: 1}", "{protocol: dpsgd}"),
        ("{kind: epidemic, meets: 2}", "{protocol: qg_dsgdm}"),
        ("{kind: ring}", "{protocol: gradient_tracking}"),
        ("{kind: star}", "{personal: true}"),
        ("{kind: mesh}", "{aggregation: krum}"),
        ("{kind: ring}", "{compression: chunked}"),
        ("{kind: star}", "{compression: {kind: topk, fraction: 0.2}, personal: true}"),
        ("{kind: base, meets: 1}", "{protocol: qg_dsgdm, compression: int8}"),
        ("{kind: ring}", "{protocol: overlap}"),
        ("{kind: mesh}", "{protocol: overlap, compression: {kind: chunked, bits: 1}}"),
    ],
)
def test_it_leaves_what_the_simulator_leaves(tmp_path: Path, topology: str, gossip: str) -> None:
    data = write_vectors(tmp_path / "vectors.safetensors", range(12), per_subject=6)
    contract = load_contract(write_contract(tmp_path / "swarm.yaml", PEERS, topology=topology, gossip=gossip))
    one, other = (RunOptions(home=tmp_path / "home", run=tmp_path / name, data=data) for name in ("one", "other"))
    assert run_lockstep(contract, one, Console()) == 0
    assert simulate(contract, other, Console()) == 0
    for peer in range(PEERS):
        for mine, theirs in zip(events(one.run, peer, "round"), events(other.run, peer, "round"), strict=True):
            assert mine.keys() == theirs.keys()
            assert {key: mine[key] for key in mine.keys() - OTHER} == {key: theirs[key] for key in mine.keys() - OTHER}
            assert 0 <= theirs["bytes_sent"] - mine["bytes_sent"] < 20_000
        (mine,), (theirs,) = events(one.run, peer, "finish"), events(other.run, peer, "finish")
        assert mine["digest"] == theirs["digest"]
        (mine,), (theirs,) = events(one.run, peer, "start"), events(other.run, peer, "start")
        assert mine["data"] == theirs["data"]
        here = {"contract_digest": digest(contract).hex(), "layout_digest": contract.model.layout.digest().hex()}
        kept, expected = (load_checkpoint(run, peer, **here) for run in (one.run, other.run))
        assert kept.completed == expected.completed
        np.testing.assert_array_equal(kept.params, expected.params)
    assert json.loads((one.run / "average.json").read_text()) == json.loads((other.run / "average.json").read_text())
    assert read_run(one.run).manifest.engine == "lockstep"


@pytest.mark.thorough
def test_its_clock_goes_about_as_the_simulators(tmp_path: Path) -> None:
    data = write_vectors(tmp_path / "vectors.safetensors", range(12), per_subject=6)
    contract = load_contract(write_contract(tmp_path / "swarm.yaml", PEERS, training="{rounds: 8, local_epochs: 2}"))
    seconds = []
    for run in (run_lockstep, simulate):
        options = RunOptions(home=tmp_path / "home", run=tmp_path / run.__name__, data=data)
        assert run(contract, options, Console()) == 0
        seconds.append(max(events(options.run, peer, "round")[-1]["seconds"] for peer in range(PEERS)))
    assert seconds[0] == pytest.approx(seconds[1], rel=0.35)


@pytest.mark.parametrize(
    ("gossip", "words"),
    [
        ("{protocol: swift}", "swift do not move in lockstep"),
        ("{protocol: push_sum}", "push_sum do not move in lockstep"),
        ("{}", "widths"),
        ("{patience: {rounds: 3}}\ndata: {validation_fraction: 0.2}", "patience"),
    ],
)
def test_what_has_no_lockstep_is_refused_with_the_nearest_that_works(tmp_path: Path, gossip: str, words: str) -> None:
    contract = load_contract(write_contract(tmp_path / "swarm.yaml", PEERS, gossip=gossip))
    if words == "widths":
        contract = contract.model_copy(update={"peers": contract.peers.model_copy(update={"widths": {1: 0.5}})})
    with pytest.raises(ContractError, match=words) as caught:
        require_lockstep(contract, "swarm.yaml")
    assert "--engine simulate" in caught.value.fix


def test_too_many_peers_for_the_memory_leave_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pfl_me.machine.available_bytes", lambda: 1_000_000)
    contract = load_contract(write_contract(tmp_path / "swarm.yaml", PEERS))
    with pytest.raises(ContractError, match="a machine with more memory"):
        run_lockstep(contract, RunOptions(home=tmp_path / "home", run=tmp_path / "run"), Console())
    assert not (tmp_path / "run").exists()
