"""A run goes on under a changed contract once the stated share of its members has approved, each by its own key."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from p2pfl_me.cli.approve import approve
from p2pfl_me.cli.propose import propose
from p2pfl_me.contract import Contract, load_contract
from p2pfl_me.errors import ContractError
from p2pfl_me.membership.agreed import Witness
from p2pfl_me.peer.consent import require_consent
from p2pfl_me.run.beginning import keep_contract
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.wire.identity import Identity, load_identity, new_identity, save_identity


class Labs:
    """Four labs of one run, of which half must approve; each with a key and a run folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.keys = folder, [folder / f"{k}.key" for k in range(5)]
        for key in self.keys:
            save_identity(key, new_identity())
        self.now = self.write("now.yaml", 10, range(4))
        for k in range(4):
            keep_contract(self.run(k), load_contract(self.now))
            RunFolder(self.run(k)).checkpoint(k).write_text("a model")

    def run(self, k: int) -> Path:
        return self.folder / f"run-{k}"

    def identity(self, k: int) -> Identity:
        return load_identity(self.keys[k])

    def write(self, name: str, rounds: int, members: range | list[int], share: float = 0.5) -> Path:
        """A contract; `members` are the numbers of the keys, by id."""
        lines = [
            f"    - {{id: {id}, address: 'tcp://lab-{id}.example:4000', public_key: '{self.identity(k).public_text}'}}"
            for id, k in enumerate(members)
        ]
        path = self.folder / name
        head = f"version: 1\nname: labs\ntopology: {{kind: ring}}\ntraining: {{rounds: {rounds}}}\n"
        path.write_text(head + f"peers:\n  approve: {share}\n  members:\n" + "\n".join(lines) + "\n")
        return path

    def propose(self, new: Path, view: Path) -> Result:
        return CliRunner().invoke(propose, [str(new), "--run", str(self.run(0)), "--out", str(view)])

    def approve(self, k: int, new: Path, view: Path, *, key: int | None = None) -> Result:
        words = [str(view), str(new), "--run", str(self.run(k)), "--id", str(k)]
        return CliRunner().invoke(approve, [*words, "--key", str(self.keys[k if key is None else key])])

    def goes_on(self, k: int, contract: Contract, view: Path | None, *, key: int | None = None) -> bool:
        try:
            require_consent(self.run(k), contract, Witness((self.identity(k if key is None else key).private,)), view)
        except ContractError as error:
            assert error.fix
            return False
        return True


@pytest.fixture
def labs(tmp_path: Path) -> Labs:
    return Labs(tmp_path)


def test_half_of_the_members_carry_a_change_and_all_can_see_it(labs: Labs, tmp_path: Path) -> None:
    new, view = labs.write("new.yaml", 40, range(5)), tmp_path / "view.json"
    contract = load_contract(new)
    assert not labs.goes_on(1, contract, None)
    assert labs.propose(new, view).output.startswith("change 1 of this run: peers.members, training.rounds\n")
    assert not labs.goes_on(1, contract, view)
    assert "approved by 0: 1 of 2 that it takes" in labs.approve(0, new, view).output
    assert not labs.goes_on(1, contract, view)
    assert "approved by 0, 3: 2 of 2" in labs.approve(3, new, view).output
    assert all(labs.goes_on(k, contract, view) for k in range(4))


def test_a_lab_whose_key_is_replaced_sees_the_approvals_with_the_new_one(labs: Labs, tmp_path: Path) -> None:
    new, view = labs.write("new.yaml", 10, [0, 4, 2, 3]), tmp_path / "view.json"
    labs.propose(new, view)
    for k in (0, 2):
        assert labs.approve(k, new, view).exit_code == 0
    assert labs.goes_on(1, load_contract(new), view, key=4)


def test_nobody_approves_for_another_or_for_another_contract(labs: Labs, tmp_path: Path) -> None:
    new, other, view = labs.write("new.yaml", 40, range(4)), labs.write("other.yaml", 50, range(4)), tmp_path / "view"
    labs.propose(new, view)
    foreign = labs.approve(1, new, view, key=2)
    assert isinstance(foreign.exception, ContractError) and "not that of member 1" in str(foreign.exception)
    assert isinstance(labs.approve(1, other, view).exception, ContractError)
    for k in (0, 1):
        labs.approve(k, new, view)
    assert labs.goes_on(2, load_contract(new), view) and not labs.goes_on(2, load_contract(other), view)


def test_an_approval_counts_once_and_not_for_a_later_change_back(labs: Labs, tmp_path: Path) -> None:
    new, view = labs.write("new.yaml", 40, range(4)), tmp_path / "view"
    labs.propose(new, view)
    for k in (0, 0, 0):
        labs.approve(k, new, view)
    assert not labs.goes_on(2, load_contract(new), view), "three times the same lab"
    labs.approve(1, new, view)
    for contract in (new, labs.now):  # there and back
        keep_contract(labs.run(2), load_contract(contract))
    assert not labs.goes_on(2, load_contract(new), view), "it is another change by now"


def test_the_share_of_the_contract_before_counts(labs: Labs) -> None:
    """Otherwise whoever changes a contract would begin by asking for nobody's approval."""
    assert not labs.goes_on(2, load_contract(labs.write("new.yaml", 40, range(4), share=0.01)), None)


def test_what_would_be_another_history_is_not_to_be_proposed(labs: Labs, tmp_path: Path) -> None:
    new = labs.write("new.yaml", 10, range(4))
    new.write_text(new.read_text() + "seed: 2\n")
    refused = labs.propose(new, tmp_path / "view")
    assert isinstance(refused.exception, ContractError) and "depends on seed" in str(refused.exception)
    same = labs.propose(labs.now, tmp_path / "view")
    assert isinstance(same.exception, ContractError) and "nothing changes" in str(same.exception)
