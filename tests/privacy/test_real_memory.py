"""A receiver's process, stopped and read byte by byte at stated points of a round: under masks nothing in it is a
neighbour's model, and without masks the same search finds each of them.

The last peer has so many clips that all others wait for it, with the others' models of this round in their hands: there
the receiver is stopped, where it holds most, and once more when that round is over. What everybody has trained by then
the test works out for itself, by trainers and means that give the same bits as the peers'; that they did is seen in the
memory of those who trained it.
"""

from __future__ import annotations

import os
import re
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.aggregation import mix
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
PEERS, RECEIVER, LATE, ROUND = 5, 0, 4, 2
"""In round `ROUND`, counted from 0, all wait for peer `LATE`."""
NEEDLE, NEEDLES = 8, 6
"""Values of a needle, 32 bytes that chance does not spell, and how many are taken of each model."""
LOOKS = 3
"""How often the waiting receiver is read: what comes to it late, or lies there for a moment only, is seen, too."""
MIX = 0x9E3779B97F4A7C15
"""Makes of eight bytes a mark of sixteen bits: their product's first."""
POINT = Masks(kind="masks").point(PEERS - 1)


def memory_of(pid: int) -> bytes:
    """All memory that a process may write to: no library's code. Pieces are set apart by a byte."""
    return b"\0".join(_pieces(pid))


def _pieces(pid: int) -> Iterator[bytes]:
    """Of what is mapped, the pages that hold anything."""
    folder, page = Path(f"/proc/{pid}"), os.sysconf("SC_PAGE_SIZE")
    with (folder / "mem").open("rb", buffering=0) as memory, (folder / "pagemap").open("rb", buffering=0) as pages:
        for line in (folder / "maps").read_text().splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw.*", line)
            if found is None or "[v" in found[0]:  # the kernel's own
                continue
            first, last = (int(each, 16) // page for each in found.groups())
            pages.seek(8 * first)
            here = np.frombuffer(pages.read(8 * (last - first)), "<u8") >> np.uint64(62) != 0  # in memory, or swapped
            edges = np.flatnonzero(np.diff(np.concatenate([[False], here, [False]]).astype(np.int8)))
            for begin, end in edges.reshape(-1, 2).tolist():
                memory.seek((first + begin) * page)
                piece = memory.read((end - begin) * page)
                assert len(piece) == (end - begin) * page, line
                yield piece


def read(command: Command) -> bytes:
    """All that a process holds, which stands still meanwhile."""
    os.kill(command.process.pid, signal.SIGSTOP)
    try:
        return memory_of(command.process.pid)
    finally:
        os.kill(command.process.pid, signal.SIGCONT)


def models(contract: Contract, data: dict[int, Path], cache: Path) -> list[dict[int, Vector]]:
    """The common first model, and what each peer has trained in each round up to `ROUND`."""
    start, schedule = initial_params(contract, cache=cache), schedule_of(contract)
    samples = {
        peer: samples_of(contract, peer_clips(contract, peer, own, None, cache), cache=cache)
        for peer, own in data.items()
    }
    trainers = {peer: make_trainer(contract, peer, own, "cpu") for peer, own in samples.items()}
    params, found = dict.fromkeys(data, start), [dict.fromkeys(data, start)]
    for number in range(ROUND + 1):
        trained = {peer: trainers[peer].train(params[peer], number).params for peer in data}
        found.append(trained)
        for peer in data:
            row = schedule.weights(peer, number)
            others = {other: trained[other] for other in row}
            params[peer] = _summed(trained[peer], row, others) if _masked(contract) else mix(
                peer, trained[peer], row, others
            ).params  # fmt: skip
    return found


def _masked(contract: Contract) -> bool:
    return contract.privacy.exchange.sums_only


def _summed(own: Vector, row: dict[int, float], others: dict[int, Vector]) -> Vector:
    total = POINT.nothing(own.size)
    for other, weight in row.items():
        total += POINT.words(others[other], weight, 0)
    mixed: Vector = np.float32(1 - sum(row.values())) * own + POINT.values(total)
    return mixed


def needles(model: Vector, before: Vector) -> list[bytes]:
    """Stretches of a model: as float32, weighted, too, and as the words of fixed point that masks hide, both.

    None holds a value that a unit which no input wakes has kept from `before`.
    """
    moved = (model != before) & (np.abs(model) > 1e-3)
    places = np.flatnonzero(np.lib.stride_tricks.sliding_window_view(moved, NEEDLE).all(axis=1))
    chosen = [int(each) for each in places[:: max(1, len(places) // NEEDLES)]][:NEEDLES]
    forms = (model, np.float32(1 / PEERS) * model, POINT.words(model, 1 / PEERS, 0), POINT.words(model, 1.0, 0))
    return [form[at : at + NEEDLE].tobytes() for form in forms for at in chosen]


class Search:
    """Which of some peers' models lie in a dump, in any alignment: of a needle eight bytes on end stand in one of the
    dump's own words of eight, in one of eight ways, and few others have the mark of any of those."""

    def __init__(self, trained: list[dict[int, Vector]], *rounds: int) -> None:
        self._needles = [
            (peer, needle)
            for number in rounds
            for peer, model in trained[number + 1].items()
            for needle in needles(model, trained[number][peer])
        ]
        assert len(self._needles) == 4 * NEEDLES * len(rounds) * PEERS
        self._by_word: dict[int, list[tuple[int, int]]] = {}
        self._marks = np.zeros(2**16, np.bool_)
        for number, (_, needle) in enumerate(self._needles):
            for ahead in range(8):
                word = int.from_bytes(needle[ahead : ahead + 8], "little")
                self._by_word.setdefault(word, []).append((number, ahead))
                self._marks[word * MIX % 2**64 >> 48] = True

    def __call__(self, dump: bytes) -> set[int]:
        words = np.frombuffer(dump, "<u8", len(dump) // 8)
        likely = np.flatnonzero(self._marks[(words * np.uint64(MIX)) >> np.uint64(48)])
        found = set()
        for at, word in zip(likely.tolist(), words[likely].tolist(), strict=True):
            for number, ahead in self._by_word.get(word, ()):
                peer, needle = self._needles[number]
                if dump[8 * at - ahead : 8 * at - ahead + len(needle)] == needle:
                    found.add(peer)
        return found


def masked_words(dump: bytes, sender: int, size: int) -> Iterator[np.ndarray]:
    """What of the words that a neighbour sends this receiver lies in its memory: they come behind a list of keys."""
    others = [peer for peer in range(PEERS) if peer not in (RECEIVER, sender)]
    keys = b"".join(re.escape(struct.pack("<I", peer)) + b".{32}" for peer in others)
    for match in re.finditer(re.escape(struct.pack("<I", len(others))) + keys, dump, re.DOTALL):
        words = np.frombuffer(dump, np.uint8, min(4 * size, len(dump) - match.end()), match.end())
        if _entropy(words) > 7.9:
            yield words


def _has(found: Iterator[np.ndarray]) -> bool:
    return next(found, None) is not None


def _entropy(content: np.ndarray) -> float:
    """Bits a byte."""
    shares = np.bincount(content, minlength=256) / max(1, content.size)
    return float(-sum(share * np.log2(share) for share in shares if share))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="reads a process's memory through /proc")
@pytest.mark.parametrize("exchange", ["masks", "plain"])
def test_a_stopped_receivers_memory_holds_its_neighbours_models_only_without_masks(
    tmp_path: Path, exchange: str
) -> None:
    path = write_contract(
        tmp_path / "five.yaml",
        PEERS,
        topology="{kind: mesh}",
        training="{rounds: 40, local_epochs: 1}",
        gossip="{deadline: {min_s: 240, max_s: 300}, start: {patience: 240}}",
        privacy=f"{{exchange: {exchange}}}",
    )
    contract, run, home = load_contract(path), tmp_path / "run", tmp_path / "home"
    data = {
        peer: write_vectors(
            tmp_path / f"own-{peer}.safetensors",
            [2 * peer, 2 * peer + 1],
            per_subject=3000 if peer == LATE else 12,
        )
        for peer in range(PEERS)
    }
    trained = models(contract, data, home / "cache")
    whose, whose_or_before = Search(trained, ROUND), Search(trained, ROUND, ROUND - 1)
    words = ["peer", "--topology", str(path), "--out", str(run)]
    # Interpreters of their own: a process forked from another holds what that one held.
    peers = {
        peer: Command([*words, "--id", str(peer), "--data", str(data[peer])], home, new=True) for peer in range(PEERS)
    }
    waiting = [peer for peer in range(PEERS) if peer != LATE]

    def have(peer: int, kind: str, round: int) -> bool:
        return any(each["round"] == round for each in events(run, peer, kind))

    try:
        wait_for(lambda: have(LATE, "round", ROUND - 1), "the late peer's round before", 60)
        os.kill(peers[LATE].process.pid, signal.SIGSTOP)
        assert not have(LATE, "trained", ROUND), "it still trains: nobody has its model"
        wait_for(lambda: all(have(peer, "trained", ROUND) for peer in waiting), "the others' models", 60)
        # Quickly, and searched later: who stands still is called silent after twenty seconds.
        own = {peer: read(peers[peer]) for peer in waiting if peer != RECEIVER}
        dumps = []
        for _ in range(LOOKS):
            dumps.append(read(peers[RECEIVER]))
            signal.sigtimedwait([], 0.1)  # it works meanwhile; how far it comes decides nothing but what is seen
        assert not have(RECEIVER, "round", ROUND), "it still waits"
        os.kill(peers[LATE].process.pid, signal.SIGCONT)
        wait_for(lambda: have(RECEIVER, "round", ROUND), "the end of the round", 60)
        dumps.append(read(peers[RECEIVER]))
    finally:
        for command in peers.values():
            command.kill()
            command.finish()
    for peer, dump in own.items():  # the search, and the models that it looks for, are right
        assert peer in whose(dump), peer
    seen = set[int]().union(*map(whose_or_before, dumps))
    size = trained[0][0].size
    hidden = {peer for peer in waiting if any(_has(masked_words(dump, peer, size)) for dump in dumps)}
    mixed = next(each for each in events(run, RECEIVER, "round") if each["round"] == ROUND)
    assert len(mixed["weights"]) == PEERS - 1 and RECEIVER in seen
    if exchange == "masks":
        assert hidden == {*waiting} - {RECEIVER}, "what each of them has sent is there, and it is under masks"
        assert seen == {RECEIVER}
    else:
        assert {*waiting} <= seen and not hidden
