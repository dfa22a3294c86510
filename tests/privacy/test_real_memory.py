"""A receiver's process, stopped and read byte by byte: under masks nothing in it is a neighbour's model.

What the neighbours have trained, round by round, the test works out for itself: trainers and masked sums in this
process give the same bits as the peers'. That they did is seen in the same memory, where the receiver's own models are.

That a search finds a neighbour's model without masks is no part of this: of two such runs one found two neighbours of
three, the other none, and why is not known. So this shows less than the search of the simulator's objects does.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.contract import Contract, load_contract
from p2pfl_me.data.source import peer_clips
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.samples import samples_of
from p2pfl_me.learning.trainer import make_trainer
from p2pfl_me.message import Vector
from p2pfl_me.privacy.exchanges.masks import Masks
from p2pfl_me.topology import schedule_of
from tests.small import Command, events, wait_for, write_contract, write_vectors

pytestmark = [pytest.mark.processes, pytest.mark.thorough]
PEERS, RECEIVER, NEEDLE = 4, 3, 8
"""Values of a needle: 32 bytes that chance does not spell."""


def memory_of(pid: int) -> Iterator[bytes]:
    """All memory that a process may write to: no library's code, and nothing that it shares with others."""
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


def models(contract: Contract, data: dict[int, Path], rounds: int, cache: Path) -> list[dict[int, Vector]]:
    """What each peer has trained in each round, from trainers in this process: bit by bit what the peers train."""
    start, row = initial_params(contract, cache=cache), schedule_of(contract)
    clips = {peer: peer_clips(contract, peer, data[peer], None, cache) for peer in data}
    trainers = {
        peer: make_trainer(contract, peer, samples_of(contract, clips[peer], cache=cache), "cpu") for peer in data
    }
    point, params, found = (
        Masks(kind="masks").point(PEERS - 1),
        dict.fromkeys(data, start),
        [dict.fromkeys(data, start)],
    )
    for number in range(rounds):
        trained = {peer: trainers[peer].train(params[peer], number).params for peer in data}
        found.append(trained)
        for peer in data:
            weights = row.weights(peer, number)
            share = np.float32(1 - sum(weights.values()))
            total = point.nothing(start.size)
            for other, weight in weights.items():
                total += point.words(trained[other], weight, 0)
            params[peer] = share * trained[peer] + point.values(total)
    return found


def needles(model: Vector, before: Vector, *, words: bool) -> list[bytes]:
    """Stretches of a model as float32 and, if asked, as the words of fixed point that masks hide, plain and weighted.

    None holds a value that a unit which no input wakes has kept from the common start.
    """
    moved = (model != before) & (np.abs(model) > 1e-3)
    run = np.lib.stride_tricks.sliding_window_view(moved, NEEDLE).all(axis=1)
    places = np.flatnonzero(run)
    chosen = [int(each) for each in places[:: max(1, len(places) // 4)]][:4]
    point = Masks(kind="masks").point(PEERS - 1)
    forms = [model, *((point.words(model, weight, 0) for weight in (1 / PEERS, 1.0)) if words else ())]
    return [form[at : at + NEEDLE].tobytes() for form in forms for at in chosen]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="reads a process's memory through /proc")
def test_a_stopped_receivers_memory_holds_its_own_models_and_no_neighbours(tmp_path: Path) -> None:
    path = write_contract(
        tmp_path / "four.yaml",
        PEERS,
        topology="{kind: mesh}",
        training="{rounds: 400, local_epochs: 1}",
        privacy="{exchange: masks}",
    )
    contract, run, home = load_contract(path), tmp_path / "run", tmp_path / "home"
    data = {
        peer: write_vectors(tmp_path / f"own-{peer}.safetensors", [2 * peer, 2 * peer + 1]) for peer in range(PEERS)
    }
    words = ["peer", "--topology", str(path), "--out", str(run)]
    # Interpreters of their own: a process forked from another holds what that one held.
    peers = {
        peer: Command([*words, "--id", str(peer), "--data", str(data[peer])], home, new=True) for peer in range(PEERS)
    }
    try:
        wait_for(lambda: len(events(run, RECEIVER, "round")) >= 3, "three rounds of the receiver", 200)
        os.kill(peers[RECEIVER].process.pid, signal.SIGSTOP)
        dump = b"\0".join(memory_of(peers[RECEIVER].process.pid))
    finally:
        for command in peers.values():
            command.kill()
            command.finish()
    shared = events(run, RECEIVER, "round")
    assert all(len(each["weights"]) == PEERS - 1 for each in shared) and len(dump) > 2**24
    trained = models(contract, data, len(shared) + 1, home / "cache")
    found: dict[int, set[int]] = {peer: set() for peer in range(PEERS)}
    for number in range(max(1, len(shared) - 3), len(shared) + 2):
        for peer in range(PEERS):
            looked_for = needles(trained[number][peer], trained[0][peer], words=peer != RECEIVER)
            assert len(looked_for) >= 4
            if any(needle in dump for needle in looked_for):
                found[peer].add(number - 1)
    assert found.pop(RECEIVER), "its own models are there: the search, and the models that it looks for, are right"
    assert not any(found.values()), found
