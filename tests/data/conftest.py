"""Twins of every data set, drawn once: sound but for their quirks, and with every fault planted."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from p2pfl_me.data.twins.known import TWINS
from p2pfl_me.data.twins.take import TwinSpec
from p2pfl_me.data.twins.write import Twin, write_twin

SMALL = TwinSpec(subjects=4, clips=5, seed=3, height=64)


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """By name, all in one folder: a composite."""
    folder = tmp_path_factory.mktemp("twins")
    return {name: write_twin(recipes, folder / name, SMALL, name) for name, recipes in TWINS.items()}


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Twin]:
    """By name, drawn when first asked for."""
    folder: Path = tmp_path_factory.mktemp("faulty")
    spec = TwinSpec(subjects=4, clips=6, seed=3, height=64, faults=True)
    return cache(lambda name: write_twin(TWINS[name], folder / name, spec, name))
