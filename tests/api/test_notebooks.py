"""The notebooks of the docs run as they stand, and their code is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import p2pfl_me
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


TYPED = """
from typing import assert_type

import numpy as np
import numpy.typing as npt

import p2pfl_me
from p2pfl_me import Clips, Comparison, Contract, Evaluation, Result, RoundNews

contract = p2pfl_me.contract("ring", peers=3, training__rounds=2)
assert_type(contract, Contract)
assert_type(p2pfl_me.load("ring.yaml"), Contract)
clips = Clips.from_arrays(np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 0, 1], [1, 1, 2, 2])
assert_type(clips, Clips)


def listen(news: RoundNews) -> None:
    news.stop()


result = p2pfl_me.run(contract, data=clips, engine="lockstep", on_round=listen, same=["1=01"])
assert_type(result, Result)
assert_type(p2pfl_me.run_swarm(contract), Result)
assert_type(result.scores("uf1"), npt.NDArray[np.float64])
assert_type(result.classes, tuple[str, ...])
assert_type(p2pfl_me.evaluate(contract), Evaluation)
assert_type(p2pfl_me.compare({"one": contract}, different=["*"]), Comparison)
p2pfl_me.predict(result, "a.png").shape
p2pfl_me.run(contract, engine="slow")  # type: ignore[arg-type]
"""


def test_they_and_all_uses_are_typed_from_outside_the_package(tmp_path: Path) -> None:
    """Strictly, by the package's own options, and with what `mypy` has found out about the package before the tests."""
    for path in NOTEBOOKS:
        (tmp_path / f"{path.stem}.py").write_text(code_of(path))
    (tmp_path / "uses.py").write_text(TYPED)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *sorted(map(str, tmp_path.glob("*.py")))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (Path(p2pfl_me.__file__).parent / "py.typed").exists(), "or an installed package has no types outside"
