"""`p2pme compare` in the user's words: help, refusals, and a light import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from p2pfl_me.cli.compare import compare
from p2pfl_me.errors import ContractError
from tests.small import write_contract


def test_its_help_names_the_engines_that_there_are() -> None:
    result = CliRunner().invoke(compare, ["--help"])
    assert result.exit_code == 0
    assert "processes" in result.output and "--vary" in result.output


def test_a_contract_must_be_named() -> None:
    result = CliRunner().invoke(compare, [])
    assert result.exit_code == 2 and "CONTRACT" in result.output


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
