"""The files of a run are whole or not there at all, also when the disk is full."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.errors import RunError
from p2pfl_me.run.beginning import undone_if_refused
from p2pfl_me.run.results import join_baselines


def test_baselines_that_cannot_be_joined_stay_apart(tmp_path: Path) -> None:
    parts = {name: tmp_path / f"baseline-{name}.json" for name in ("isolated", "pooled")}
    for path in parts.values():
        path.write_text('{"steps": 3}')
    (tmp_path / "baselines.json").mkdir()
    with pytest.raises(RunError, match="Is a directory"):
        join_baselines(tmp_path)
    (tmp_path / "baselines.json").rmdir()
    assert set(tmp_path.iterdir()) == set(parts.values())
    join_baselines(tmp_path)
    assert json.loads((tmp_path / "baselines.json").read_text())["steps"] == {"isolated": 3, "pooled": 3}


def test_a_refused_run_takes_only_what_is_its_own_out_of_a_folder(tmp_path: Path) -> None:
    contract = contract_from_yaml("version: 1\nname: one\ntopology: {kind: mesh}\npeers: {loopback: {count: 1}}\n")
    (tmp_path / "peer-9.jsonl").write_text("of before")
    with pytest.raises(RunError), undone_if_refused(tmp_path, contract):
        (tmp_path / "shards").mkdir()
        (tmp_path / "peer-0.jsonl").write_text("{}")
        (tmp_path / "thesis.txt").write_text("saved by the user in the meantime")
        raise RunError("no")
    assert {path.name for path in tmp_path.iterdir()} == {"peer-9.jsonl", "thesis.txt"}
