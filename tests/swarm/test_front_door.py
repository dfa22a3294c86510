"""Swarms from Python: the notebook's front door, in the main thread and in others, and in scripts without a guard."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import p2pfl_me
from tests.small import write_contract

pytestmark = pytest.mark.processes


@pytest.mark.thorough
def test_the_front_door_for_notebooks(tmp_path: Path, vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    contract = p2pfl_me.load(write_contract(tmp_path / "ring.yaml", 3), **{"training.rounds": 2})
    result = p2pfl_me.run_swarm(contract, run=tmp_path / "run", data=vectors)
    assert result.exit_code == 0
    assert result.scores("uf1").shape == (2, 3)
    assert np.isfinite(result.scores("loss")).all()
    assert result.confusion.shape == (3, 3) and result.confusion.sum() == 36
    assert result.params(1).shape == (262_659,)


SCRIPT = """
import sys

import p2pfl_me

contract, data, run = sys.argv[1:]
result = p2pfl_me.run_swarm(p2pfl_me.load(contract), run=run, data=data)
print(result.exit_code, result.scores("uf1").mean(axis=1).shape, result.confusion.shape)
print("torch" in sys.modules, "matplotlib" in sys.modules)  # the peers' business, and the report's
"""


@pytest.mark.few(1)
@pytest.mark.parametrize("as_file", [pytest.param(True, marks=pytest.mark.thorough), False])
def test_the_front_door_opens_to_a_script_without_a_guard(tmp_path: Path, vectors: Path, as_file: bool) -> None:
    contract = write_contract(tmp_path / "ring.yaml", 3, training="{rounds: 2, local_epochs: 1}")
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script) if as_file else "-", str(contract), str(vectors), str(tmp_path / "run")],
        input=None if as_file else SCRIPT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        env={**os.environ, "P2PME_HOME": str(tmp_path / "home")},
        check=False,
    )
    assert done.stdout.splitlines() == ["0 (2,) (3, 3)", "False False"], done.stdout


@pytest.mark.thorough
def test_the_front_door_opens_to_a_thread_which_hears_no_signals(
    tmp_path: Path, vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    contract = p2pfl_me.load(write_contract(tmp_path / "ring.yaml", 3))
    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(p2pfl_me.run_swarm, contract, run=tmp_path / "run", data=vectors).result()
    assert result.exit_code == 0 and result.scores().shape == (3, 3)
