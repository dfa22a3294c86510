"""More peers than memory are refused by the launcher itself, whoever calls it, with the number that fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import contract_from_yaml, load_contract
from p2pfl_me.errors import ContractError
from p2pfl_me.options import RunOptions
from p2pfl_me.swarm.launcher import launch
from p2pfl_me.swarm.memory import require_files, require_memory
from tests.small import write_contract


def test_a_swarm_of_more_peers_than_memory_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pfl_me.machine.available_bytes", lambda: 2_000_000_000)
    contract = load_contract(write_contract(tmp_path / "many.yaml", 400))
    with pytest.raises(ContractError, match=r"400 peers take about 39 GB, and 2\.0 GB are free") as caught:
        launch(contract, RunOptions(home=tmp_path / "home", run=tmp_path / "run"), Console(quiet=True))
    assert "--set peers.loopback.count=20 or fewer" in caught.value.fix
    assert not (tmp_path / "run").exists()
    for count, fits in ((20, True), (21, False)):
        smaller = load_contract(tmp_path / "many.yaml", [f"peers.loopback.count={count}"])
        if fits:
            require_memory(smaller)
        else:
            with pytest.raises(ContractError, match="GB are free"):
                require_memory(smaller)


def test_more_peers_than_this_process_may_open_files_for_are_refused_with_the_number_that_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contract = contract_from_yaml("version: 1\nname: many\ntopology: {kind: ring}\npeers: {loopback: {count: 40}}\n")
    monkeypatch.setattr("p2pfl_me.swarm.memory.allow_many_files", lambda: 1024)
    require_files(contract)
    monkeypatch.setattr("p2pfl_me.swarm.memory.allow_many_files", lambda: 256)
    with pytest.raises(
        ContractError, match=r"40 peers take about 384 open files here, and 256 are.*\n.*count=24 or fewer"
    ):
        require_files(contract)
