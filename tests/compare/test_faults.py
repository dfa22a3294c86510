"""Faults of the simulated network, and a whole comparison under all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.compare.request import Request
from p2pfl_me.compare.run import compare
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.simulation.fitted_faults import Faults, fault_model_of, round_seconds
from p2pfl_me.simulation.pace import ORDINARY
from tests.report.fixture import pictures_unsaved
from tests.small import write_contract, write_vectors


def ring(count: int, rounds: int = 20) -> Contract:
    return contract_from_yaml(
        "version: 1\nname: ring\ntopology: {kind: ring}\n"
        f"peers: {{loopback: {{count: {count}}}}}\ntraining: {{rounds: {rounds}}}\n"
    )


@given(st.integers(3, 60), st.integers(4, 100), st.floats(0.05, 0.5))
def test_churned_peers_are_so_many_different_ones_and_go_within_the_run(count: int, rounds: int, churn: float) -> None:
    contract = ring(count, rounds)
    found = fault_model_of(Faults(churn=churn), contract)
    gone = [crash.peer for crash in found.crashes]
    assert len(set(gone)) == len(gone) == round(churn * count)
    assert all(0 <= peer < count for peer in gone)
    whole = rounds * round_seconds(contract)
    assert all(0 < crash.at < whole and crash.back is not None and crash.back > crash.at for crash in found.crashes)


def test_no_trouble_is_the_ordinary_network() -> None:
    assert fault_model_of(Faults(), ring(10)) == ORDINARY
    lossy = fault_model_of(Faults(loss=0.1), ring(10))
    assert lossy.link == replace(ORDINARY.link, loss=0.1) and not lossy.crashes
    assert fault_model_of(Faults(straggler=10.0), ring(10)).slow == {0: 10.0}


@pytest.mark.thorough
def test_a_simulated_comparison_has_every_stress_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    paths = tuple(
        write_contract(tmp_path / f"{kind}.yaml", 5, topology=f"{{kind: {kind}}}", training="{rounds: 2}")
        for kind in ("ring", "mesh")
    )
    data = write_vectors(tmp_path / "vectors.safetensors", range(12))
    request = Request(
        paths, tmp_path / "out", seeds=1, baselines=False, stress=True, engine="simulate", data=data, target=0.2
    )
    with pictures_unsaved():
        assert compare(request, Console(quiet=True)).code == 0
    lines = (tmp_path / "out" / "report.md").read_text().splitlines()
    assert "|  | undisturbed | 10 % loss | straggler 10x | 20 % churn | dirichlet 0.1 |" in lines
    assert len(list((tmp_path / "out" / "cells").glob("*/seed-1/average.json"))) == 10
    assert all("--simulate" in path.name for path in (tmp_path / "out" / "cells").iterdir())
