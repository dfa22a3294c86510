"""The contract that stands behind `p2pme evaluate` without --topology."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pfl_me.contract import load_contract
from p2pfl_me.contract.template import contract_text
from p2pfl_me.errors import ContractError
from p2pfl_me.evaluate.dealing import with_peers
from p2pfl_me.evaluate.gossiping import engine_of
from p2pfl_me.evaluate.ready import SETTINGS, ready_contract
from p2pfl_me.topology import plan_of


def test_its_graph_can_be_built_on_any_number_of_peers() -> None:
    for count in range(2, 33):
        assert plan_of(with_peers(ready_contract(), count)).size == count


def test_it_runs_in_lockstep() -> None:
    assert engine_of(ready_contract()) == "lockstep"


def test_what_the_user_sets_wins() -> None:
    contract = ready_contract(["gossip.protocol=dpsgd", "training.dropout=0.5", "training.rounds=3", "seed=4"])
    assert (contract.gossip.protocol.kind, contract.training.dropout) == ("dpsgd", 0.5)
    assert (contract.training.rounds, contract.seed) == (3, 4)
    with pytest.raises(ContractError, match=r"training\.round"):
        ready_contract(["training.round=3"])


def test_the_same_contract_can_be_written_to_a_file_and_run_by_real_peers(tmp_path: Path) -> None:
    path = tmp_path / "evaluate.yaml"
    path.write_text(contract_text("exponential", name="evaluate", overrides=SETTINGS))
    assert load_contract(path) == ready_contract()
