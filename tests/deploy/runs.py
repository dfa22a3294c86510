"""A finished run on pictures of three brightnesses, which a random network tells apart well enough to be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.manifest import write_manifest
from tests.data.make import picture, save
from tests.learning.runs import contract, random_model, write_run

CLASSES = ("negative", "positive", "surprise")


def pictures_run(folder: Path, agreed: Contract | None = None) -> Path:
    """A run folder with two peers' models, their shards and test clips of subjects that they have not."""
    agreed = agreed or contract()
    run = write_run(folder / "run", agreed, {peer: random_model(agreed, peer) for peer in (0, 1)})
    for name, split, subjects in (("peer-0", "train", (1, 2)), ("peer-1", "train", (3, 4)), ("test", "test", (5, 6))):
        clips = []
        for subject in subjects:
            for index, label in enumerate(CLASSES):
                path = save(folder / f"{subject}-{index}.png", picture(10 * subject + index, 64) // (index + 1))
                clips.append(Clip(path, "lab", f"lab/{subject}", str(index), label, split=split))
        write_manifest(run / "shards" / f"{name}.csv", clips)
    return run


def film(path: Path, frames: int) -> Path:
    """A short film of a picture that moves."""
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 64))
    assert writer.isOpened()
    image = picture(1, 64)
    for index in range(frames):
        writer.write(np.roll(image, index, axis=1))
    writer.release()
    return path
