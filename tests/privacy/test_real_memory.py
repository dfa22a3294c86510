"""A receiver's process, stopped and read byte by byte: under masks nothing in it is a neighbour's model."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.contract import load_contract
from p2pfl_me.data.source import peer_clips
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.samples import samples_of
from p2pfl_me.learning.trainer import make_trainer
from p2pfl_me.message import Vector
from p2pfl_me.privacy.exchanges.masks import Masks
from tests.small import Command, events, wait_for, write_contract, write_vectors

pytestmark = [pytest.mark.processes, pytest.mark.thorough]
PEERS, RECEIVER = 4, 3


def memory_of(pid: int) -> Iterator[bytes]:
    """All private memory that a process may write to."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                begin, end = (int(each, 16) for each in found.groups())
                try:
                    file.seek(begin)
                    yield file.read(end - begin)
                except (OSError, OverflowError):
                    continue  # a region of the kernel's


def traces(model: Vector, start: Vector) -> set[bytes]:
    """Stretches of a model as float32, and as the words of fixed point that masks hide, plain and weighted; none of it
    is as it was in the model that everybody starts from (a unit that no input wakes stays so)."""
    point = Masks(kind="masks").point(PEERS - 1)
    forms = [model, *(point.words(model, weight, 0) for weight in (1 / PEERS, 1.0))]
    moved = (model != start) & (np.abs(model) > 1e-3)
    places = np.flatnonzero(moved[:-3] & moved[1:-2] & moved[2:-1] & moved[3:])
    chosen = [int(each) for each in places[:: max(1, len(places) // 8)]]
    return {form[at : at + 4].tobytes() for form in forms for at in chosen}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="reads a process's memory through /proc")
@pytest.mark.parametrize("exchange", ["masks", "plain"])
def test_a_stopped_receivers_memory_holds_a_neighbours_model_only_without_masks(tmp_path: Path, exchange: str) -> None:
    path = write_contract(
        tmp_path / "four.yaml",
        PEERS,
        topology="{kind: mesh}",
        training="{rounds: 400, local_epochs: 1}",
        privacy=f"{{exchange: {exchange}}}",
    )
    contract, run, home = load_contract(path), tmp_path / "run", tmp_path / "home"
    data = {
        peer: write_vectors(tmp_path / f"own-{peer}.safetensors", [2 * peer, 2 * peer + 1]) for peer in range(PEERS)
    }
    start = initial_params(contract, cache=home / "cache")
    trained = {}
    for peer in range(PEERS):
        clips = peer_clips(contract, peer, data[peer], None, home / "cache")
        samples = samples_of(contract, clips, cache=home / "cache")
        trained[peer] = make_trainer(contract, peer, samples, "cpu").train(start, 0).params
    peers = {
        peer: Command(
            ["peer", "--id", str(peer), "--topology", str(path), "--data", str(data[peer]), "--out", str(run)], home
        )
        for peer in range(PEERS)
    }
    try:
        wait_for(lambda: len(events(run, RECEIVER, "round")) >= 1, "a round of the receiver", 120)
        os.kill(peers[RECEIVER].process.pid, signal.SIGSTOP)
        dump = b"\0".join(memory_of(peers[RECEIVER].process.pid))
    finally:
        for command in peers.values():
            command.kill()
            command.finish()
    (first,) = (each for each in events(run, RECEIVER, "round") if each["round"] == 0)
    assert len(first["weights"]) == PEERS - 1 and len(dump) > 2**24
    found = {peer: sum(trace in dump for trace in traces(trained[peer], start)) for peer in range(PEERS)}
    others = {peer: count for peer, count in found.items() if peer != RECEIVER}
    if exchange == "masks":
        assert not any(others.values()), others
    else:
        assert all(others.values()), others
