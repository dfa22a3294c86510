"""The notebook's front door takes what a notebook has in hand, and answers slips in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import p2pfl_me
from p2pfl_me.api.comparing import Comparison
from p2pfl_me.contract import digest
from p2pfl_me.contract.ready import read_contract, ready_names
from p2pfl_me.errors import ContractError, DataError, RunError
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.results import over_seeds
from p2pfl_me.report.run import read_run
from tests.report.fixture import Recipe, write_run
from tests.small import write_contract


@pytest.mark.parametrize(
    ("key", "value", "plain"),
    [
        ("training.rounds", np.int64(7), 7),
        ("training.learning_rate", np.float32(0.5), 0.5),
        ("model.classes", np.array(["a", "b"]), ("a", "b")),
        ("training.learning_rate", 1e-5, 1e-5),
    ],
)
def test_overrides_may_be_numpys(tmp_path: Path, key: str, value: Any, plain: Any) -> None:
    contract = p2pfl_me.load(write_contract(tmp_path / "ring.yaml", 3), **{key: value})
    section, name = key.split(".")
    assert getattr(getattr(contract, section), name) == plain


def test_an_override_that_no_contract_can_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as caught:
        p2pfl_me.load(write_contract(tmp_path / "ring.yaml", 3), **{"training.rounds": {1, 2}})
    assert "set" in caught.value.what and caught.value.where == "training.rounds" and caught.value.fix


def test_an_unknown_metric_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    result = p2pfl_me.Result(write_run(tmp_path / "run", Recipe(count=3, rounds=1)))
    assert result.scores("weighted_f1").shape == result.scores("loss").shape == (1, 3)
    for slip in ("foo", "confusion", "get"):
        with pytest.raises(RunError, match=f"no metric `{slip}`") as caught:
            result.scores(slip)
        assert "uf1" in caught.value.fix and "loss" in caught.value.fix


def test_a_swarm_may_be_named_by_its_file(tmp_path: Path) -> None:
    path = write_contract(tmp_path / "ring.yaml", 3)
    for named in (path, str(path)):
        with pytest.raises(DataError, match="no such manifest"):
            p2pfl_me.run_swarm(named, run=tmp_path / "run", data=tmp_path / "nowhere")
    with pytest.raises(ContractError):
        p2pfl_me.run_swarm(tmp_path / "none.yaml")


def test_a_peer_that_ended_early_counts_in_a_notebook_as_in_a_report(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", Recipe(count=3, rounds=3, killed={1: 2}))
    result = p2pfl_me.Result(folder)
    final = result.final()
    assert list(final) == [0, 1, 2] and final[1] == result.scores()[1, 1]
    spread = over_seeds([read_run(folder)], Arm.GOSSIP, "uf1")
    (values,) = Comparison(tmp_path, {"ring": (result,)}).final().values()
    assert spread is not None and values == [pytest.approx(spread.mean)]
    assert f"{spread.mean:.3f} (worst {min(final.values()):.3f})" in result._repr_html_()


@pytest.mark.parametrize("name", sorted(ready_names()))
def test_whatever_name_the_command_line_takes_is_taken_here(name: str) -> None:
    """`p2pme swarm base3` ran, and here `base3` was unknown."""
    assert digest(p2pfl_me.contract(name)) == digest(read_contract(name))
