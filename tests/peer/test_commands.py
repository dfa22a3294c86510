"""Four commands, as four terminals would start them; one is killed and returns. And what the wire shows of it all."""

from __future__ import annotations

import base64
import os
import resource
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from p2pfl_me.contract import digest, load_contract
from p2pfl_me.peer.process import _never_met
from p2pfl_me.wire.framing import Lengths
from p2pfl_me.wire.handshake import greeting
from tests.peer.capturing import captured, first_models, shows
from tests.small import Command, events, p2pme, wait_for, write_contract, write_vectors

pytestmark = pytest.mark.processes


def start(home: Path, contract: Path, folder: Path, peer: int, *more: str, new: bool = False) -> Command:
    data = folder / f"own-{peer}.safetensors"
    if not data.exists():
        write_vectors(data, [peer])
        write_vectors(folder / "test.safetensors", [1000, 1001])
    options = ["--id", str(peer), "--topology", str(contract), "--data", str(data)]
    words = ["peer", *options, "--test", str(folder / "test.safetensors"), "--out", str(folder / "run"), *more]
    return Command(words, home, new)


def test_four_commands_reach_the_end_and_a_killed_one_rejoins(tmp_path: Path) -> None:
    rounds = 60
    contract = write_contract(tmp_path / "four.yaml", 4, training=f"{{rounds: {rounds}, local_epochs: 1}}")
    run = tmp_path / "run"
    peers = {peer: start(tmp_path / "home", contract, tmp_path, peer) for peer in range(4)}
    try:
        wait_for(lambda: len(events(run, 3, "round")) >= 10, "peer 3 in round 10", 120)
        peers[3].kill()
        peers[3].finish()
        wait_for(lambda: "3" in events(run, 2, "round")[-1]["missing"], "a round of peer 2 without peer 3")
        # However long a process takes to begin here, there are rounds left when it has.
        for peer in range(3):
            os.kill(peers[peer].process.pid, signal.SIGSTOP)
        peers[3] = start(tmp_path / "home", contract, tmp_path, 3, new=True)  # a new interpreter, as a reboot's
        wait_for(lambda: len(events(run, 3, "start")) == 2, "peer 3 again")
        for peer in range(3):
            os.kill(peers[peer].process.pid, signal.SIGCONT)
        results = {peer: command.finish(240) for peer, command in peers.items()}
    finally:
        for command in peers.values():
            if command.process.poll() is None:
                command.kill()
    code, output = results.pop(3)
    detail = events(run, 3, "finish")[-1]["detail"]
    assert code == (4 if detail else 0) and (not events(run, 3, "catch_up") or f"of {rounds} rounds" in detail), output
    assert not detail or f"peer 3: {detail}" in output
    for peer, (each, said) in results.items():
        end = events(run, peer, "finish")[-1]
        assert each == (4 if end["detail"] else 0) and end["reason"] == "rounds", said
    first, second = events(run, 3, "start")
    assert first["resumed_round"] is None and second["resumed_round"] >= 10
    last = events(run, 3, "round")[-1]
    assert last["round"] == rounds - 1 and set(last["weights"]) == {"0", "2"}
    missed = [event for event in events(run, 2, "round") if "3" in event["missing"]]
    assert missed and len(missed) < rounds - 10, "it was away for a while, then mixed again"
    assert events(run, 2, "finish")[-1]["reason"] == "rounds"


def test_the_wire_shows_no_weights(tmp_path: Path) -> None:
    path = write_contract(tmp_path / "of-two-laboratories.yaml", 2, training="{rounds: 1, local_epochs: 1}")
    contract = load_contract(path)
    with captured({int(contract.peers.member(peer).address.rpartition(":")[2]) for peer in range(2)}) as seen:
        commands = [start(tmp_path / "home", path, tmp_path, peer) for peer in range(2)]
        results = [command.finish() for command in commands]
    assert [code for code, _ in results] == [0, 0], results
    assert not any(shows(seen, model) for model in first_models(contract, tmp_path, tmp_path / "home" / "cache"))
    assert Lengths().write(len(greeting(bytes(16)))) + greeting(b"") in seen, "the capture did see the handshake"
    keys = [path.read_text().split("\n")[1] for path in (tmp_path / "home" / "keys").glob("*.key")]
    public = [
        X25519PrivateKey.from_private_bytes(base64.b64decode(key)).public_key().public_bytes_raw() for key in keys
    ]
    assert len(public) == 2 and not any(each in seen for each in (digest(contract), contract.name.encode(), *public))
    assert len(seen) > 2 * 4 * 263_000, "and all of both models"


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--id", "9"], "there is no peer 9"),
        (["--id", "0", "--data", "nowhere.csv"], "no such manifest"),
        (["--id", "0", "--resume"], "no checkpoint to resume from"),
        (["--id", "0", "--test", "nowhere.csv"], "--test goes with --data"),
        (["--id", "0", "--key", "missing.key"], "no such key"),
        (["--id", "0", "--set", "training.round=3"], "did you mean `rounds`"),
    ],
)
def test_wrong_input_is_answered_in_words(tmp_path: Path, options: list[str], says: str) -> None:
    contract = write_contract(tmp_path / "c.yaml", 3)
    code, output = p2pme(tmp_path / "home", "peer", "--topology", contract, "--out", tmp_path / "run", *options)
    assert code in {2, 3}, output
    assert says in output and "->" in output
    assert "Traceback" not in output


def test_a_taken_port_a_mended_contract_and_a_foreign_run_folder(tmp_path: Path) -> None:
    contract = write_contract(tmp_path / "c.yaml", 1, topology="{kind: mesh}")
    port = load_contract(contract).peers.member(0).address.rpartition(":")[2]
    with socket.create_server(("127.0.0.1", int(port))):
        command = start(tmp_path / "home", contract, tmp_path, 0)
        code, output = command.finish()
    assert code == 3 and port in output and "cannot listen" in output, output
    assert f"by process {os.getpid()} (" in output, "who holds the port is named"
    assert "peer 0: peer 0" not in output, "the peer is named once"
    assert not events(tmp_path / "run", 0, "start"), "it is told before clips are read"
    # Nobody has come to a first checkpoint under the first contract, so a mended one takes the folder.
    mended = write_contract(tmp_path / "mended.yaml", 1, topology="{kind: mesh}", training="{rounds: 2}")
    code, output = start(tmp_path / "home", mended, tmp_path, 0).finish()
    assert code == 0, output
    assert load_contract(tmp_path / "run" / "contract.yaml").training.rounds == 2
    foreign = write_contract(tmp_path / "other.yaml", 1, topology="{kind: mesh}", seed="7")
    code, output = start(tmp_path / "home", foreign, tmp_path, 0, "--resume").finish()
    assert code == 2 and "another contract" in output and "`seed`" in output, output


def test_a_refused_start_leaves_the_folder_and_a_living_peers_log_alone(tmp_path: Path) -> None:
    contract = write_contract(tmp_path / "c.yaml", 2)
    home, run = tmp_path / "home", tmp_path / "run"
    assert start(home, contract, tmp_path, 7).finish()[0] == 2
    assert not run.exists()
    living = start(home, contract, tmp_path, 0)
    try:
        wait_for(lambda: len(events(run, 0, "start")) == 1, "peer 0 waiting", 60)
        code, output = start(home, contract, tmp_path, 0).finish()
        assert code == 3 and "a running peer writes here" in output, output
        assert len(events(run, 0, "start")) == 1 and not events(run, 0, "finish")
    finally:
        living.kill()
        living.finish()


@pytest.mark.parametrize(("rounds", "says"), [(0, "trained nothing: none"), (3, "trained alone: none")])
def test_who_waited_for_company_in_vain_has_not_trained_alone(tmp_path: Path, rounds: int, says: str) -> None:
    error = _never_met(cast(Any, SimpleNamespace(run=tmp_path, peer=0)), "1", rounds)
    assert error.what.startswith(says) and ("--fresh" in error.fix) is bool(rounds)


def test_a_peer_that_met_nobody_does_not_end_well(tmp_path: Path) -> None:
    contract = write_contract(tmp_path / "c.yaml", 2, training="{rounds: 1}")
    code, output = start(tmp_path / "home", contract, tmp_path, 0, "--set", "gossip.join_timeout_s=0.5").finish()
    assert code == 3 and "trained alone: none of its neighbours (1 at tcp://127.0.0.1:" in output, output
    assert ": refused or unreachable) was ever linked" in output
    assert events(tmp_path / "run", 0, "finish")[-1]["reason"] == "error"
    assert (tmp_path / "run" / "checkpoint-0.safetensors").exists()


def test_one_command_begins_and_goes_on_as_the_folder_says(tmp_path: Path) -> None:
    contract = write_contract(tmp_path / "c.yaml", 1, topology="{kind: mesh}")
    home, run = tmp_path / "home", tmp_path / "run"
    assert start(home, contract, tmp_path, 0).finish()[0] == 0
    model = (run / "checkpoint-0.safetensors").read_bytes()
    code, output = start(home, contract, tmp_path, 0).finish()  # a unit file repeats it after a reboot
    assert code == 0 and "resuming after round 3" in output, output
    assert (run / "checkpoint-0.safetensors").read_bytes() == model and len(events(run, 0, "round")) == 3
    (run / "checkpoint-0.safetensors").unlink()  # its log would tell of two lives as of one
    code, output = start(home, contract, tmp_path, 0).finish()
    assert code == 3 and "its checkpoint is missing" in output and "--fresh" in output, output
    code, output = start(home, contract, tmp_path, 0, "--fresh").finish()
    assert code == 0 and f"what peer 0 had left here is in {run / 'before-1'}" in output, output
    assert (run / "checkpoint-0.safetensors").read_bytes() == model and len(events(run, 0, "start")) == 1
    assert len(events(run / "before-1", 0, "start")) == 2


def test_a_peer_that_ended_before_its_first_round_may_begin_again(tmp_path: Path) -> None:
    contract = write_contract(tmp_path / "c.yaml", 1, topology="{kind: mesh}")
    port = load_contract(contract).peers.member(0).address.rpartition(":")[2]
    with socket.create_server(("127.0.0.1", int(port))):
        assert start(tmp_path / "home", contract, tmp_path, 0).finish()[0] == 3
    code, output = start(tmp_path / "home", contract, tmp_path, 0).finish()
    assert code == 0, output


def test_a_world_readable_key_is_refused(tmp_path: Path) -> None:
    contract = write_contract(tmp_path / "c.yaml", 2)
    key = tmp_path / "lab.key"
    assert p2pme(tmp_path / "home", "keys", "new", "--out", key)[0] == 0
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    code, output = start(tmp_path / "home", contract, tmp_path, 0, "--key", str(key)).finish()
    assert code == 2 and "chmod 600" in output, output


@pytest.mark.thorough
def test_a_peer_allows_itself_more_connections_than_the_shell_does(tmp_path: Path) -> None:
    """Idle strangers would use up 256 files, and the next checkpoint would find none."""
    contract = write_contract(tmp_path / "c.yaml", 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        peer = start(tmp_path / "home", contract, tmp_path, 0, new=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        wait_for(lambda: len(events(tmp_path / "run", 0, "start")) == 1, "peer 0 waiting", 60)
        assert resource.prlimit(peer.process.pid, resource.RLIMIT_NOFILE)[0] == min(hard, 65_536)
    finally:
        peer.kill()
        peer.finish()


def test_a_peer_says_how_far_its_reading_has_come_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    """Drawing, images and features can take minutes; a stop had been heard only after them."""
    contract = write_contract(tmp_path / "two.yaml", 2, model="{backbone: ststnet, input: flow, trainable: all}")
    home = tmp_path / "home"
    peer = Command(["peer", "--id", "0", "--topology", str(contract), "--out", str(tmp_path / "run")], home)
    try:
        wait_for(lambda: len(list(home.glob("cache/synthetic-*/s*"))) > 1, "two subjects drawn")
        peer.interrupt()
        code, said = peer.finish()
    finally:
        if peer.process.poll() is None:
            peer.kill()
    assert code == 130, said
    assert said.splitlines()[0] == "peer 0 of two: built-in drawn faces; --data names your own clips"
    assert "drawing faces of subjects: 1/" in said and "Traceback" not in said
    assert said.splitlines()[-1] == "peer 0: stopped while it read its clips; give the same command again"
    assert not events(tmp_path / "run", 0)
