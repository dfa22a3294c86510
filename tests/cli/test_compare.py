"""`p2pme compare` in the user's words: help, refusals, and a light import."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli.compare import compare
from p2pfl_me.compare.grid import make_grid
from p2pfl_me.compare.request import Request
from p2pfl_me.compare.run import Compared
from p2pfl_me.console.lines import Console
from p2pfl_me.errors import ContractError
from tests.small import write_contract


def test_its_help_names_the_engines_that_there_are() -> None:
    result = CliRunner().invoke(compare, ["--help"])
    assert result.exit_code == 0
    assert "processes" in result.output and "--vary" in result.output


def test_a_contract_must_be_named() -> None:
    result = CliRunner().invoke(compare, [])
    assert result.exit_code == 2 and "CONTRACT" in result.output


def test_an_attack_alone_is_tried_on_the_graphs_of_the_page_on_robust_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    def run(request: Request, _: Console) -> Compared:
        asked.append(request)
        raise ContractError("enough")

    monkeypatch.setattr("p2pfl_me.compare.run.compare", run)
    CliRunner().invoke(compare, ["--attack", "dissensus", "--liars", "2"])
    CliRunner().invoke(compare, ["torus", "--attack", "dissensus"])
    assert [[str(each) for each in request.contracts] for request in asked] == [["ring", "regular", "mesh"], ["torus"]]
    (lies,) = asked[0].lies
    assert (str(lies.attack), lies.count) == ("dissensus", 2)
    assert [group.name for group in make_grid(replace(asked[0], rounds=1)).groups] == ["ring", "regular", "mesh"] * 2


def test_a_bad_way_of_dealing_is_refused_and_leaves_no_folder(tmp_path: Path) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 4)
    out = tmp_path / "out"
    result = CliRunner().invoke(compare, [str(contract), "--skew", "sideways", "--out", str(out)])
    assert isinstance(result.exception, ContractError) and "iid, lab" in str(result.exception)
    assert not out.exists()


def test_its_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, p2pfl_me.cli.compare; "
        "sys.exit(any(name in sys.modules for name in ('matplotlib', 'numpy', 'pydantic', 'jinja2', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
