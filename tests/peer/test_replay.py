"""A recorded life is lived again to the same bits, killed and resumed ones too; whatever was changed is found."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import RunError
from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.options import RunOptions
from p2pfl_me.peer.checkpoint import checkpoint_path
from p2pfl_me.peer.recording import inputs_path
from p2pfl_me.peer.replay import recorded_peers, replay
from p2pfl_me.peer.slots import versions
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.simulation.faults import Crash, FaultModel, LinkQuality
from tests.small import Command, events, p2pme, wait_for, write_contract, write_vectors

PEERS = 3
TROUBLE = FaultModel(LinkQuality((0.1, 0.9), loss=0.05), crashes=(Crash(2.7, 1, 4.2),), silence_s=0.5)


def recorded(folder: Path, gossip: str = "{}", topology: str = "{kind: ring}", rounds: int = 3) -> Path:
    """A simulated run in which peer 1 dies and comes back."""
    vectors = write_vectors(folder / "vectors.safetensors", range(9), per_subject=6)
    training = f"{{rounds: {rounds}, local_epochs: 1}}"
    path = write_contract(folder / "trouble.yaml", PEERS, gossip=gossip, topology=topology, training=training)
    options = RunOptions(home=folder / "home", run=folder / "run", data=vectors, record=True)
    simulate(load_contract(path), options, Console(quiet=True), faults=TROUBLE)
    return folder / "run"


def lines_of(run: Path, peer: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in inputs_path(run, peer).read_text().splitlines()]


def write(run: Path, peer: int, lines: list[dict[str, Any]]) -> None:
    inputs_path(run, peer).write_text("".join(json.dumps(line) + "\n" for line in lines))


def find(lines: list[dict[str, Any]], **wanted: object) -> int:
    return next(at for at, line in enumerate(lines) if wanted.items() <= line.items())


@pytest.mark.thorough
@pytest.mark.processes
def test_real_peers_one_killed_and_resumed_are_replayed_to_their_checkpoints(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "vectors.safetensors", range(6))
    contract = write_contract(tmp_path / "ring.yaml", PEERS, training="{rounds: 40, local_epochs: 1}")
    run = tmp_path / "run"

    def start(peer: int, *more: str) -> Command:
        options = ["--id", str(peer), "--topology", str(contract), "--data", str(vectors), "--out", str(run)]
        return Command(["peer", *options, *more], tmp_path / "home")

    commands = {peer: start(peer, "--record") for peer in range(PEERS)}
    try:
        wait_for(lambda: len(events(run, 1, "round")) >= 3, "peer 1 in round 3", 120)
        commands[1].kill()
        commands[1].finish()
        commands[1] = start(1, "--resume")  # what was recorded stays so
        codes = {peer: command.finish()[0] for peer, command in commands.items()}
        # Who was away trained fewer rounds than it was to, and says so.
        assert codes == {peer: 4 if events(run, peer, "finish")[-1]["detail"] else 0 for peer in range(PEERS)}
    finally:
        for command in commands.values():
            if command.process.poll() is None:
                command.kill()
    code, output = p2pme(tmp_path / "home", "replay", run)
    assert code == 0, output
    for peer in range(PEERS):
        lives = "2 lives" if peer == 1 else "1 life"
        line = next(line for line in output.splitlines() if line.startswith(f"peer {peer}: {lives}, "))
        assert "equal to the last bit" in line
        assert line.endswith(f"round 40: {events(run, peer, 'finish')[-1]['digest']}")
    assert inputs_path(run, 0).stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (run / "contents").iterdir())


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "gossip",
    [
        "{}",
        "{personal: true}",
        "{protocol: qg_dsgdm, compression: int8}",
        "{compression: topk}",
        "{protocol: gradient_tracking}",
        "{protocol: push_sum}",
        "{protocol: adpsgd}",
        "{protocol: swift}",
        "{protocol: push, push: {merge: limited, tokens: {reserve: 1, capacity: 2}}}",
    ],
)
def test_every_protocol_is_replayed_through_loss_crash_and_return(tmp_path: Path, gossip: str) -> None:
    run = recorded(tmp_path, gossip)
    assert recorded_peers(run) == list(range(PEERS))
    for peer in range(PEERS):
        found = replay(run, peer)
        assert found.difference is None
        assert found.lives == (2 if peer == 1 else 1) and found.rounds
        assert found.rounds[max(found.rounds)] == events(run, peer, "finish")[-1]["digest"]


def test_a_graph_that_changes_is_replayed(tmp_path: Path) -> None:
    run = recorded(tmp_path, topology="{kind: base, meets: 1}", rounds=4)
    assert all(replay(run, peer).difference is None for peer in range(PEERS))


def test_models_are_kept_once_for_all(tmp_path: Path) -> None:
    run = recorded(tmp_path)
    lines = [line for peer in range(PEERS) for line in lines_of(run, peer)]
    trained = {line["params"] for line in lines if line.get("input") == "trained"}
    starts = {line["params"] for line in lines if "life" in line}
    assert {path.name for path in (run / "contents").iterdir()} == trained | starts


def dropped(lines: list[dict[str, Any]]) -> int:
    """A message that never came."""
    at = find(lines, input="message", kind="offer", **{"from": 2})
    del lines[at : at + 1 + ("answers" in lines[at + 1])]
    return at


def another_time(lines: list[dict[str, Any]]) -> int:
    lines[(at := find(lines, input="trained"))]["now"] += 1.0
    return at


def another_model(lines: list[dict[str, Any]]) -> int:
    """One that was trained in another round stands where this one was."""
    at = find(lines, input="trained")
    later = find(lines[at + 1 :], input="trained")
    lines[at]["params"] = lines[at + 1 + later]["params"]
    return at


def another_answer(lines: list[dict[str, Any]]) -> int:
    at = next(at for at, line in enumerate(lines) if any("mixed" in each for each in line.get("answers", [])))
    next(each for each in lines[at]["answers"] if "mixed" in each)["params"] = "0" * 64
    return at - 1


@pytest.mark.few(1)
@pytest.mark.parametrize("change", [dropped, another_time, another_model, another_answer])
def test_what_was_changed_is_found_where_it_first_matters(
    tmp_path: Path, change: Callable[[list[dict[str, Any]]], int]
) -> None:
    run = recorded(tmp_path)
    lines = lines_of(run, 0)
    at = change(lines)
    write(run, 0, lines)
    difference = replay(run, 0).difference
    assert difference is not None and difference.life == 1
    if change in (another_time, another_answer):
        assert difference.line == at + 1
    else:  # it shows when the core next acts upon it
        assert difference.line > at
    assert difference.was != difference.now
    code, output = p2pme(tmp_path / "home", "replay", run, "--peer", "0")
    assert code == 1 and f"line {difference.line}: " in output and "the core answers" in output, output


def test_a_core_that_behaves_otherwise_now_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(tmp_path)
    withdraw = DPSGD.on_message

    def deaf(self: DPSGD, now: float, sender: int, message: Any) -> Any:
        return [] if message.round == 2 else withdraw(self, now, sender, message)

    monkeypatch.setattr(DPSGD, "on_message", deaf)
    difference = replay(run, 0).difference
    assert difference is not None and "round 2" in difference.after


def test_a_damaged_content_is_named_with_its_input(tmp_path: Path) -> None:
    run = recorded(tmp_path)
    lines = lines_of(run, 0)
    at = find(lines, input="trained")
    content = run / "contents" / lines[at]["params"]
    data = bytearray(content.read_bytes())
    data[100] ^= 1
    content.write_bytes(data)
    with pytest.raises(RunError, match=rf"line {at + 1}.*not what was recorded"):
        replay(run, 0)


def test_half_a_line_ends_a_life_and_nothing_else(tmp_path: Path) -> None:
    run = recorded(tmp_path)
    path = inputs_path(run, 1)
    lines = path.read_text().splitlines()
    second = next(at for at, line in enumerate(lines) if at and '"life"' in line)
    path.write_text("\n".join([*lines[:second], '{"t":1.5,"no', *lines[second:]]) + "\n")
    assert replay(run, 1).difference is None
    path.write_text("\n".join([*lines[:4], '{"t":1.5,"no', *lines[4:]]) + "\n")
    with pytest.raises(RunError, match="line 5: neither JSON nor the end of a life"):
        replay(run, 1)


def test_a_missing_input_shows_by_its_answers(tmp_path: Path) -> None:
    run = recorded(tmp_path)
    lines = lines_of(run, 0)
    del lines[find(lines, input="start")]
    write(run, 0, lines)
    with pytest.raises(RunError, match="line 2: answers without an input"):
        replay(run, 0)


def test_a_life_that_was_not_recorded_shows_at_the_checkpoint(tmp_path: Path) -> None:
    run = recorded(tmp_path)
    lines = lines_of(run, 1)
    second = next(at for at, line in enumerate(lines) if at and "life" in line)
    write(run, 1, lines[:second])
    difference = replay(run, 1).difference
    assert difference is not None and "checkpoint after round 3" in difference.after


def test_whatever_stands_in_a_record_is_told_in_words(tmp_path: Path) -> None:
    """Any value of any line by something else: an error that a user can read, a difference, or no harm; never a bug."""
    run = recorded(tmp_path, rounds=2)
    sound, random = lines_of(run, 1), Random(5)
    for _ in range(60):
        lines = json.loads(json.dumps(sound))
        line = random.choice(lines)
        key = random.choice(sorted(line))
        odd: list[Any] = [None, -1, 10**30, 1e300, "", "0" * 64, [], {}, [3], [[]], ["x"], {"a": 1}, True]
        line[key] = random.choice(odd)
        write(run, 1, lines)
        with contextlib.suppress(RunError):
            replay(run, 1)


def test_a_damaged_checkpoint_is_named_with_what_helps_a_replay(tmp_path: Path) -> None:
    run = recorded(tmp_path)
    checkpoint_path(run, 0).write_bytes(b"damaged")
    for path in versions(checkpoint_path(run, 0)):
        if path != checkpoint_path(run, 0):
            path.unlink(missing_ok=True)
    with pytest.raises(RunError, match="not a checkpoint") as caught:
        replay(run, 0)
    assert "--resume" not in caught.value.fix and "move the file away" in caught.value.fix
    checkpoint_path(run, 0).unlink()
    assert replay(run, 0).difference is None


def test_a_folder_that_is_not_there_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder") as caught:
        recorded_peers(tmp_path / "nowhere")
    assert "name a run folder" in caught.value.fix


@pytest.mark.thorough
def test_a_run_that_was_not_recorded_says_how_to(tmp_path: Path) -> None:
    code, output = p2pme(tmp_path / "home", "replay", tmp_path)
    assert code == 2 and "--record" in output and "Traceback" not in output
