"""A peer's privacy budget over crashes and returns: paid before it is sent, never overspent, missed when lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")

from p2pfl_me.console.lines import Console
from p2pfl_me.console.status import as_lines, status_of
from p2pfl_me.contract import Contract, load_contract
from p2pfl_me.contract.load import contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.exits import Exit
from p2pfl_me.options import RunOptions
from p2pfl_me.peer.checkpoint import Checkpoint, load_checkpoint
from p2pfl_me.peer.payments import privacy_ledger
from p2pfl_me.peer.start import put_aside
from p2pfl_me.privacy.accounting import Release, epsilon_of
from p2pfl_me.privacy.ledger import LedgerError, PrivacyLedger
from p2pfl_me.report.run import read_runs
from p2pfl_me.report.sections import run_sections
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.simulation.faults import Crash, FaultModel
from p2pfl_me.simulation.pace import ORDINARY
from tests.small import events, write_contract, write_vectors

PEERS = 4
DP_SGD = "{training: {kind: dp_sgd, noise: 2.0}, budget: {epsilon: 12}}"


def run(tmp_path: Path, privacy: str, *, faults: FaultModel = ORDINARY, rounds: int = 6) -> tuple[Contract, Path, int]:
    training = f"{{rounds: {rounds}, local_epochs: 1, batch_size: 8}}"
    path = write_contract(tmp_path / "private.yaml", PEERS, training=training, privacy=privacy)
    vectors = write_vectors(tmp_path / "vectors.safetensors", range(12), per_subject=4)
    contract, where = load_contract(path), tmp_path / "run"
    return contract, where, simulate(contract, RunOptions(tmp_path / "home", where, vectors), Console(), faults=faults)


def payments(where: Path, peer: int) -> list[dict[str, float]]:
    return [json.loads(line) for line in RunFolder(where).privacy(peer).read_text().splitlines()]


def worth(lines: list[dict[str, float]]) -> float:
    return epsilon_of([Release(line["noise"], line["rate"], int(line["steps"])) for line in lines], 1e-5)


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", range(2))
def test_peers_that_crash_and_return_never_spend_more_than_the_budget(tmp_path: Path, seed: int) -> None:
    """Every crash may have a round trained twice, which is paid twice."""
    random = Random(seed)
    crashes = tuple(
        Crash(at := random.uniform(10, 150), random.randrange(PEERS), at + random.uniform(0.1, 5)) for _ in range(12)
    )
    faults = replace(ORDINARY, compute_s=(1.0, 3.0), evaluate_s=6.0, crashes=crashes)
    _, where, _ = run(tmp_path, DP_SGD, faults=faults)
    again = 0
    for peer in range(PEERS):
        paid, trained = payments(where, peer), events(where, peer, "trained")
        assert worth(paid) == pytest.approx(paid[-1]["epsilon"])
        assert worth(paid) <= 12
        assert len(trained) <= len(paid), "nothing was trained that was not paid"
        assert [each["payments"] for each in events(where, peer, "spent")] == list(range(1, len(paid) + 1))
        again += len(paid) - len({line["round"] for line in paid})
    assert again, "somebody crashed between paying and keeping a round"


def test_who_has_spent_the_budget_takes_leave_and_says_so_everywhere(tmp_path: Path) -> None:
    contract, where, code = run(tmp_path, "{training: {kind: dp_sgd, noise: 2.0}, budget: {epsilon: 7}}", rounds=9)
    assert code == Exit.FAILED
    for peer in range(PEERS):
        end, paid = events(where, peer, "finish")[-1], payments(where, peer)
        assert end["reason"] == "budget" and "the privacy budget is spent" in end["detail"]
        assert 0 < len(paid) < 9 and worth(paid) <= 7 < worth([*paid, paid[-1]])
        assert len(events(where, peer, "trained")) == len(paid)
    status = status_of(RunFolder(where), contract)
    assert status[0].privacy is not None and status[0].privacy.unit == "clip"
    assert "of 7 per clip" in "\n".join(as_lines(status, 0.0))
    page = next(
        each for each in run_sections(read_runs([where])[0], "", "", 2) if each.title == "What left the building"
    )
    words = repr(page.blocks)
    assert "one clip" in words and "rehearsal" in words and payments(where, 0)[0]["noise"] == 2.0


@pytest.mark.few(1)
@pytest.mark.parametrize("privacy", ["{noise: {kind: before_sharing, drawn: 2}, budget: {epsilon: 5}}",
                                     "{noise: decor, budget: {epsilon: 5}}"])  # fmt: skip
def test_noise_before_sharing_is_paid_for_the_whole_contract_and_lies_over_what_is_sent(
    tmp_path: Path, privacy: str
) -> None:
    _, where, code = run(tmp_path, privacy)
    assert code == 0
    drawn = "drawn" in privacy
    for peer in range(PEERS):
        paid = payments(where, peer) if RunFolder(where).privacy(peer).exists() else []
        assert worth(paid) <= 5 and all(line["unit"] == "lab" for line in paid)
        assert drawn or len(paid) == 6
        steps = [each["steps"] for each in events(where, peer, "trained")]
        assert sum(count > 0 for count in steps) == len(paid), "who is not drawn trains nothing and pays nothing"
    assert events(where, 0, "round")[0]["norm"] > 100, "cut to 1, and noise in every direction"


def test_a_ledger_that_was_lost_ends_the_run_and_one_outlives_a_fresh_start(tmp_path: Path) -> None:
    contract, where, _ = run(tmp_path, DP_SGD, rounds=3)
    folder = RunFolder(where)
    kept = _any_checkpoint(contract, where)
    assert kept.payments == 3
    ledger = privacy_ledger(contract, where, kept)
    assert ledger is not None and len(ledger.entries) == 3
    ledger.close()
    put_aside(where, 0)
    assert folder.privacy(0).exists(), "--fresh begins the model anew, and not what was spent"
    anew = replace(kept, payments=0)
    ledger = privacy_ledger(contract, where, anew)
    assert ledger is not None and len(ledger.entries) == 3
    ledger.close()
    _foreign(contract, folder.privacy(0))
    with pytest.raises(LedgerError, match="the ledger of another run or peer"):
        privacy_ledger(contract, where, anew)  # the log that was put aside still knows
    folder.privacy(0).unlink()
    with pytest.raises(LedgerError, match="holds 0 payments, and this peer has made 3"):
        privacy_ledger(contract, where, anew)
    whole = folder.privacy(1).read_bytes()
    folder.privacy(1).unlink()
    with pytest.raises(LedgerError, match="holds 0 payments, and this peer has made 3"):
        privacy_ledger(contract, where, replace(kept, peer=1, payments=0))  # the log still knows
    folder.privacy(1).write_bytes(whole.splitlines(keepends=True)[0])
    with pytest.raises(LedgerError, match="holds 1 payments"):
        privacy_ledger(contract, where, replace(kept, peer=1))


def test_another_runs_ledger_in_its_place_is_told_from_ones_own(tmp_path: Path) -> None:
    """Whole by itself, longer, and of less noise spent: only what the log was told then shows that it is another's."""
    contract, where, _ = run(tmp_path, DP_SGD, rounds=3)
    kept, own = _any_checkpoint(contract, where), RunFolder(where).privacy(0)
    _foreign(contract, own)
    with pytest.raises(LedgerError, match="the ledger of another run or peer"):
        privacy_ledger(contract, where, kept)


def _foreign(contract: Contract, path: Path) -> None:
    path.unlink()
    assert contract.privacy.budget is not None
    other = PrivacyLedger(path, contract.privacy.budget, contract.privacy.unit)
    for round in range(5):
        other.spend(round, Release(noise=50.0, rate=0.5, steps=1))
    other.close()


def _any_checkpoint(contract: Contract, where: Path) -> Checkpoint:
    from p2pfl_me.contract import digest

    here = {"contract_digest": digest(contract).hex(), "layout_digest": contract.model.layout.digest().hex()}
    return load_checkpoint(where, 0, **here)


def test_noise_that_needs_a_graph_is_refused_where_edges_change() -> None:
    text = (
        "version: 1\nname: t\ntopology: {kind: epidemic, meets: 2}\npeers: {loopback: {count: 6}}\n"
        "privacy: {noise: decor, budget: {epsilon: 5}}\n"
    )
    with pytest.raises(ContractError, match="edges that stand"):
        contract_from_yaml(text)
