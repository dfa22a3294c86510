"""A film as pictures with time stamps: a video file, or a folder of numbered frames with the rate of its camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from p2pfl_me.data.drawn import drawn_input
from p2pfl_me.data.frames import frame_files, is_clip_folder
from p2pfl_me.data.images import read_image
from p2pfl_me.data.video import Video, bare_stream, look_at
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
    where the file does not state its length. `video` is a file's; a folder has none. `said` is there to say of how it
    is read, each to stand behind its name."""

    path: Path
    fps: float
    frames: int
    first: int = 1
    seconds: float | None = None
    video: Video | None = None
    said: tuple[str, ...] = ()

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
        return _video(self, self.video) if self.video else _frames(self)


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
    if is_clip_folder(path):
        files = frame_files(path)
        if not files:
            raise DataError("holds no numbered images", where=str(path), fix="name a film or a folder of its frames")
        if fps is None:
            raise DataError("frames of an unknown rate", where=str(path), fix="name it, for example --fps 200")
        _require_change(path, list(files.values()))
        length = (max(files) + 1 - min(files)) / fps
        return Film(path, fps, len(files), min(files), length, said=drawn_input(path))
    if not path.is_file():
        raise DataError("no such film", where=str(path), fix="correct the path")
    video = look_at(path)
    stated = video.fps
    if fps is None and stated is None:
        what = bare_stream(path)
        raise DataError(
            f"is {f'a bare stream of {what}' if what else 'a film'} that states no rate, and decoders would guess one",
            where=str(path),
            fix="name the camera's, for example --fps 30",
        )
    if fps is None and not 1 <= (stated or 0) <= 1000:
        raise DataError(
            f"states a rate of {stated:g} pictures a second", where=str(path), fix="name the true one, --fps"
        )
    rate = fps or stated or 0.0
    seconds = video.frames / rate if video.frames else None
    return Film(path, rate, max(1, video.frames), seconds=seconds, video=video, said=video.said)


def _require_change(folder: Path, files: Sequence[Path]) -> None:
    """See that something changes in frames, as `look_at` does of a video file."""
    first = read_image(files[0])
    if len(files) == 1:
        raise DataError("holds one picture", where=str(folder), fix="bring a film: nothing moves in a picture")
    if all(np.array_equal(first, read_image(file)) for file in files[1:]):
        raise DataError(
            f"holds no film: its {len(files)} pictures are one and the same", where=str(folder), fix="export it anew"
        )


def _video(film: Film, video: Video) -> Iterator[Picture]:
    last, begin_s = -1.0, 0.0
    for index, (given, image) in enumerate(video.pictures()):
        # The stamp of the file where it has one (phones drop frames); the index where it has none or repeats it.
        stamp = given if given is not None and film.fps == video.fps else index / film.fps
        if index == 0:
            begin_s = stamp
        time_s = stamp - begin_s
        if time_s <= last:
            time_s = last + 1 / film.fps
        last = time_s
        yield Picture(time_s, image)


def _frames(film: Film) -> Iterator[Picture]:
    for number, path in frame_files(film.path).items():
        yield Picture((number - film.first) / film.fps, read_image(path))
