"""A real peer's pledges: known to its next life after a kill at any instant, and words for what cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from p2pfl_me.errors import PeerError
from p2pfl_me.peer import pledged
from p2pfl_me.peer.pledged import PledgesFile


def test_pledges_are_known_to_the_next_life_and_a_torn_one_was_not_given(tmp_path: Path) -> None:
    path = tmp_path / "pledges-0.bin"
    first = PledgesFile(path)
    for given in ((3, 0), (4, 0), (3, 0), (3, 7)):
        first.pledges.add(*given)
    first.close()
    assert path.stat().st_size == 3 * 8 and path.stat().st_mode & 0o777 == 0o600
    for torn in range(1, 8):
        path.write_bytes(path.read_bytes()[:24] + bytes(torn))
        later = PledgesFile(path)
        assert all(each in later.pledges for each in ((3, 0), (4, 0), (3, 7))) and (0, 0) not in later.pledges
        later.close()
        assert path.stat().st_size == 24


def test_what_cannot_be_written_down_is_not_pledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pledges-0.bin"
    kept = PledgesFile(path)
    write = os.write
    monkeypatch.setattr(pledged.os, "write", lambda file, data: write(file, data[:3]))
    with pytest.raises(PeerError, match="No space left"):
        kept.pledges.add(3, 0)
    monkeypatch.undo()
    assert (3, 0) not in kept.pledges and path.stat().st_size == 0
    kept.close()
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PeerError, match="symbolic link"):
        PledgesFile(path)
