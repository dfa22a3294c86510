"""A film as pictures with time stamps: a video file, or a folder of numbered frames with the rate of its camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.film_end import require_end
from p2pfl_me.data.images import frame_files, read_image
from p2pfl_me.errors import DataError

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Picture:
    """`image` is uint8 (H, W, 3) RGB, `time_s` seconds since the first picture."""

    time_s: float
    image: Image = field(repr=False)


@dataclass(frozen=True)
class Film:
    """`fps` as the file states it, or the user; `first` is the number of a folder's first frame; `seconds` is None
    where the file does not state its length."""

    path: Path
    fps: float
    frames: int
    first: int = 1
    seconds: float | None = None

    @property
    def name(self) -> str:
        return self.path.name

    def pictures(self) -> Iterator[Picture]:
        """Every picture in the order of time.

        Raises
        ------
        DataError
            The file breaks off, which shows at its end, or a frame cannot be read.
        """
        return _frames(self) if self.path.is_dir() else _video(self)


def open_film(path: Path, fps: float | None = None) -> Film:
    """Look at a film without reading it through.

    Parameters
    ----------
    fps:
        Pictures a second of a folder of frames, or instead of what a file states.

    Raises
    ------
    DataError
        No such file, no film, or a folder without frames or rate.
    """
    if path.is_dir():
        files = frame_files(path)
        if not files:
            raise DataError("holds no numbered images", where=str(path), fix="name a film or a folder of its frames")
        if fps is None:
            raise DataError("frames of an unknown rate", where=str(path), fix="name it, for example --fps 200")
        return Film(path, fps, len(files), min(files), (max(files) + 1 - min(files)) / fps)
    if not path.is_file():
        raise DataError("no such film", where=str(path), fix="correct the path")
    capture = cv2.VideoCapture(str(path))
    try:
        stated, frames = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if not capture.isOpened() or not capture.grab():
            raise DataError("is no film that OpenCV can read", where=str(path), fix="convert it to AVI or MP4")
    finally:
        capture.release()
    if fps is None and not 1 <= stated <= 1000:
        raise DataError(
            f"states a rate of {stated:g} pictures a second", where=str(path), fix="name the true one, --fps"
        )
    rate = fps or stated
    return Film(path, rate, max(1, int(frames)), seconds=frames / rate if frames > 0 else None)


def _video(film: Film) -> Iterator[Picture]:
    capture = cv2.VideoCapture(str(film.path))
    stated = capture.get(cv2.CAP_PROP_FPS)
    last, begin_s = -1.0, 0.0
    try:
        index = 0
        while True:
            read, frame = capture.read()
            if not read:
                break
            # The stamp of the file where it has one (phones drop frames); the index where it has none or repeats it.
            stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 if film.fps == stated else index / film.fps
            if index == 0:
                begin_s = stamp
            time_s = stamp - begin_s
            if time_s <= last:
                time_s = last + 1 / film.fps
            last = time_s
            index += 1
            yield Picture(time_s, np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8))
        require_end(film.path, capture.get(cv2.CAP_PROP_FRAME_COUNT), index)
    finally:
        capture.release()


def _frames(film: Film) -> Iterator[Picture]:
    for number, path in frame_files(film.path).items():
        yield Picture((number - film.first) / film.fps, read_image(path))
