"""What is simulated is what runs: sixteen real processes and their simulation end with the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import load_contract
from p2pfl_me.options import RunOptions
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.simulation.faults import Crash, FaultModel, LinkQuality
from p2pfl_me.simulation.pace import ORDINARY
from tests.small import CLASSES, events, swarm, write_contract, write_vectors

PEERS = 16
FEWER = 8
"""Where the graph alone is another one, or what is sent."""


def digests(run: Path, peers: int = PEERS) -> list[str]:
    return [events(run, peer, "finish")[-1]["digest"] for peer in range(peers)]


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """Of two labs: half of the people are each one's."""
    write_vectors(tmp_path / "vectors.safetensors", range(24), per_subject=6)
    lines = [
        f"vectors.safetensors,lab {row // 6 % 2},s{row // 6},{row},{CLASSES[row % len(CLASSES)]}" for row in range(144)
    ]
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(["path,dataset,subject,clip,label", *lines]) + "\n")
    return path


@pytest.mark.few(1)
@pytest.mark.processes
@pytest.mark.parametrize(
    ("peers", "topology", "gossip", "privacy"),
    [
        (FEWER, "{kind: ring}", "{}", "{}"),
        pytest.param(PEERS, "{kind: ring}", "{}", "{}", marks=pytest.mark.thorough),
        pytest.param(PEERS, "{kind: base, meets: 2}", "{}", "{}", marks=pytest.mark.thorough),
        (FEWER, "{kind: epidemic, meets: 2}", "{aggregation: nna}", "{}"),
        (FEWER, "{kind: regular}", "{}", "{exchange: masks}"),
    ],
)
def test_a_real_swarm_and_its_simulation_end_bit_equal(
    tmp_path: Path, vectors: Path, peers: int, topology: str, gossip: str, privacy: str
) -> None:
    training = "{rounds: 4, local_epochs: 1}"
    sections = {"topology": topology, "training": training, "gossip": gossip, "privacy": privacy}
    path = write_contract(tmp_path / "swarm.yaml", peers, **sections)
    real, simulated = tmp_path / "real", tmp_path / "simulated"
    swarm(path, vectors, real)
    options = RunOptions(home=tmp_path / "home", run=simulated, data=vectors)
    assert simulate(load_contract(path), options, Console()) == 0
    assert digests(real, peers) == digests(simulated, peers)
    for peer in range(peers):
        for one, other in zip(events(real, peer, "round"), events(simulated, peer, "round"), strict=True):
            for value in ("round", "loss", "steps", "weights", "missing", "refused", "distance", "norm", "test"):
                assert one[value] == other[value]
            assert {"lab 0", "lab 1"} == set(one["test"]["by_dataset"])
            total = np.sum(list(one["test"]["by_dataset"].values()), axis=0)
            np.testing.assert_array_equal(total, one["test"]["confusion"])
            assert {"lab 0", "lab 1"} == set(one["test"]["by_subject"])


@pytest.mark.thorough
def test_seals_and_the_network_change_no_bit_and_bytes_are_counted_alike(tmp_path: Path, vectors: Path) -> None:
    contract = load_contract(write_contract(tmp_path / "swarm.yaml", PEERS))
    sent = {}
    for name, faults, sealed in (
        ("plain", ORDINARY, False),
        ("sealed", ORDINARY, True),
        ("slow", FaultModel(LinkQuality((0.5, 2.0), bandwidth_bps=1e8), compute_s=(0.1, 0.5)), False),
    ):
        options = RunOptions(home=tmp_path / "home", run=tmp_path / name, data=vectors)
        assert simulate(contract, options, Console(), faults=faults, sealed=sealed) == 0
        sent[name] = [events(tmp_path / name, peer, "round")[-1]["bytes_sent"] for peer in range(PEERS)]
    assert digests(tmp_path / "plain") == digests(tmp_path / "sealed") == digests(tmp_path / "slow")
    # The number of small messages at the start depends on the draws of the network; a model would be megabytes.
    assert np.abs(np.subtract(sent["plain"], sent["sealed"])).max() < 2_000


@pytest.mark.thorough
def test_a_crash_and_a_return_are_told_as_real_peers_tell_them(tmp_path: Path, vectors: Path) -> None:
    contract = load_contract(write_contract(tmp_path / "swarm.yaml", PEERS, training="{rounds: 12, local_epochs: 1}"))
    faults = FaultModel(compute_s=(1.0, 1.0), crashes=(Crash(4.5, 3, 9.2),), silence_s=0.5)
    options = RunOptions(home=tmp_path / "home", run=tmp_path / "run", data=vectors)
    assert simulate(contract, options, Console(), faults=faults) == 0
    first, second = events(tmp_path / "run", 3, "start")
    assert first["resumed_round"] is None and second["resumed_round"] > 0
    rounds = [event["round"] for event in events(tmp_path / "run", 3, "round")]
    assert rounds[-1] == 11 and set(range(12)) - set(rounds)
    sent = [event["bytes_sent"] for event in events(tmp_path / "run", 3, "round")]
    assert sent == sorted(sent)


@pytest.mark.thorough
def test_peers_stopped_at_a_time_keep_the_rounds_that_fit_into_it(tmp_path: Path, vectors: Path) -> None:
    contract = load_contract(write_contract(tmp_path / "swarm.yaml", PEERS, gossip="{protocol: swift}"))
    faults = FaultModel(LinkQuality((0.01, 0.01)), compute_s=(1.0, 1.0), slow={5: 2.0}, stop_s=2.5)
    options = RunOptions(home=tmp_path / "home", run=tmp_path / "run", data=vectors)
    assert simulate(contract, options, Console(), faults=faults) == 0
    steps = {peer: events(tmp_path / "run", peer, "round")[0]["steps"] for peer in range(PEERS)}
    for peer in range(PEERS):
        seconds = steps[peer] * (2.0 if peer == 5 else 1.0)
        assert len(events(tmp_path / "run", peer, "round")) == int((2.5 - 0.01) / seconds)
        assert events(tmp_path / "run", peer, "finish")[-1]["reason"] == "stopped"
    assert (tmp_path / "run" / "average.json").exists()
