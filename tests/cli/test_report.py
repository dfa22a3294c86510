"""`p2pme report` writes beside the run unless told where, prints the page's path, and refuses other folders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli.report import report
from p2pfl_me.errors import RunError
from tests.report.fixture import unsaved, write_run

SMALL = {"count": 3, "rounds": 2, "classes": ("a", "b"), "support": (5, 4)}


def test_it_writes_beside_the_run_and_prints_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pfl_me.report.write.files_of", unsaved)
    run = write_run(tmp_path / "run", **SMALL)
    result = CliRunner().invoke(report, [str(run), "--json"])
    assert result.exit_code == 0, result.output
    page = run / "report" / "index.html"
    assert result.stderr.strip() == str(page) and page.is_file()  # without --json on standard output
    told = json.loads(result.stdout)
    assert told["page"] == str(page) and told["runs"][0]["scores"]["gossip"]["uf1"].keys() == {"0", "1", "2"}


def test_another_folder_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(report, [str(tmp_path), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, RunError) and "not a run folder" in str(result.exception)


def test_its_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, p2pfl_me.cli.report; "
        "sys.exit(any(name in sys.modules for name in ('matplotlib', 'numpy', 'pydantic', 'jinja2', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
