"""Video files: what a container states, what it leaves to guesses, and the pictures that truly come out of the decoder.

OpenCV's FFmpeg fails to convert interlaced pictures, and hands out black, or whatever lay in memory, as a success. That
is seen by the pictures never changing; such a film is then read by PyAV, which an extra installs, or refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.blank import blank_words, is_blank
from p2pfl_me.data.capture import next_picture, open_capture
from p2pfl_me.data.concealed import made_up
from p2pfl_me.data.drawn import drawn_input
from p2pfl_me.data.extent import LARGEST
from p2pfl_me.data.fields import Fields, can_read_fields, field_pictures, fields_of, several
from p2pfl_me.data.film_end import require_end, require_sound
from p2pfl_me.data.moov import index_of, require_samples
from p2pfl_me.data.pixels import Shape, shape_of
from p2pfl_me.data.still import Still
from p2pfl_me.errors import DataError
from p2pfl_me.files import open_regular

Image = npt.NDArray[np.uint8]

PROBED = 12
"""Pictures that may all be the same before a film is asked whether it is interlaced."""
RUSTLING = 40
"""Pictures in which somebody moves; of fewer, a film stands still if most are the one before once more."""
BARE = {b"\xff\xd8\xff": "motion JPEG", b"\x12\x00\x0a": "AV1"}
PATTERN = re.compile(r"%[0-9]*d")
BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}
EBML = b"\x1aE\xdf\xa3"
LISTS = re.compile(
    rb"\s*(#EXTM3U|ffconcat|\[playlist\]|v=0\s|(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<(MPD|smil|asx|SmoothStreaming))",
    re.I | re.S,
)
"""How lists of other files begin: HLS, FFmpeg's, PLS, SDP, DASH, SMIL. A reader follows them, over a network, too."""
START, PROGRAM = b"\0\0\1", 0xBA


@dataclass(frozen=True)
class Video:
    """A video file that was looked at.

    `fps` are pictures a second as the container states them, None where decoders would guess; `frames` is 0 where it
    states none. `fields` says how an interlaced film is taken apart, `shape` how its pixels become square. `said` is
    for the person who shows it.
    """

    path: Path
    fps: float | None
    frames: int
    fields: Fields | None = None
    shape: Shape | None = None
    said: tuple[str, ...] = ()

    def pictures(self) -> Iterator[tuple[float | None, Image]]:
        """Every picture, uint8 (H, W, 3) RGB, with its time stamp in seconds where the file has one.

        Raises
        ------
        DataError
            The file breaks off, or its decoder made up some of its pictures, which shows at its end.
        """
        decoded = field_pictures(self.path, self.fields) if self.fields else self._decoded()
        for stamp, image in decoded:
            yield stamp, self.shape.of(image) if self.shape else image

    def _decoded(self) -> Iterator[tuple[float | None, Image]]:
        """The pictures as OpenCV reads them."""
        capture, doubts = open_capture(self.path), made_up(self.path)
        count, damaged, stamps, late = 0, list[int](), list[float](), 0.0
        try:
            while (bgr := next_picture(capture)) is not None:
                stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                if next(doubts, False):
                    damaged.append(count)
                count += 1
                late = late if stamps else _late(capture)
                stamps = [stamps[0] if stamps else stamp, stamp]
                yield stamp, np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            require_end(self.path, self.frames, max(count, self._reached(stamps, late)), read=count)
            require_sound(self.path, damaged, count)
        finally:
            capture.release()
            doubts.close()

    def _reached(self, stamps: Sequence[float], late: float) -> int:
        """How many pictures of its rate fill the time up to the last one, where a container holds no count: what it
        states is its length by its rate then, and a camera that rests in between has not broken off, nor one that
        begins `late`, by so many pictures after the sound."""
        if not (stamps and self.fps and _holds_no_count(self.path)):
            return 0
        return round((stamps[-1] - stamps[0]) * self.fps + late) + 1


def look_at(path: Path) -> Video:
    """Look at a film: its beginning, and as much of it as is one and the same picture.

    Raises
    ------
    DataError
        It is no film, shows one picture alone, or is interlaced and PyAV is not installed.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:  # OpenCV would end this process
        raise DataError(f"has a name that is not UTF-8: {path.name!a}", fix="rename it") from error
    _require_pictures_of_its_own(path)
    require_samples(path)
    capture, drawn = open_capture(path), drawn_input(path)
    try:
        _require_extent(capture, path)
        first = next_picture(capture) if capture.isOpened() else None
        if first is None:
            raise DataError(
                "is no film that OpenCV can read",
                where=str(path),
                fix="convert it, as to MP4 with H.264; a recording that broke off has no index, and sound no picture",
            )
        stated, frames = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        shape = shape_of(capture, first)
        index = index_of(path)
        if index.seconds and 0 < index.seconds * stated < frames:
            frames = round(index.seconds * stated)
        said = (*((shape.words,) if shape else ()), *index.words, *several(path), *drawn)
        still, before, count, same, repeated = Still(first), first, 1, True, 0
        while (bgr := next_picture(capture)) is not None and still.like(bgr):
            count += 1
            same = same and np.array_equal(bgr, first)
            repeated += np.array_equal(bgr, before)
            before = bgr
            if same and count == PROBED and (fields := fields_of(path)):
                return Video(path, fields.fps, 0, fields, shape, (fields.words, *said))
        if bgr is None and (2 * repeated >= count - 1 or count >= RUSTLING):
            if same and count < PROBED and (fields := fields_of(path)):
                return Video(path, fields.fps, 0, fields, shape, (fields.words, *said))
            raise _unchanging(path, count, first)
    finally:
        capture.release()
    rate = None if bare_stream(path) or not stated > 0 else stated
    return Video(path, rate, int(frames) if frames > 0 else 0, shape=shape, said=said)


def _require_pictures_of_its_own(path: Path) -> None:
    """See that a file is no list of others, nor its name a pattern of theirs: OpenCV would read those in its place."""
    try:
        with open_regular(path, None) as file:
            head = file.read(512)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(path), fix="name a film") from error
    if LISTS.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise DataError("is a list of other files, and no film", where=str(path), fix="name the film itself")
    if PATTERN.search(str(path)):
        raise DataError(
            "has a name that readers take for a pattern of many files",
            where=str(path),
            fix="rename it, without the `%`",
        )


def _require_extent(capture: cv2.VideoCapture, path: Path) -> None:
    """See that its pictures are not so large that a few of them fill the memory."""
    width, height = (int(capture.get(each)) for each in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > LARGEST:
        raise DataError(
            f"has pictures of {width}x{height} pixels, more than {LARGEST:,} in all",
            where=str(path),
            fix="convert it to a smaller size, or leave it out: no film of a face has as many",
        )


def _late(capture: cv2.VideoCapture) -> float:
    """By how many pictures its first one comes after the film's beginning, where OpenCV says so (4.11 and later)."""
    return max(float(capture.get(place)), 0.0) if (place := getattr(cv2, "CAP_PROP_PTS", None)) is not None else 0.0


def _holds_no_count(path: Path) -> bool:
    """Matroska and WebM, which browsers and screen recorders write."""
    with open_regular(path, None) as file:
        return file.read(len(EBML)) == EBML


def bare_stream(path: Path) -> str | None:
    """What a file is that has no container: its pictures follow each other, and decoders guess 25 of them a second."""
    try:
        with open_regular(path, None) as file:
            head = file.read(12)
    except OSError:
        return None
    if head[4:8] in BOXES:
        return None
    for begin, name in BARE.items():
        if head.startswith(begin):
            return name
    at = head.find(START)
    return "H.264, HEVC or MPEG" if 0 <= at <= 1 and head[at + 3 : at + 4] != bytes((PROGRAM,)) else None


def _unchanging(path: Path, count: int, first: Image) -> DataError:
    """A film that never changes: interlaced, so that OpenCV shows whatever it likes, or truly still."""
    if count == 1:
        return DataError("holds one picture", where=str(path), fix="bring a film: nothing moves in a picture")
    blank = f", which {blank_words(first)}" if is_blank(first) else ""
    way = "convert it: ffmpeg -i FILE -vf bwdif NEW.mp4"
    return DataError(
        f"shows one and the same picture {count} times{blank}",
        where=str(path),
        fix="nothing moves in it: export it anew"
        if can_read_fields()
        else f"OpenCV does so with interlaced films (AVCHD, DV, MPEG-2): pip install 'p2pfl_me[films]', or {way}",
    )
