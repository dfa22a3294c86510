"""What users write is typed: the code of the docs' notebooks, and every use of the front door."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import p2pfl_me
from tests.api.test_notebooks import NOTEBOOKS, ROOT, code_of

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


def write_uses(folder: Path) -> list[str]:
    """All of it as files, for `mypy`, outside the package."""
    texts = {path.stem: code_of(path) for path in NOTEBOOKS} | {"uses": TYPED}
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return [str(folder / f"{name}.py") for name in texts]


@pytest.mark.thorough  # scripts/test.sh has `mypy` check these files with the package, in one go
def test_they_and_all_uses_are_typed_from_outside_the_package(tmp_path: Path) -> None:
    """Strictly, by the package's own options."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *write_uses(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_installed_package_has_its_types_outside() -> None:
    assert (Path(p2pfl_me.__file__).parent / "py.typed").exists()


if __name__ == "__main__":
    print(*write_uses(Path(sys.argv[1])))
