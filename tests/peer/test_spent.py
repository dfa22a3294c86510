"""What a lab has spent of its subjects' privacy is remembered when its run folder is gone, with ledger, log and all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")

from p2pfl_me.contract import Contract, load_contract
from p2pfl_me.errors import PeerError
from p2pfl_me.exits import Exit
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.peer.checkpoint import Checkpoint
from p2pfl_me.peer.payments import privacy_ledger
from p2pfl_me.peer.spent import SPENT
from p2pfl_me.privacy.accounting import Release
from p2pfl_me.privacy.ledger import LedgerError, PrivacyLedger
from p2pfl_me.run.folder import RunFolder
from tests.peer.federation import Federation
from tests.small import write_contract

DP_SGD = "{training: {kind: dp_sgd, noise: 2.0}, budget: {epsilon: 12}}"
ROUND = Release(noise=2.0, rate=0.1, steps=3)


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    return load_contract(Federation(tmp_path, 2, rounds=5, topology="{kind: line}", privacy=DP_SGD).contract)


def opened(contract: Contract, run: Path, home: Path, peer: int = 0) -> PrivacyLedger:
    """As a peer opens it that begins: it knows of no checkpoint and has no log."""
    begins = Checkpoint(peer, 0, np.zeros(3, np.float32), Progress(), "", "")
    ledger = privacy_ledger(contract, run, begins, home=home)
    assert ledger is not None
    return ledger


def spent(contract: Contract, run: Path, home: Path, rounds: int = 3) -> PrivacyLedger:
    ledger = opened(contract, run, home)
    for round in range(rounds):
        ledger.spend(round, ROUND)
    ledger.close()
    return ledger


def test_a_lost_folder_an_older_copy_and_another_folder_end_the_peer(tmp_path: Path, contract: Contract) -> None:
    run, home = tmp_path / "run", tmp_path / "home"
    path = RunFolder(run).privacy(0)
    spent(contract, run, home)
    whole = path.read_bytes()
    for left, held in ((b"", "none"), (whole[: whole.index(b"\n") + 1], "1")):
        shutil.rmtree(run)
        run.mkdir(0o700)
        path.write_bytes(left)
        path.chmod(0o600)
        with pytest.raises(LedgerError) as error:
            opened(contract, run, home)
        assert "peer 0 has made 3 payments" in str(error.value)
        assert f"in {run}, and the privacy ledger here holds {held}" in str(error.value)
    with pytest.raises(LedgerError, match="holds none"):
        opened(contract, tmp_path / "another", home)
    path.write_bytes(whole)
    ledger = opened(contract, run, home)
    ledger.spend(3, ROUND)
    ledger.close()
    ledger = opened(contract, run, home)
    ledger.close()
    assert len(ledger.entries) == 4, "found again, it goes on"


def test_a_longer_ledger_of_another_run_is_told_from_ones_own(tmp_path: Path, contract: Contract) -> None:
    run, home = tmp_path / "run", tmp_path / "home"
    spent(contract, run, home)
    other = opened(contract, tmp_path / "other", tmp_path / "elsewhere")
    for round in range(5):
        other.spend(round, Release(noise=50.0, rate=0.1, steps=1))
    other.close()
    shutil.copy(RunFolder(tmp_path / "other").privacy(0), RunFolder(run).privacy(0))
    with pytest.raises(LedgerError, match=r"has made 3 payments .* says that they made epsilon"):
        opened(contract, run, home)


def test_it_is_of_one_lab_and_of_one_history_of_a_contract(tmp_path: Path, contract: Contract) -> None:
    home = tmp_path / "home"
    spent(contract, tmp_path / "run", home)
    assert opened(contract, tmp_path / "other-lab", home, peer=1).entries == ()
    values = contract.model_dump(mode="json")
    assert opened(Contract.model_validate({**values, "seed": 77}), tmp_path / "seed", home).entries == ()
    with pytest.raises(LedgerError, match="has made 3 payments"):
        opened(Contract.model_validate({**values, "name": "renamed"}), tmp_path / "name", home)


def test_two_processes_in_two_folders_do_not_each_spend_the_budget(tmp_path: Path, contract: Contract) -> None:
    home = tmp_path / "home"
    ledger = opened(contract, tmp_path / "one", home)
    with pytest.raises(LedgerError, match="another process spends for peer 0 under this contract"):
        opened(contract, tmp_path / "two", home)
    ledger.close()
    opened(contract, tmp_path / "two", home).close()


def test_a_rehearsal_on_ones_own_machine_may_be_repeated(tmp_path: Path) -> None:
    contract = load_contract(write_contract(tmp_path / "swarm.yaml", 2, topology="{kind: line}", privacy=DP_SGD))
    for name in ("one", "two"):
        spent(contract, tmp_path / name, tmp_path / "home")
    assert not (tmp_path / "home" / SPENT).exists()


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "text", ["", "{}", '{"payments": 0, "epsilon": 1, "run": "x"}', "[" * 5000, '{"payments": 1e999}']
)
def test_what_is_remembered_and_damaged_is_no_empty_memory(tmp_path: Path, contract: Contract, text: str) -> None:
    home = tmp_path / "home"
    spent(contract, tmp_path / "run", home)
    (file,) = (home / SPENT).glob("*.json")
    file.write_text(text)
    with pytest.raises(LedgerError, match="what was spent cannot be read there"):
        opened(contract, tmp_path / "run", home)


def test_nothing_is_trained_that_cannot_be_remembered(tmp_path: Path, contract: Contract) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / SPENT).write_text("in the way")
    with pytest.raises(PeerError, match=SPENT):
        spent(contract, tmp_path / "run", home)


@pytest.mark.thorough
@pytest.mark.processes
def test_a_lab_that_lost_its_run_folder_sends_nothing_more(tmp_path: Path) -> None:
    labs = Federation(
        tmp_path,
        2,
        rounds=2,
        topology="{kind: line}",
        gossip="{hand_out: 0, start: {patience: 0.2}, deadline: {min_s: 1}}",
        privacy=DP_SGD,
    )
    code, said = labs.start(0).finish()
    assert code == Exit.CANNOT_GO_ON and "trained alone" in said, said
    shutil.rmtree(labs.run(0))
    code, said = labs.start(0).finish()
    assert (
        code == Exit.CANNOT_GO_ON and "has made 2 payments under this contract" in said and "Traceback" not in said
    ), said
    assert not labs.said(0, "round")
