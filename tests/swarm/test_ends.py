"""How a swarm of real processes ends otherwise than by its last round, and what it refuses before its first."""

from __future__ import annotations

import json
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

import p2pfl_me
from p2pfl_me.report import write_report
from tests.small import Command, events, here, p2pme, wait_for, write_contract
from tests.wire.peers import free_base

pytestmark = pytest.mark.processes


def test_a_killed_peer_is_named_and_the_others_go_on(tmp_path: Path, vectors: Path) -> None:
    # In its last round a peer waits once more for whoever owes it an answer: 15 s, were it not for the contract.
    sections = {"training": "{rounds: 25, local_epochs: 1}", "gossip": "{deadline: {min_s: 5}}"}
    contract = write_contract(tmp_path / "ring.yaml", 4, **sections)
    run = tmp_path / "run"
    options = ["--data", str(vectors), "--out", str(run), "--no-report"]
    command = Command(["swarm", str(contract), *options], tmp_path / "home")
    try:
        wait_for(lambda: len(events(run, 2, "round")) >= 2, "peer 2 in round 2")
        os.kill(events(run, 2, "start")[0]["pid"], signal.SIGKILL)
        code, output = command.finish()
    finally:
        if command.process.poll() is None:
            command.kill()
    assert code == 1, output
    assert "peer 2 was killed by SIGKILL; the others go on" in output
    assert [len(events(run, peer, "round")) for peer in (0, 1, 3)] == [25] * 3
    assert "2" in events(run, 1, "round")[-1]["missing"]
    assert json.loads((run / "manifest.json").read_text())["exit"]["2"] == -signal.SIGKILL
    assert write_report([run], run / "report").exists()


def test_a_peer_that_cannot_begin_stops_the_swarm_instead_of_the_clock(
    tmp_path: Path, vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbours would wait for it for the join timeout of ten minutes."""
    monkeypatch.setattr("p2pfl_me.swarm.ports.require_ports", lambda _: None)  # it is taken after that was asked
    contract = write_contract(tmp_path / "ring.yaml", 3)
    taken = p2pfl_me.load(contract).peers.member(1).address.rpartition(":")[2]
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", int(taken)))
        squatter.listen()
        code, output = here(tmp_path / "home", "swarm", contract, "--data", vectors, "--out", tmp_path / "run")
    assert code == 1, output
    assert "peer 1 could not begin, so the swarm is stopped" in output
    assert "go on" not in output and "Traceback" not in output
    assert not (tmp_path / "run").exists(), "the same command is refused no more once the port is free"


def test_ctrl_c_stops_all_in_order_and_leaves_a_readable_run(tmp_path: Path, vectors: Path) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 4, training="{rounds: 100000}")
    run = tmp_path / "run"
    options = ["--data", str(vectors), "--out", str(run), "--no-report"]
    command = Command(["swarm", str(contract), *options], tmp_path / "home")
    try:
        wait_for(lambda: all(events(run, peer, "round") for peer in range(4)), "all peers in round 1")
        pids = [events(run, peer, "start")[0]["pid"] for peer in range(4)]
        command.interrupt()
        code, output = command.finish()
    finally:
        if command.process.poll() is None:
            command.kill()
    assert code == 130, output
    assert "stopped before its end" in output and "Traceback" not in output
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    # Each took its leave by itself: none had to be killed, which is done after two seconds.
    assert {events(run, peer, "finish")[-1]["reason"] for peer in range(4)} == {"stopped"}
    assert write_report([run], tmp_path / "page").exists()


@pytest.mark.thorough
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
        (
            {"peers": f"{{loopback: {{count: 13, base_port: {free_base(13)}}}}}"},
            [],
            "9 training subjects cannot be dealt to 13 peers",
        ),
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
    code, output = here(tmp_path / "home", "swarm", path, "--out", tmp_path / "run", *data, *options)
    assert code == 2 and says in output and "->" in output, output
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()


@dataclass(frozen=True)
class Corrected:
    """A folder with a file of the user's, a swarm in it that was refused, and the corrected one."""

    command: tuple[str | Path, ...]
    run: Path
    left: tuple[str, ...]
    """What lay in the folder after the refusal."""
    refused: tuple[int, str]
    done: tuple[int, str]


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory, vectors: Path) -> Corrected:
    folder = tmp_path_factory.mktemp("corrected")
    contract = write_contract(folder / "ring.yaml", 3, training="{rounds: 1, local_epochs: 1}")
    run = folder / "run"
    run.mkdir()
    (run / "notes.txt").write_text("mine")
    command = ("swarm", contract, "--data", vectors, "--out", run, "--no-report")
    refused = here(folder / "home", *command, "--set", "peers.loopback.count=13")
    left = tuple(path.name for path in run.iterdir())
    return Corrected(command, run, left, refused, p2pme(folder / "home", *command))


@pytest.mark.thorough
def test_a_refused_swarm_neither_blocks_the_corrected_one_nor_takes_files_that_were_there(corrected: Corrected) -> None:
    code, output = corrected.refused
    assert code == 2 and "cannot be dealt to 13 peers" in output
    assert corrected.left == ("notes.txt",)
    code, output = corrected.done
    assert code == 0, output
    assert (corrected.run / "notes.txt").read_text() == "mine"


@pytest.mark.thorough
def test_a_folder_with_a_run_is_not_written_over(corrected: Corrected) -> None:
    before = {path: path.stat().st_mtime_ns for path in corrected.run.rglob("*")}
    code, output = here(corrected.run.parent / "home", *corrected.command)
    assert code == 2 and "holds a run already" in output
    assert {path: path.stat().st_mtime_ns for path in corrected.run.rglob("*")} == before


@pytest.mark.thorough
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
