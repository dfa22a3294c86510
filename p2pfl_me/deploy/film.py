"""A film as a folder of numbered frames, for as long as it is looked at."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2

from p2pfl_me.data.film_end import require_end
from p2pfl_me.errors import DataError

LONGEST = 3000
"""Frames of a film that is one clip; a longer one shows more than one expression."""


@dataclass(frozen=True)
class Frames:
    """`count` files 000001.png, ... in `folder`, `fps` of them a second (None: the film does not say)."""

    folder: Path
    count: int
    fps: float | None


@contextmanager
def film_frames(path: Path) -> Iterator[Frames]:
    """Decode a film without loss into a private folder, which is removed in the end.

    Raises
    ------
    DataError
        OpenCV cannot read it, it has no frames or breaks off, or it is too long for one clip.
    """
    # What is wrong with a film is said below, in the user's words; the decoders would say it in theirs, too.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    film = cv2.VideoCapture(str(path))
    try:
        if not film.isOpened():
            raise DataError(
                "is neither an image nor a film that OpenCV can read",
                where=str(path),
                fix="give an image, a folder of numbered frames, or a film (MP4, AVI, MKV)",
            )
        with tempfile.TemporaryDirectory(prefix="p2pme-film-") as name:
            count = _decode(film, Path(name), path)
            fps = film.get(cv2.CAP_PROP_FPS)
            yield Frames(Path(name), count, fps if fps > 0 else None)
    finally:
        film.release()


def _decode(film: cv2.VideoCapture, folder: Path, path: Path) -> int:
    count = 0
    while True:
        there, frame = film.read()
        if not there:
            break
        count += 1
        if count > LONGEST:
            raise DataError(
                f"has more than {LONGEST} frames, and is taken as one clip",
                where=str(path),
                fix="cut it to one expression; `p2pme live` marks the expressions of a long film",
            )
        if not cv2.imwrite(str(folder / f"{count:06d}.png"), frame):
            raise DataError("its frames cannot be written", where=str(folder), fix="free some space")
    if not count:
        raise DataError("has no frames that OpenCV can read", where=str(path), fix="convert it, as to MP4 with H.264")
    require_end(path, film.get(cv2.CAP_PROP_FRAME_COUNT), count)
    return count
