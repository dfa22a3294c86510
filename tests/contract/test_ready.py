"""A ready contract by its name is the one in `topologies/`, wherever the command is given; a file of that name wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pfl_me.contract import digest, load_contract
from p2pfl_me.contract.ready import read_contract, ready_names
from p2pfl_me.errors import ContractError

FOLDER = Path(__file__).parents[2] / "topologies"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_name_is_the_contract_of_that_file(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    named, written = read_contract(path.stem), load_contract(path)
    assert named == written
    assert digest(named) == digest(written)


def test_every_ready_name_has_its_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} <= set(ready_names())


def test_a_file_of_that_name_is_read_and_a_folder_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mesh").mkdir()
    assert read_contract("mesh").topology.kind == "mesh"
    (tmp_path / "ring").write_text((FOLDER / "torus.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    assert read_contract("ring").topology.kind == "torus"


def test_overrides_and_mistakes_are_told_as_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_contract(Path("ring"), ["training.rounds=3"]).training.rounds == 3
    with pytest.raises(ContractError, match="rounds"):
        read_contract("ring", ["training.rounds=0"])
    with pytest.raises(ContractError, match="no such contract") as told:
        read_contract("./ring")
    assert "`ring`" in str(told.value)
