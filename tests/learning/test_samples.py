"""From clips to samples: each sample knows its clip, its label and its features, whatever the order of the manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.data import vectors
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.contents import contents_of
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.files import open_regular
from p2pfl_me.learning.samples import read_samples, samples_of
from tests.data.make import picture, save
from tests.small import write_vectors

LABELS = ("negative", "positive", "surprise")


def contract(model: str, training: str = "{}") -> Contract:
    text = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\n"
    return contract_from_yaml(f"{text}model: {{classes: [{', '.join(LABELS)}], {model}}}\ntraining: {training}\n")


def films(folder: Path, lengths: tuple[int, ...]) -> list[Clip]:
    """Films of so many frames, dealt to the splits in turn."""
    clips = []
    for number, length in enumerate(lengths):
        for frame in range(1, length + 1):
            save(folder / str(number) / f"{frame}.png", picture(50 * number + frame, 32))
        split = ("test", "train", "validation")[number % 3]
        label = LABELS[number % 2]
        clips.append(Clip(folder / str(number), "lab", f"lab/{number}", str(number), label, 1, 1, length, split))
    return clips


@pytest.mark.few(1)
@pytest.mark.parametrize("augment", ["{}", "{augment: {mirror: true}}"])
def test_frames_are_samples_and_know_their_clip(tmp_path: Path, augment: str) -> None:
    clips = films(tmp_path / "data", (4, 1, 2, 3, 5, 2))
    frames = contract("input: frame", augment)
    read = read_samples(frames, clips, cache=tmp_path, device="cpu")
    samples, notes = read.samples, read.noted
    assert len(notes) == 6 and len(set(read.contents)) == 6
    assert read.contents == contents_of(clips, recipe_of(frames.model))
    for part, own in ((samples.train, clips[1::3]), (samples.validation, clips[2::3]), (samples.test, clips[0::3])):
        assert part is not None
        lengths = [clip.offset for clip in own]
        assert part.clips.tolist() == np.repeat([0, 1], lengths).tolist()
        assert [LABELS[label] for label in part.labels] == list(np.repeat([clip.label for clip in own], lengths))
        for number, clip in enumerate(own):
            alone = samples_of(frames, [clip], cache=tmp_path, device="cpu")
            found = {"train": alone.train, "validation": alone.validation, "test": alone.test}[clip.split or ""]
            assert found is not None
            np.testing.assert_array_equal(part.bank[part.rows[part.clips == number]], found.bank[found.rows])


def test_a_file_of_vectors_is_opened_so_many_times_whatever_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard of a thousand rows was mapped a thousand times before the first step."""
    opened: list[object] = []

    def counted(path: Path, mode: object) -> object:
        opened.append(path)
        return open_regular(path, mode)

    monkeypatch.setattr(vectors, "open_regular", counted)
    times = []
    for rows in (4, 40):
        path = write_vectors(tmp_path / f"{rows}.safetensors", [1, 2], per_subject=rows, split=0)
        clips = vectors.vectors_manifest(path, LABELS).clips
        assert len(clips) == 2 * rows
        opened.clear()
        assert len(read_samples(contract("input: image"), clips, cache=tmp_path, device="cpu").contents) == 2 * rows
        times.append(len(opened))
    assert times[0] == times[1]


def test_one_image_a_clip_is_one_sample_a_clip(tmp_path: Path) -> None:
    clips = films(tmp_path / "data", (4, 1, 2, 3))
    samples = samples_of(contract("input: image"), clips, cache=tmp_path, device="cpu")
    assert samples.test is not None and samples.test.clips.tolist() == [0, 1] and len(samples.train) == 1
