"""Interlaced films, through PyAV (the extra `films`): two moments lie in each picture, in its even and its odd rows.

Where the two differ, FFmpeg's filter bwdif makes a whole picture of each, so that motion is seen at the camera's true
rate. Films that are marked as interlaced and whose rows belong to one moment (25p in 50i) are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from p2pfl_me.data.combing import of_two_moments
from p2pfl_me.data.film_end import require_end, require_sound
from p2pfl_me.data.opened import opened
from p2pfl_me.errors import DataError

if TYPE_CHECKING:
    import av

Image = npt.NDArray[np.uint8]

LOOKED_AT = 50
"""Pictures among which combed ones are looked for: a person moves within two seconds."""


@dataclass(frozen=True)
class Fields:
    """How an interlaced film is read: `fps` pictures a second come of it, two of each where it is taken `apart`."""

    fps: float
    apart: bool

    @property
    def words(self) -> str:
        if self.apart:
            return f"is interlaced: its fields are taken apart into {self.fps:g} pictures a second (bwdif)"
        return f"is marked as interlaced, and its pictures are whole: {self.fps:g} a second are read as they are"


def can_read_fields() -> bool:
    """Whether PyAV is installed."""
    return find_spec("av") is not None


def fields_of(path: Path) -> Fields | None:
    """How to read an interlaced film; None of other films, and without PyAV."""
    if not can_read_fields():
        return None
    import av

    try:
        with opened(path) as file:
            stream = file.streams.video[0]
            frames = list(islice(file.decode(stream), LOOKED_AT))
            rate = stream.guessed_rate or stream.average_rate
    except (av.FFmpegError, IndexError):
        return None
    if not rate or not any(frame.interlaced_frame for frame in frames):
        return None
    apart = of_two_moments([_luma(frame) for frame in frames]) is not False  # in doubt as it is marked
    return Fields(float(rate) * (2 if apart else 1), apart)


def several(path: Path) -> tuple[str, ...]:
    """What to say of a file that holds several films, of which the first is read; nothing without PyAV."""
    if not can_read_fields():
        return ()
    import av

    try:
        with opened(path) as file:
            covers = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
            films = [stream for stream in file.streams.video if not stream.disposition & covers]
    except av.FFmpegError:
        return ()
    return (f"holds {len(films)} films, of which the first is read",) if len(films) > 1 else ()


def field_pictures(path: Path, fields: Fields) -> Iterator[tuple[float | None, Image]]:
    """Every picture, uint8 (H, W, 3) RGB, with its time stamp in seconds where the file has one.

    Raises
    ------
    DataError
        The film breaks off, or its decoder made up some of its pictures.
    """
    import av

    count, damaged = 0, list[int]()
    try:
        with opened(path) as file:
            stream = file.streams.video[0]
            graph = av.filter.Graph()
            source = graph.add_buffer(template=stream)
            way = ("bwdif", "mode=send_field:deint=all") if fields.apart else ("setfield", "prog")
            graph.link_nodes(source, graph.add(*way), graph.add("buffersink")).configure()
            for frame in _through(graph, _noted(file.decode(stream), damaged)):
                count += 1
                yield frame.time, _upright(frame)
            each = 2 if fields.apart else 1
            require_end(path, stream.frames * each, count)
            require_sound(path, damaged, count // each)
    except av.FFmpegError as error:
        raise DataError(
            f"breaks off after {count} pictures: {error.strerror}", where=str(path), fix="copy it anew"
        ) from error


def _upright(frame: av.VideoFrame) -> Image:
    """Its pixels, turned as the file says that the camera was held; OpenCV does so by itself."""
    image = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _noted(frames: Iterator[av.VideoFrame], damaged: list[int]) -> Iterator[av.VideoFrame]:
    """The frames, with a note of those that the decoder made up."""
    for number, frame in enumerate(frames):
        if frame.is_corrupt:
            damaged.append(number)
        yield frame


def _through(graph: av.filter.Graph, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """What the filters make of the frames, and what they still held at the end."""
    import av

    def made() -> Iterator[av.VideoFrame]:
        while True:
            try:
                yield graph.vpull()
            except (BlockingIOError, EOFError, av.error.BlockingIOError, av.error.EOFError):
                return

    for frame in frames:
        graph.vpush(frame)
        yield from made()
    graph.vpush(None)
    yield from made()


def _luma(frame: av.VideoFrame) -> Image:
    """Brightness, uint8 (H, W): the first plane, of eight bits or the upper ones of more."""
    plane = frame.planes[0]
    rows = np.frombuffer(bytes(plane), dtype=np.uint8).reshape(plane.height, -1)
    if plane.line_size >= 2 * plane.width:  # little-endian words: the upper byte of 10 bits tells hardly anything
        words = rows.view(np.uint16)[:, : plane.width]
        return np.asarray(words >> max(0, int(words.max()).bit_length() - 8), dtype=np.uint8)
    return rows[:, : plane.width]
