"""The notebooks of the docs run as they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from p2pfl_me.compare import run as running_cells
from p2pfl_me.evaluate import run as running_folds

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def code_of(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code") + "\n"


def test_there_are_two_without_outputs() -> None:
    assert len(NOTEBOOKS) == 2
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert all(cell.get("outputs", []) == [] for cell in cells), "no figure of somebody's machine is kept"


@pytest.mark.few(1)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    # Pages take longer than all the rest, and have tests of their own.
    monkeypatch.setattr(running_cells, "write_page", lambda *_: None)
    monkeypatch.setattr(running_folds, "write_results", lambda _, out: out)
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code_of(path), str(path), "exec"), space)
    shown = next(space[name] for name in ("result", "comparison") if name in space)
    assert "<table>" in shown._repr_html_()
