"""What `pip install` of a wheel gives is enough: contracts, pages, templates are inside; no checkout is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's contents, in a folder far from the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "p2pfl_me", source / "p2pfl_me", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=source, check=True, capture_output=True, timeout=120)
    (wheel,) = out.glob("*.whl")
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(site: Path, folder: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site), "P2PME_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, text=True, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_that_is_read_at_run_time_is_inside(installed: Path) -> None:
    for path in (ROOT / "p2pfl_me").rglob("*"):
        if path.is_file() and path.suffix not in {".pyc", ".pyi"}:
            assert (installed / "p2pfl_me" / path.relative_to(ROOT / "p2pfl_me")).is_file(), path


@pytest.mark.thorough
def test_a_ready_contract_is_shown_from_any_folder(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, "-c", "import p2pfl_me; print(p2pfl_me.__file__)")
    assert where.startswith(str(installed))  # not the checkout
    shown = run(installed, tmp_path, "-m", "p2pfl_me", "topology", "show", "base3", "--json")
    code = "import sys; from p2pfl_me.contract.ready import read_contract as read; "
    code += "print(*(read(name).name for name in sys.argv[1:]))"
    recipes = ("small", "masks", "submodels", "nbafl", "pemfl")
    assert run(installed, tmp_path, "-c", code, *recipes).split() == list(recipes)
    assert '"topology": "base"' in shown or '"kind": "base"' in shown


def test_what_it_depends_on_is_declared(installed: Path) -> None:
    (metadata,) = installed.glob("p2pfl_me-*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")
    for name in ("torch", "pyzmq", "networkx", "cryptography", "numpy", "click"):
        assert f"Requires-Dist: {name}" in text
    assert "License-Expression: Apache-2.0" in text
