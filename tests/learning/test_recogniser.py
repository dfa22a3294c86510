"""A run folder becomes a model: the peers' average or one peer's, as the trainer scores it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from p2pfl_me.errors import P2pmeError, RunError, WeightsError
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.features import feature_rows
from p2pfl_me.learning.head import HeadStep
from p2pfl_me.learning.losses import CrossEntropy
from p2pfl_me.learning.recogniser import load_recogniser
from p2pfl_me.learning.run_models import final_params
from tests.learning.runs import contract, random_model, write_run

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)


def test_a_run_gives_its_average_and_each_peers_own_model(tmp_path: Path) -> None:
    agreed = contract()
    models = {peer: random_model(agreed, peer) for peer in (0, 2)}  # peer 1 never finished a round
    run = write_run(tmp_path / "run", agreed, models)
    pairs = [(bytes([index]) * 32, lambda index=index: IMAGES[index]) for index in range(len(IMAGES))]
    bank, rows = feature_rows(agreed, pairs, cache=cache_dir(tmp_path), device="cpu")

    def expected(params: np.ndarray) -> np.ndarray:
        step = HeadStep(agreed.model.layout, 2048, 8, 0.5, CrossEntropy(None), torch.device("cpu"))
        step.attach(torch.from_numpy(params))
        return step.logits(torch.from_numpy(bank[rows])).softmax(1).numpy()

    average = load_recogniser(run, home=tmp_path)
    assert average.classes == ("negative", "positive", "surprise") and average.contract == agreed
    scores = average.scores(IMAGES)
    assert scores.dtype == np.float32 and scores.shape == (5, 3)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(scores, expected((models[0] + models[2]) / 2), atol=1e-4)
    own = load_recogniser(run, peer=2, home=tmp_path).scores(IMAGES)
    np.testing.assert_allclose(own, expected(models[2]), atol=1e-4)
    assert np.abs(own - scores).max() > 1e-3
    assert average.scores(IMAGES[:0]).shape == (0, 3)


def test_each_value_is_averaged_over_the_peers_that_hold_it(tmp_path: Path) -> None:
    agreed = contract("peers={loopback: {count: 3}, widths: {1: 0.5}}")
    layout = agreed.model.layout
    models = {peer: np.full(layout.size, peer + 1, dtype=np.float32) for peer in (0, 1)}
    for name, view in layout.views(models[1]).items():  # a narrow peer has zeros where it holds nothing
        if name.startswith("dense1."):
            view[64:] = 0
        elif name == "dense2.weight":
            view[:, 64:] = 0
    average = layout.views(final_params(write_run(tmp_path / "run", agreed, models), agreed))
    assert (average["dense1.bias"][:64] == 1.5).all() and (average["dense1.bias"][64:] == 1).all()
    assert (average["dense2.weight"][:, 64:] == 1).all() and (average["dense2.bias"] == 1.5).all()


def test_what_is_no_finished_run_is_named(tmp_path: Path) -> None:
    agreed = contract()
    model = random_model(agreed, 0)
    sweep = write_run(tmp_path / "sweep" / "seed-1", agreed, {0: model}).parent
    empty = write_run(tmp_path / "empty", agreed, {})
    (tmp_path / "folder").mkdir()
    other = write_run(tmp_path / "other", contract("seed=2"), {0: model})
    (other / "contract.yaml").write_text((empty / "contract.yaml").read_text())
    damaged = write_run(tmp_path / "damaged", agreed, {0: np.full_like(model, np.nan)})
    junk = write_run(tmp_path / "junk", agreed, {})
    (junk / "checkpoint-1.safetensors").write_bytes(b"junk")
    faults: list[tuple[Path, int | None, type[P2pmeError], str]] = [
        (tmp_path / "folder", None, RunError, "no contract.yaml"),
        (tmp_path / "nowhere", None, RunError, "no contract.yaml"),
        (sweep, None, RunError, "holds several runs"),
        (empty, None, RunError, "peers have left no checkpoint"),
        (empty, 1, RunError, "peer 1 has left no checkpoint"),
        (empty, 3, RunError, "there is no peer 3"),
        (other, None, WeightsError, "another contract"),
        (damaged, None, WeightsError, "NaN"),
        (junk, None, WeightsError, "not a checkpoint"),
    ]
    for run, peer, kind, says in faults:
        with pytest.raises(kind, match=says):
            load_recogniser(run, peer=peer, home=tmp_path)
