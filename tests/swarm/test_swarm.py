"""A swarm of real processes: the same weights twice, a killed peer, Ctrl-C, baselines, the notebook's front door."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import p2pfl_me
from p2pfl_me.contract import load_contract
from tests.small import Command, events, p2pme, swarm, wait_for, write_contract, write_vectors

pytestmark = pytest.mark.processes


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    return write_vectors(tmp_path / "vectors.safetensors", range(12))


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


@pytest.mark.parametrize(
    "gossip", ["qg_dsgdm", "gradient_tracking", "push_sum", "adpsgd", "swift", "push", "dpsgd, personal: true"]
)
def test_every_protocol_runs_on_real_peers(tmp_path: Path, vectors: Path, gossip: str) -> None:
    # Enough rounds for those who wait for nobody to hear of each other all the same.
    training = "{rounds: 40, local_epochs: 1}"
    contract = write_contract(tmp_path / "ring.yaml", 4, gossip=f"{{protocol: {gossip}}}", training=training)
    run = tmp_path / "run"
    # Who is slower than those who wait for nobody trains its last rounds without them, and says so.
    common = load_contract(contract).gossip.protocol.common_rounds
    swarm(contract, vectors, run, ends=(0,) if common else (0, 4))
    rounds = [events(run, peer, "round") for peer in range(4)]
    assert [len(each) for each in rounds] == [40] * 4
    assert any(event["weights"] for each in rounds for event in each)
    assert all(each[-1]["loss"] < each[0]["loss"] for each in rounds)


@pytest.mark.parametrize("topology", ["{kind: one_peer_exponential}", "{kind: epidemic_local, sends: 1}"])
def test_arcs_run_on_real_peers(tmp_path: Path, vectors: Path, topology: str) -> None:
    contract = write_contract(tmp_path / "arcs.yaml", 4, topology=topology, gossip="{protocol: push_sum}")
    run = tmp_path / "run"
    code, output = p2pme(tmp_path / "home", "swarm", contract, "--data", vectors, "--out", run)
    assert code == 0, output
    assert any(event["weights"] for peer in range(4) for event in events(run, peer, "round"))
    assert (run / "report" / "index.html").exists()


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


def test_a_killed_peer_is_named_and_the_others_go_on(tmp_path: Path, vectors: Path) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 4, training="{rounds: 400, local_epochs: 2}")
    run = tmp_path / "run"
    command = Command(["swarm", str(contract), "--data", str(vectors), "--out", str(run)], tmp_path / "home")
    try:
        wait_for(lambda: len(events(run, 2, "round")) >= 5, "peer 2 in round 5")
        os.kill(events(run, 2, "start")[0]["pid"], signal.SIGKILL)
        code, output = command.finish()
    finally:
        if command.process.poll() is None:
            command.kill()
    assert code == 1, output
    assert "peer 2 was killed by SIGKILL; the others go on" in output
    assert [len(events(run, peer, "round")) for peer in (0, 1, 3)] == [400] * 3
    assert "2" in events(run, 1, "round")[-1]["missing"]
    assert json.loads((run / "manifest.json").read_text())["exit"]["2"] == -signal.SIGKILL
    assert (run / "report" / "index.html").exists()


def test_a_peer_that_cannot_begin_stops_the_swarm_instead_of_the_clock(tmp_path: Path, vectors: Path) -> None:
    """Its neighbours would wait for it for the join timeout of ten minutes."""
    contract = write_contract(tmp_path / "ring.yaml", 3)
    taken = p2pfl_me.load(contract).peers.member(1).address.rpartition(":")[2]
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", int(taken)))
        squatter.listen()
        code, output = p2pme(tmp_path / "home", "swarm", contract, "--data", vectors, "--out", tmp_path / "run")
    assert code == 1, output
    assert f"127.0.0.1:{taken}: cannot listen" in output
    assert "peer 1 could not begin, so the swarm is stopped" in output
    assert "go on" not in output and "Traceback" not in output
    assert not (tmp_path / "run").exists(), "the same command is refused no more once the port is free"


def test_ctrl_c_stops_all_within_three_seconds_and_leaves_a_readable_run(tmp_path: Path, vectors: Path) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 4, training="{rounds: 100000}")
    run = tmp_path / "run"
    options = ["--data", str(vectors), "--out", str(run), "--no-report"]
    command = Command(["swarm", str(contract), *options], tmp_path / "home")
    try:
        wait_for(lambda: all(events(run, peer, "round") for peer in range(4)), "all peers in round 1")
        pids = [events(run, peer, "start")[0]["pid"] for peer in range(4)]
        begun = time.monotonic()
        command.interrupt()
        code, output = command.finish()
        took = time.monotonic() - begun
    finally:
        if command.process.poll() is None:
            command.kill()
    assert code == 130, output
    assert "Traceback" not in output
    assert took < 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert {events(run, peer, "finish")[-1]["reason"] for peer in range(4)} == {"stopped"}
    code, output = p2pme(tmp_path / "home", "report", run, "-o", tmp_path / "page")
    assert code == 0 and (tmp_path / "page" / "index.html").exists(), output


def test_seeds_and_baselines_meet_in_one_report(tmp_path: Path, vectors: Path) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 3)
    folder = tmp_path / "sweep"
    options = ["--data", vectors, "--out", folder, "--seeds", "2", "--baselines"]
    code, output = p2pme(tmp_path / "home", "swarm", contract, *options)
    assert code == 0, output
    for seed in (1, 2):
        found = json.loads((folder / f"seed-{seed}" / "baselines.json").read_text())
        assert len(found["isolated"]["peers"]) == 3
        assert len(found["pooled"]["rounds"]) == len(found["fedavg"]["rounds"]) == 3
        assert found["steps"]["isolated"] == found["steps"]["fedavg"]
        assert json.loads((folder / f"seed-{seed}" / "average.json").read_text())["test"]["uf1"] >= 0
    assert (folder / "report" / "index.html").exists()


def test_a_run_without_test_clips_goes_all_the_way(tmp_path: Path) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 2, training="{rounds: 1, local_epochs: 1}")
    vectors = write_vectors(tmp_path / "vectors.safetensors", range(4))
    run = tmp_path / "run"
    options = ["--data", vectors, "--out", run, "--baselines", "--set", "data.test_fraction=0"]
    code, output = p2pme(tmp_path / "home", "swarm", contract, *options)
    assert code == 0 and "no clips" not in output, output
    assert json.loads((run / "average.json").read_text())["test"] is None
    page = (run / "report" / "report.md").read_text()
    assert "nothing about recognition" in page and "baselines were not run" not in page
    alone = ["--id", "0", "--topology", contract, "--set", "peers.loopback.count=1", "--set", "topology.kind=mesh"]
    shards = ["--data", run / "shards" / "peer-0.csv", "--test", run / "shards" / "test.csv"]
    code, output = p2pme(tmp_path / "home", "peer", *alone, *shards, "--out", tmp_path / "alone")
    assert code == 0, output


def test_the_front_door_for_notebooks(tmp_path: Path, vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    contract = p2pfl_me.load(write_contract(tmp_path / "ring.yaml", 3), **{"training.rounds": 2})
    result = p2pfl_me.run_swarm(contract, run=tmp_path / "run", data=vectors)
    assert result.exit_code == 0
    assert result.scores("uf1").shape == (2, 3)
    assert np.isfinite(result.scores("loss")).all()
    assert result.confusion.shape == (3, 3) and result.confusion.sum() == 36
    assert result.params(1).shape == (262_659,)


SCRIPT = """
import sys

import p2pfl_me

contract, data, run = sys.argv[1:]
result = p2pfl_me.run_swarm(p2pfl_me.load(contract), run=run, data=data)
print(result.exit_code, result.scores("uf1").mean(axis=1).shape, result.confusion.shape)
print("torch" in sys.modules, "matplotlib" in sys.modules)  # the peers' business, and the report's
"""


@pytest.mark.parametrize("as_file", [True, False])
def test_the_front_door_opens_to_a_script_without_a_guard(tmp_path: Path, vectors: Path, as_file: bool) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 3, training="{rounds: 2, local_epochs: 1}")
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script) if as_file else "-", str(contract), str(vectors), str(tmp_path / "run")],
        input=None if as_file else SCRIPT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        env={**os.environ, "P2PME_HOME": str(tmp_path / "home")},
        check=False,
    )
    assert done.stdout.splitlines() == ["0 (2,) (3, 3)", "False False"], done.stdout


def test_the_front_door_opens_to_a_thread_which_hears_no_signals(
    tmp_path: Path, vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    contract = p2pfl_me.load(write_contract(tmp_path / "ring.yaml", 3))
    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(p2pfl_me.run_swarm, contract, run=tmp_path / "run", data=vectors).result()
    assert result.exit_code == 0 and result.scores().shape == (3, 3)


def test_what_comes_after_the_peers_and_cannot_be_written_is_told_in_words(tmp_path: Path, vectors: Path) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 3, training="{rounds: 1, local_epochs: 1}")
    run = tmp_path / "run"
    run.mkdir()
    for name in ("average", "baseline-pooled"):
        (run / f"{name}.json").mkdir()
    options = ["--data", vectors, "--out", run, "--baselines", "--no-report"]
    code, output = p2pme(tmp_path / "home", "swarm", contract, *options)
    assert code == 2, output
    for name in ("average", "baseline-pooled"):
        assert f"Error: {run / name}.json: cannot be written: Is a directory\n  -> free some space" in output
    assert "Traceback" not in output and "Internal" not in output
    assert not list(run.glob(".*.draft*"))


@pytest.mark.parametrize(
    ("contract", "options", "says"),
    [
        ({}, ["--data", "nowhere"], "no such manifest"),
        ({"peers": "{loopback: {count: 13}}"}, [], "9 training subjects cannot be dealt to 13 peers"),
        (
            {"peers": f"{{members: [{{id: 0, address: 'tcp://far:4000', public_key: '{'A' * 43}='}}]}}"},
            [],
            "runs on this machine only",
        ),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(
    tmp_path: Path, vectors: Path, contract: dict[str, str], options: list[str], says: str
) -> None:
    path = write_contract(tmp_path / "c.yaml", 3, **contract)
    data = [] if options else ["--data", vectors]
    code, output = p2pme(tmp_path / "home", "swarm", path, "--out", tmp_path / "run", *data, *options)
    assert code == 2 and says in output and "->" in output, output
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()


def test_a_refused_swarm_neither_blocks_the_corrected_one_nor_takes_files_that_were_there(
    tmp_path: Path, vectors: Path
) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 3, training="{rounds: 1, local_epochs: 1}")
    run = tmp_path / "run"
    run.mkdir()
    (run / "notes.txt").write_text("mine")
    options = ["swarm", contract, "--data", vectors, "--out", run, "--no-report"]
    code, output = p2pme(tmp_path / "home", *options, "--set", "peers.loopback.count=13")
    assert code == 2 and "cannot be dealt to 13 peers" in output
    assert [path.name for path in run.iterdir()] == ["notes.txt"]
    code, output = p2pme(tmp_path / "home", *options)
    assert code == 0, output
    assert (run / "notes.txt").read_text() == "mine"


def test_a_refused_backbone_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    weights = f"{{source: file, sha256: '{'0' * 64}'}}"
    data = "{synthetic: {subjects: 6, clips_per_subject: 1}}"
    contract = write_contract(tmp_path / "duo.yaml", 2, model=f"{{weights: {weights}}}", data=data)
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    run = tmp_path / "run"
    run.mkdir()
    (run / "notes.txt").write_text("mine")
    code, output = p2pme(tmp_path / "home", "swarm", contract, "--weights", tmp_path / "bad.pth", "--out", run)
    assert code == 2 and "bad.pth" in output and "features ended with exit code 2" in output, output
    assert [path.name for path in run.iterdir()] == ["notes.txt"]


def test_a_folder_with_a_run_is_not_written_over(tmp_path: Path, vectors: Path) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 3, training="{rounds: 1, local_epochs: 1}")
    options = ["swarm", contract, "--data", vectors, "--out", tmp_path / "run", "--no-report"]
    assert p2pme(tmp_path / "home", *options)[0] == 0
    code, output = p2pme(tmp_path / "home", *options)
    assert code == 2 and "holds a run already" in output


def test_a_folder_of_images_with_labels_of_its_own(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = ["path,dataset,subject,clip,label"]
    for index in range(16):
        Image.fromarray(random.integers(0, 256, (28, 28, 3), dtype=np.uint8)).save(tmp_path / f"{index}.png")
        rows.append(f"{index}.png,lab,{index // 2},{index},{('surprise', 'tense')[index % 2]}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    contract = write_contract(tmp_path / "ring.yaml", 3, model="{input: flow}", training="{rounds: 1}")
    code, output = p2pme(tmp_path / "home", "swarm", contract, "--data", tmp_path, "--out", tmp_path / "run")
    assert code == 0, output
    assert f"classes taken from {tmp_path}: surprise, tense" in output
    assert not [path for path in (tmp_path / "run").rglob("*.png") if "report" not in path.parts]
    (tmp_path / "manifest.csv").write_text("\n".join(rows).replace("surprise", "suprise") + "\n")
    code, output = p2pme(tmp_path / "home", "swarm", contract, "--data", tmp_path, "--out", tmp_path / "slip")
    assert code == 2 and "unknown label 'suprise'" in output, output
