"""A film as a folder of numbered frames, for as long as it is looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2

from p2pfl_me.data.video import Video, look_at
from p2pfl_me.errors import DataError

LONGEST = 3000
"""Frames of a film that is one clip; a longer one shows more than one expression."""


@dataclass(frozen=True)
class Frames:
    """`count` files 000001.png, ... in `folder`, `fps` of them a second (None: the film does not say), and what there
    is to say of it."""

    folder: Path
    count: int
    fps: float | None
    said: tuple[str, ...] = ()


@contextmanager
def film_frames(path: Path) -> Iterator[Frames]:
    """Decode a film without loss into a private folder, which is removed in the end.

    Raises
    ------
    DataError
        OpenCV cannot read it, it has one picture or breaks off, or it is too long for one clip.
    """
    video = look_at(path)
    with tempfile.TemporaryDirectory(prefix="p2pme-film-") as name:
        count = _decode(video, Path(name))
        yield Frames(Path(name), count, video.fps, video.said)


def _decode(video: Video, folder: Path) -> int:
    count = 0
    for count, (_, picture) in enumerate(video.pictures(), 1):
        if count > LONGEST:
            raise DataError(
                f"has more than {LONGEST} frames, and is taken as one clip",
                where=str(video.path),
                fix="cut it to one expression; `p2pme live` marks the expressions of a long film",
            )
        if not cv2.imwrite(str(folder / f"{count:06d}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
            raise DataError("its frames cannot be written", where=str(folder), fix="free some space")
    return count
