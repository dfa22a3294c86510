"""More peers than memory are refused by the launcher itself, whoever calls it, with the number that fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import ContractError
from p2pfl_me.options import RunOptions
from p2pfl_me.swarm.launcher import launch
from p2pfl_me.swarm.memory import require_memory
from tests.small import write_contract


def test_a_swarm_of_more_peers_than_memory_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pfl_me.swarm.memory.available_bytes", lambda: 2_000_000_000)
    contract = load_contract(write_contract(tmp_path / "many.yaml", 400))
    with pytest.raises(ContractError, match="400 peers take about 39 GB, and 2 GB are free") as caught:
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
