"""The files of a run are whole or not there at all, also when the disk is full."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from p2pfl_me.errors import RunError
from p2pfl_me.swarm.record import join_baselines, write_whole


def test_a_write_that_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "average.json"
    write_whole(path, "old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(RunError) as caught:
            write_whole(path, "new" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.where == str(path) and "free some space" in caught.value.fix
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_baselines_that_cannot_be_joined_stay_apart(tmp_path: Path) -> None:
    parts = {name: tmp_path / f"baseline-{name}.json" for name in ("isolated", "pooled")}
    for path in parts.values():
        path.write_text('{"steps": 3}')
    (tmp_path / "baselines.tmp").symlink_to("/dev/full")
    with pytest.raises(RunError, match="No space left on device"):
        join_baselines(tmp_path)
    assert set(tmp_path.iterdir()) == set(parts.values())
    join_baselines(tmp_path)
    assert json.loads((tmp_path / "baselines.json").read_text())["steps"] == {"isolated": 3, "pooled": 3}
