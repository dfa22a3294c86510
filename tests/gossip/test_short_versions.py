"""The short versions in docs/protocols.md say what the cores do: they are run, and end where the swarm ends."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2pfl_me.choice import derive_seed
from p2pfl_me.simulation.faults import FaultModel
from p2pfl_me.simulation.trials import SIZE, draw_trial, play
from p2pfl_me.topology import mixing_matrix, schedule_of

DOCS = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text(encoding="utf-8")


def short_version(heading: str) -> str:
    section = DOCS[DOCS.index(f"### {heading}") :]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("protocol", "heading"),
    [("dpsgd", "D-PSGD"), ("qg_dsgdm", "QG-DSGDm"), ("gradient_tracking", "Gradient tracking")],
)
def test_the_short_version_ends_where_the_swarm_ends(protocol: str, heading: str) -> None:
    trial = replace(draw_trial(11, protocol), faults=FaultModel(), lies=None)
    contract, schedule = trial.contract, schedule_of(trial.contract)
    count, rounds = contract.peers.count, contract.training.rounds
    turns = iter(product(range(rounds), range(count)))

    def train(params: np.ndarray) -> np.ndarray:
        """As the trial trains: whose turn it is follows from the order of the calls."""
        round, peer = next(turns)
        noise = np.random.default_rng(derive_seed(contract.seed, "noise", peer, round))
        return 0.9 * params + noise.standard_normal(SIZE, dtype=np.float32)

    def mix(vectors: list[np.ndarray]) -> list[np.ndarray]:
        return list(names["W"] @ np.stack(vectors))

    zeros = [np.zeros(SIZE) for _ in range(count)]
    names: dict[str, Any] = {"peers": range(count), "train": train, "mix": mix, "beta": 0.9}
    names |= {name: list(zeros) for name in ("x", "y", "d", "m")}
    code = compile(short_version(heading), heading, "exec")
    for round in range(rounds):
        names["W"] = mixing_matrix(schedule, round)
        exec(code, names)
    _, journal = play(trial)
    for peer, start in journal.starts.items():
        np.testing.assert_allclose(start.params, names["x"][peer], atol=1e-4)
