"""The unit of evaluation is the clip: its samples' logits are averaged, and clips are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.trainer import FeatureTrainer, Part, Samples, by_clip, make_trainer
from tests.learning.test_steps import CPU, contract, random_part


def samples_of(part: Part, numbers: list[int]) -> Part:
    """`part` with its samples dealt to the clips `numbers`, each clip labelled as its first sample was."""
    clips = np.array(numbers, dtype=np.int64)
    first = {int(clip): label for clip, label in zip(clips[::-1], part.labels[::-1], strict=True)}
    return Part(part.bank, part.rows, np.array([first[int(clip)] for clip in clips]), clips)


def logits_by_hand(params: npt.NDArray[np.float32], part: Part) -> npt.NDArray[np.float32]:
    p = contract().model.layout.views(params)
    hidden = np.maximum(part.bank[part.rows] @ p["dense1.weight"].T + p["dense1.bias"], 0)
    return np.asarray(hidden @ p["dense2.weight"].T + p["dense2.bias"], dtype=np.float32)


def test_each_clip_is_counted_once_with_the_mean_of_its_samples(tmp_path: Path) -> None:
    agreed, numbers = contract(), [4, 4, 0, 9, 0, 4, 2, 9, 9, 9]
    params = initial_params(agreed, cache=tmp_path)
    part = samples_of(random_part(10), numbers)
    metrics = make_trainer(agreed, 0, Samples(random_part(3), None, part), "cpu").evaluate(params, "test")
    logits = logits_by_hand(params, part)
    expected = np.zeros((7, 7), dtype=int)
    losses = []
    for clip in (4, 0, 9, 2):
        mean, label = logits[part.clips == clip].mean(axis=0), part.labels[part.clips == clip][0]
        expected[label, mean.argmax()] += 1
        losses.append(np.log(np.exp(mean).sum()) - mean[label])
    assert metrics is not None and metrics.count == 4
    np.testing.assert_array_equal(metrics.confusion, expected)
    np.testing.assert_allclose(metrics.loss, np.mean(losses), rtol=1e-4)


def test_one_sample_a_clip_scores_as_the_sample_does_to_the_last_bit(tmp_path: Path) -> None:
    agreed, part = contract(), random_part(600)  # more than two batches
    params = initial_params(agreed, cache=tmp_path)
    trainer = FeatureTrainer(agreed, 0, Samples(random_part(3), None, part), CPU)
    found = trainer.clip_logits(params, "test")
    shuffled = Part(part.bank, part.rows, part.labels, np.random.default_rng(0).permutation(600))
    other = FeatureTrainer(agreed, 0, Samples(random_part(3), None, shuffled), CPU).clip_logits(params, "test")
    assert found is not None and other is not None
    assert found.logits.tobytes() == other.logits.tobytes()  # the order is the part's, whatever the numbers
    np.testing.assert_array_equal(found.labels, part.labels)
    np.testing.assert_array_equal(other.clips, shuffled.clips)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.integers(0, 99))
def test_the_mean_does_not_depend_on_other_clips(numbers: list[int], seed: int) -> None:
    random, clips = np.random.default_rng(seed), np.array(numbers)
    logits = random.normal(size=(len(clips), 3)).astype(np.float32)
    labels = random.integers(0, 3, 7)[clips]
    found = by_clip(logits, labels, clips)
    assert sorted(found.clips) == sorted(set(numbers)) and list(found.clips) == list(dict.fromkeys(numbers))
    for row, clip in enumerate(found.clips):
        mine = clips == clip
        np.testing.assert_allclose(found.logits[row], logits[mine].mean(axis=0), rtol=1e-5, atol=1e-6)
        alone = by_clip(logits[mine], labels[mine], clips[mine])
        assert alone.logits.tobytes() == found.logits[row : row + 1].tobytes() and alone.labels[0] == found.labels[row]
