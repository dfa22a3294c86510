"""Clips of many frames: counted as one clip each, or as samples where the frame split is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from p2pfl_me.data.manifest import Clip, write_manifest
from p2pfl_me.errors import DataError
from p2pfl_me.evaluate import items
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.items import Items, features_digest, read_clips, read_items
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.trainer import Part
from tests.evaluate.making import contract
from tests.evaluate.making import request as make_request
from tests.small import CLASSES

FRAMES = (3, 1, 4, 2)


def films(folder: Path) -> Path:
    """Four clips of four people, with 3, 1, 4 and 2 frames from onset to offset and one more on each side."""
    random = np.random.default_rng(0)
    clips = []
    for number, count in enumerate(FRAMES):
        place = folder / f"clip{number}"
        place.mkdir(parents=True)
        for frame in range(9, 11 + count):
            picture = random.integers(0, 255, (64, 64, 3), dtype=np.uint8)
            assert cv2.imwrite(str(place / f"img{frame}.png"), picture)
        label = CLASSES[number % 3]
        clips.append(Clip(place, "lab", f"lab/{number}", f"c{number}", label, onset=10, offset=9 + count))
    write_manifest(folder / "manifest.csv", clips)
    return folder


def test_a_clip_is_one_item_and_under_the_frame_split_each_frame_is(tmp_path: Path) -> None:
    agreed, cache = contract("model.input=frame"), cache_dir(tmp_path / "home")
    clips = read_clips(agreed, films(tmp_path / "films"), cache)
    items = read_items(agreed, clips, HoldOut.LOSO, cache=cache)
    assert len(items) == 4 and items.names == ("c0", "c1", "c2", "c3")
    assert np.bincount(items.samples.clips).tolist() == list(FRAMES)
    part = items.part([3, 0])
    assert part.clips.tolist() == [0, 0, 0, 3, 3]
    assert part.labels.tolist() == [0, 0, 0, 0, 0]
    frames = read_items(agreed, clips, HoldOut.FRAMES, cache=cache)
    assert len(frames) == 10 and frames.names[:4] == ("c0#1", "c0#2", "c0#3", "c1#1")
    assert frames.labels.tolist() == [0, 0, 0, 1, 2, 2, 2, 2, 0, 0]
    assert frames.part([1, 9]).clips.tolist() == [1, 9]
    assert features_digest(frames) != features_digest(items)


@pytest.mark.parametrize("changed", ["label", "feature", "order"])
def test_the_digest_follows_labels_features_and_order(changed: str) -> None:
    bank = np.arange(12, dtype=np.float32).reshape(4, 3)
    clips = tuple(Clip(Path("x"), "a", f"a/{n}", f"c{n}", CLASSES[n]) for n in range(3))
    labels, rows = np.arange(3), np.array([2, 0, 1])
    before = features_digest(Items(clips, labels, Part(bank, rows, labels, np.arange(3))))
    if changed == "label":
        clips = (*clips[:2], Clip(Path("x"), "a", "a/2", "c2", CLASSES[0]))
    if changed == "feature":
        bank = bank + np.float32([[0], [0], [1e-3], [0]])
    if changed == "order":
        rows = np.array([0, 2, 1])
    assert features_digest(Items(clips, labels, Part(bank, rows, labels, np.arange(3)))) != before


def test_a_clip_that_gives_no_sample_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = make_request(tmp_path)
    clips = items.read_clips(asked.contract, asked.data, tmp_path)
    real = items.read_samples

    def without_the_third(*given: Any, **named: Any) -> Any:
        read = real(*given, **named)
        part = read.samples.train
        kept = part.clips != 2
        train = replace(part, rows=part.rows[kept], clips=part.clips[kept])
        return replace(read, samples=replace(read.samples, train=train))

    monkeypatch.setattr(items, "read_samples", without_the_third)
    with pytest.raises(DataError, match=f"clip {clips[2].clip} gives no sample"):
        items.read_items(asked.contract, clips, HoldOut.LOSO, cache=tmp_path)
