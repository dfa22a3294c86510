"""A checkpoint survives a kill at any byte and a power cut that tears what was not on the disk yet."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from p2pfl_me.errors import WeightsError
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.peer.checkpoint import Checkpoint, checkpoint_path, load_checkpoint, save_checkpoint
from p2pfl_me.peer.slots import KEEP_S, Keeper, replace_file, settle, versions
from p2pfl_me.peer.tensorfile import safetensors_parts
from p2pfl_me.tensors import checksum

MEMORY = {"edge.1.theirs": np.arange(3, dtype=np.int64), "packed": np.arange(5, dtype=np.uint8), "none": np.empty(0)}
STATE = Checkpoint(3, 0, np.zeros(5000, np.float32), Progress(), "c" * 64, "l" * 64, MEMORY)


def at(round: int) -> Checkpoint:
    return replace(STATE, completed=round, params=np.full(5000, round, np.float32))


def completed(run: Path) -> int:
    found = load_checkpoint(run, 3, contract_digest="c" * 64, layout_digest="l" * 64)
    assert (found.params == found.completed).all(), "never the weights of one round under the number of another"
    assert found.memory.keys() == MEMORY.keys()
    return found.completed


def test_the_file_is_safetensors_own_format(tmp_path: Path) -> None:
    tensors = {"b": np.arange(6, dtype=np.uint8).reshape(2, 3), "a": np.float32([[1.5]]), "z": np.arange(9)[::2]}
    replace_file(tmp_path / "x.safetensors", safetensors_parts(tensors, {"é": "ü"}))
    with safe_open(tmp_path / "x.safetensors", framework="numpy") as file:
        assert file.metadata() == {"é": "ü"}
        for name, array in tensors.items():
            np.testing.assert_array_equal(file.get_tensor(name), array)
            assert file.get_tensor(name).dtype == array.dtype


def test_versions_take_turns_and_the_last_stays_alone(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, 3)
    inodes = set()
    for round in range(6):
        save_checkpoint(tmp_path, at(round))
        inodes.add(path.stat().st_ino)
        assert completed(tmp_path) == round
    assert len(inodes) == 3, "the first is kept; else written over, not anew"
    settle(path, sync=True)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert completed(tmp_path) == 5


def test_a_shorter_version_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    for content in (b"first", b"a longer second", b"3"):
        replace_file(path, [content])
        assert path.read_bytes() == content


@given(st.integers(0, 25_000), st.booleans())
def test_what_was_torn_is_noticed_and_the_version_before_taken(
    tmp_path_factory: pytest.TempPathFactory, cut: int, short: bool
) -> None:
    """Written up to `cut`; what follows is of two rounds ago, or missing."""
    run = tmp_path_factory.mktemp("run")
    for round in (1, 2, 3):
        save_checkpoint(run, at(round))
    newest, previous, _ = versions(checkpoint_path(run, 3))
    new, before = newest.read_bytes(), previous.read_bytes()
    save_checkpoint(run, at(4))  # written over the second
    previous.write_bytes(new)
    torn = newest.read_bytes()[:cut] + (b"" if short else before[cut:])
    is_torn = torn not in (newest.read_bytes(), before)
    newest.write_bytes(torn)
    if is_torn:
        assert completed(run) == 3
    else:
        assert completed(run) == (4 if cut >= len(new) else 2)


def test_a_kept_version_outlives_the_rounds_until_the_next_one(tmp_path: Path) -> None:
    now = [0.0]
    keeper = Keeper(lambda: now[0])
    kept = versions(checkpoint_path(tmp_path, 3))[2]
    for round in range(8):
        now[0] = round * KEEP_S / 3
        keeper.replaced(save_checkpoint(tmp_path, at(round)))
        keeper.join()
        if round >= 3:
            alone = tmp_path / "alone"
            alone.mkdir(exist_ok=True)
            checkpoint_path(alone, 3).write_bytes(kept.read_bytes())
            assert completed(alone) == round // 3 * 3
    assert completed(tmp_path) == 7


def test_a_power_cut_after_any_round_leaves_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first half minute, and again after a run was settled and goes on. All that was not synced is gone."""
    on_disk: dict[int, bytes] = {}
    sync = os.fsync

    def noted(file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode):
            on_disk[os.fstat(file).st_ino] = Path(f"/proc/self/fd/{file}").read_bytes()
        sync(file)

    monkeypatch.setattr(os, "fsync", noted)
    (run := tmp_path / "run").mkdir()
    path = checkpoint_path(run, 3)
    for round in range(12):
        save_checkpoint(run, at(round))
        if round in (4, 8):
            settle(path, sync=round == 4)
        cut = tmp_path / f"cut-{round}"
        cut.mkdir()
        for each in versions(path):
            if each.exists():
                content = each.read_bytes()
                survives = on_disk.get(each.stat().st_ino) == content
                (cut / each.name).write_bytes(content if survives else content[:100])
        assert completed(cut) == (0 if round < 4 else 4)


def test_half_of_the_first_version_is_none(tmp_path: Path) -> None:
    """A disk that is full, or a kill, in the midst of the first checkpoint: the same command must begin, not go on."""
    path = checkpoint_path(tmp_path, 3)

    def cut_off() -> Iterator[bytes]:
        yield b"half"
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        replace_file(path, cut_off())
    assert not any(each.exists() for each in versions(path))
    replace_file(path, [b"who", b"le"])
    kept = versions(path)[2]
    assert set(tmp_path.iterdir()) == {path, kept} and path.read_bytes() == b"whole" and kept.samefile(path)
    with pytest.raises(OSError, match="full"):
        replace_file(path, cut_off())
    assert path.read_bytes() == b"whole"


def test_when_all_is_torn_it_says_so(tmp_path: Path) -> None:
    for round in (1, 2):
        save_checkpoint(tmp_path, at(round))
    for each in versions(checkpoint_path(tmp_path, 3))[:2]:
        content = bytearray(each.read_bytes())
        content[-100] ^= 1
        each.write_bytes(content)
    with pytest.raises(WeightsError, match="not written to its end"):
        completed(tmp_path)


def test_the_checksum_sees_every_byte() -> None:
    array = np.arange(5003, dtype=np.uint8)
    whole = checksum([array])
    for place in (0, 7, 8, 2500, 4999, 5000, 5002):
        other = array.copy()
        other[place] ^= 0x10
        assert checksum([other]) != whole
    assert checksum([np.float32([1, 2, 3])]) == checksum([np.float32([1, 2]), np.float32([3])])
