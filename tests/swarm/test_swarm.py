"""A swarm of real processes: the same weights twice, every protocol and compression, baselines, a lab's own images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import load_contract
from p2pfl_me.options import RunOptions
from p2pfl_me.report import write_report
from p2pfl_me.simulation.engine import simulate
from tests.small import events, here, p2pme, swarm, write_contract, write_vectors

pytestmark = pytest.mark.processes


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_weights_twice(tmp_path: Path, vectors: Path) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 4)
    for name in ("one", "two", "other"):
        swarm(contract, vectors, tmp_path / name, *(["seed=2"] if name == "other" else []))
    digests = {
        name: [events(tmp_path / name, peer, "finish")[-1]["digest"] for peer in range(4)]
        for name in ("one", "two", "other")
    }
    assert digests["one"] == digests["two"] != digests["other"]
    assert all(not event["missing"] for peer in range(4) for event in events(tmp_path / "one", peer, "round"))
    for peer in range(4):
        ledger = (tmp_path / "one" / f"egress-{peer}.jsonl").read_text().splitlines()
        traffic, finish = events(tmp_path / "one", peer)[-2:]
        handshakes = traffic["bytes_sent"] - sum(json.loads(line)["wire"] for line in ledger)
        assert (traffic["event"], finish["event"]) == ("traffic", "finish") and 0 < handshakes < 2000


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "gossip",
    [
        "dpsgd, personal: true",
        "push_sum",
        "adpsgd",
        *(
            pytest.param(each, marks=pytest.mark.thorough)
            for each in ("qg_dsgdm", "gradient_tracking", "swift", "push")
        ),
    ],
)
def test_every_protocol_runs_on_real_peers(tmp_path: Path, vectors: Path, gossip: str) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 4, gossip=f"{{protocol: {gossip}}}")
    run = tmp_path / "run"
    # Who is slower than those who wait for nobody trains its last rounds without them, and says so. With enough rounds
    # all of them hear of each other all the same.
    common = load_contract(contract).gossip.protocol.common_rounds
    count, ends = (8, (0,)) if common else (40, (0, 4))
    swarm(contract, vectors, run, f"training.rounds={count}", ends=ends)
    rounds = [events(run, peer, "round") for peer in range(4)]
    assert [len(each) for each in rounds] == [count] * 4
    assert any(event["weights"] for each in rounds for event in each)
    assert all(each[-1]["loss"] < each[0]["loss"] for each in rounds)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "topology",
    ["{kind: epidemic_local, sends: 1}", pytest.param("{kind: one_peer_exponential}", marks=pytest.mark.thorough)],
)
def test_arcs_run_on_real_peers(tmp_path: Path, vectors: Path, topology: str) -> None:
    contract = write_contract(tmp_path / "arcs.yaml", 4, topology=topology, gossip="{protocol: push_sum}")
    run = tmp_path / "run"
    swarm(contract, vectors, run)
    assert any(event["weights"] for peer in range(4) for event in events(run, peer, "round"))
    assert write_report([run], run / "report").exists()


@pytest.mark.thorough
@pytest.mark.parametrize("compression", ["int8", "{kind: fragments, parts: 2}", "topk", "power", "jwins"])
def test_compressed_models_travel_between_real_peers(tmp_path: Path, vectors: Path, compression: str) -> None:
    gossip = f"{{compression: {compression}}}"
    contract = write_contract(tmp_path / "ring.yaml", 4, training="{rounds: 4, local_epochs: 1}", gossip=gossip)
    run = tmp_path / "run"
    swarm(contract, vectors, run)
    rounds = [events(run, peer, "round") for peer in range(4)]
    assert [len(each) for each in rounds] == [4] * 4
    assert all(len(event["weights"]) == 2 for each in rounds for event in each)
    assert all(each[-1]["bytes_sent"] < 0.7 * 4 * 2 * 4 * 263_175 for each in rounds)
    assert not any(events(run, peer, "refused") for peer in range(4))


@pytest.mark.thorough
def test_an_overlapped_exchange_of_few_bits_ends_with_the_bits_of_the_simulator(tmp_path: Path, vectors: Path) -> None:
    path = write_contract(
        tmp_path / "ring.yaml",
        3,
        training="{rounds: 3, local_epochs: 1}",
        gossip="{protocol: overlap, compression: chunked}",
    )
    run = tmp_path / "run"
    swarm(path, vectors, run)
    rounds = [events(run, peer, "round") for peer in range(3)]
    assert all(len(event["weights"]) == 2 for each in rounds for event in each)
    assert all(each[-1]["bytes_sent"] < 0.08 * 3 * 2 * 4 * 263_175 for each in rounds)
    simulated = RunOptions(home=tmp_path / "home", run=tmp_path / "simulated", data=vectors)
    assert simulate(load_contract(path), simulated, Console(quiet=True)) == 0
    for peer in range(3):
        here_, there = (events(folder, peer, "finish")[-1]["digest"] for folder in (run, simulated.run))
        assert here_ == there


@pytest.mark.thorough
def test_seeds_and_baselines_meet_in_one_report(tmp_path: Path, vectors: Path) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 3)
    folder = tmp_path / "sweep"
    options = ["--data", vectors, "--out", folder, "--seeds", "2", "--baselines"]
    code, output = here(tmp_path / "home", "swarm", contract, *options)
    assert code == 0, output
    for seed in (1, 2):
        found = json.loads((folder / f"seed-{seed}" / "baselines.json").read_text())
        assert len(found["isolated"]["peers"]) == 3
        assert len(found["pooled"]["rounds"]) == len(found["fedavg"]["rounds"]) == 3
        assert found["steps"]["isolated"] == found["steps"]["fedavg"]
        assert json.loads((folder / f"seed-{seed}" / "average.json").read_text())["test"]["uf1"] >= 0
    assert (folder / "report" / "index.html").exists()


@pytest.mark.thorough
def test_a_run_without_test_clips_goes_all_the_way(tmp_path: Path) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 2, training="{rounds: 1, local_epochs: 1}")
    vectors = write_vectors(tmp_path / "vectors.safetensors", range(4))
    run = tmp_path / "run"
    options = ["--data", vectors, "--out", run, "--baselines", "--set", "data.test_fraction=0"]
    code, output = here(tmp_path / "home", "swarm", contract, *options)
    assert code == 0 and "no clips" not in output, output
    assert json.loads((run / "average.json").read_text())["test"] is None
    page = (run / "report" / "report.md").read_text()
    assert "nothing about recognition" in page and "baselines were not run" not in page
    alone = ["--id", "0", "--topology", contract, "--set", "peers.loopback.count=1", "--set", "topology.kind=mesh"]
    shards = ["--data", run / "shards" / "peer-0.csv", "--test", run / "shards" / "test.csv"]
    code, output = p2pme(tmp_path / "home", "peer", *alone, *shards, "--out", tmp_path / "alone")
    assert code == 0, output


@pytest.mark.thorough
def test_a_folder_of_images_with_labels_of_its_own(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = ["path,dataset,subject,clip,label"]
    for index in range(16):
        Image.fromarray(random.integers(0, 256, (28, 28, 3), dtype=np.uint8)).save(tmp_path / f"{index}.png")
        rows.append(f"{index}.png,lab,{index // 2},{index},{('surprise', 'tense')[index % 2]}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    contract = write_contract(tmp_path / "ring.yaml", 3, model="{input: flow}", training="{rounds: 1}")
    options = ["--data", tmp_path, "--no-report", "--out"]
    code, output = here(tmp_path / "home", "swarm", contract, *options, tmp_path / "run")
    assert code == 0, output
    assert f"classes taken from {tmp_path}: surprise, tense" in output
    assert not list((tmp_path / "run").rglob("*.png"))
    (tmp_path / "manifest.csv").write_text("\n".join(rows).replace("surprise", "suprise") + "\n")
    code, output = here(tmp_path / "home", "swarm", contract, *options, tmp_path / "slip")
    assert code == 2 and "unknown label 'suprise'" in output, output
