"""The files of a run are whole or not there at all, also when the disk is full."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2pfl_me.contract import contract_from_yaml, load_contract
from p2pfl_me.errors import RunError
from p2pfl_me.run.beginning import contracts_of, keep_contract, undone_if_refused
from p2pfl_me.run.folder import RunFolder
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


def test_a_refused_run_leaves_none_of_the_folders_that_it_made(tmp_path: Path) -> None:
    contract = contract_from_yaml("version: 1\nname: one\ntopology: {kind: mesh}\npeers: {loopback: {count: 1}}\n")
    with pytest.raises(RunError), undone_if_refused(tmp_path / "runs" / "ring" / "seed-1", contract):
        (tmp_path / "runs" / "notes.txt").write_text("of the user's")
        raise RunError("no")
    assert [path.name for path in tmp_path.rglob("*")] == ["runs", "notes.txt"]


HEAD = "version: 1\nname: one\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\n"


def test_the_contracts_of_a_run_are_all_kept_and_the_last_one_counts(tmp_path: Path) -> None:
    contracts = [contract_from_yaml(f"{HEAD}training: {{rounds: {rounds}}}\n") for rounds in (3, 4, 5, 5)]
    assert keep_contract(tmp_path, contracts[0]) == ()
    assert keep_contract(tmp_path, contracts[1]) == () and not RunFolder(tmp_path).earlier_contracts(), (
        "none has trained"
    )
    RunFolder(tmp_path).checkpoint(0).write_text("a model")
    assert keep_contract(tmp_path, contracts[2]) == ("training.rounds",)
    assert keep_contract(tmp_path, contracts[3]) == (), "the same again, by another peer of the folder"
    assert [*contracts_of(tmp_path).values()] == [contracts[1], contracts[2]]
    assert keep_contract(tmp_path, contracts[1]) == ("training.rounds",), "and back"
    assert [path.name for path in RunFolder(tmp_path).earlier_contracts()] == ["contract-1.yaml", "contract-2.yaml"]
    other = contract_from_yaml(f"{HEAD}seed: 2\n")
    with pytest.raises(RunError, match=r"`seed` differ\), and a model's history depends on that"):
        keep_contract(tmp_path, other)
    assert len(contracts_of(tmp_path)) == 2 and load_contract(RunFolder(tmp_path).contract) == contracts[1]
