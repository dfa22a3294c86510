"""A look at the images of one clip: are they there, can they be read, which pixels do they hold."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from p2pfl_me.data.blank import blank_words, is_blank
from p2pfl_me.data.clip import Clip, Fault, Problem
from p2pfl_me.data.frames import LISTINGS, is_clip_folder, kept_listing
from p2pfl_me.data.images import read_image
from p2pfl_me.data.jumps import Jumps, mixed_words
from p2pfl_me.data.vectors import is_vectors, vector_row, vectors_bank
from p2pfl_me.errors import DataError

LIGHT = 8192
"""Bytes below which a picture is opened sooner than another thread is asked to: threads that hand the lock of the
interpreter to and fro took twice the time of one."""


class Images(StrEnum):
    """Which images a check opens."""

    ALL = "all"
    """Every frame from onset to offset."""
    KEY = "key"
    """Onset, apex and offset."""
    NONE = "none"
    """The rows alone are checked; that files and folders exist is."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one clip's images showed: `digest` (16 bytes) is of their pixels, `sizes` are (width, height), `absent`
    counts frames that lack between onset and offset, `repeated` those that are the picture before once more."""

    problem: Problem | None = None
    digest: bytes | None = None
    sizes: frozenset[tuple[int, int]] = frozenset()
    grey: bool = False
    absent: int = 0
    lone: bool = False
    folder: bool = False
    repeated: int = 0


class Looker:
    """Looks at clip after clip, from any thread."""

    def __init__(self, images: Images) -> None:
        # What OpenCV has to say of damaged files would stand between the lines of the report, which names them.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._images = images
        self.listing = kept_listing()
        self._bank = lru_cache(LISTINGS)(vectors_bank)

    def is_light(self, clip: Clip) -> bool:
        """Whether a look takes less time than asking another thread for it."""
        try:
            if is_vectors(clip.path):
                return True
            info = clip.path.stat()
            if not stat.S_ISDIR(info.st_mode):
                return info.st_size < LIGHT
            frame = next(iter(self.listing(clip.path).values()), None)
            return frame is None or frame.stat().st_size < LIGHT
        except (DataError, OSError):
            return True  # whoever looks says what is wrong

    def look(self, clip: Clip) -> Look:
        try:
            if is_vectors(clip.path):
                return self._vector(clip)
            return self._film(clip) if is_clip_folder(clip.path) else _seen(clip, [clip.path])
        except DataError as error:
            return _bad(clip, Fault.UNREADABLE, f"{error.where} {error.what}")
        except OSError as error:
            return _bad(clip, Fault.UNREADABLE, f"{clip.path}: {error.strerror}")

    def _vector(self, clip: Clip) -> Look:
        """A row of a file of feature vectors."""
        bank = self._bank(clip.path)
        try:
            row = bank[vector_row(clip, bank)]
        except DataError as error:
            return _bad(clip, Fault.MISSING, f"{error.where} {error.what}")
        if not np.isfinite(row).all():
            return _bad(clip, Fault.UNREADABLE, f"row {clip.clip} of {clip.path} holds NaN or infinite values")
        return Look(digest=hashlib.sha256(row.tobytes()).digest()[:16])

    def _film(self, clip: Clip) -> Look:
        """A folder of frames. Only those from onset to offset are opened: several clips may lie in one long film."""
        frames = self.listing(clip.path)
        if not frames:
            return _bad(clip, Fault.FRAMES, f"no numbered images in {clip.path}")
        named = {"onset": clip.onset, "apex": clip.apex, "offset": clip.offset}
        lost = [f"{name} {number}" for name, number in named.items() if number is not None and number not in frames]
        if lost:
            have = f"{min(frames)} to {max(frames)}"
            return _bad(clip, Fault.FRAMES, f"{' and '.join(lost)} not among the frames ({have}) of {clip.path}")
        first = min(frames) if clip.onset is None else clip.onset
        last = max(frames) if clip.offset is None else clip.offset
        used = [number for number in frames if first <= number <= last]
        opened = used
        if self._images is Images.KEY:
            middle = used[len(used) // 2] if clip.apex is None else clip.apex
            opened = sorted({used[0], middle, used[-1]})
        absent = last - first + 1 - len(used)
        return _seen(clip, [frames[number] for number in opened], absent=absent, lone=len(used) == 1, folder=True)


def _seen(clip: Clip, files: Sequence[Path], *, absent: int = 0, lone: bool = False, folder: bool = False) -> Look:
    digest, grey, sizes = hashlib.sha256(), True, set[tuple[int, int]]()
    blank, repeated, before, jumps = list[Path](), 0, b"", Jumps()
    for file in files:
        image = read_image(file)
        pixels = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
        digest.update(pixels)
        grey = grey and bool((image[0, :, :2] == image[0, :, 1:]).all() and (image[..., :2] == image[..., 1:]).all())
        sizes.add((image.shape[1], image.shape[0]))
        if is_blank(image):
            blank.append(file)
        repeated += pixels == before
        before = pixels
        if folder:
            jumps.push(0.0, image[..., 1])
    if mixed := mixed_words(jumps.returns):
        return _bad(clip, Fault.FRAMES, f"the pictures of {clip.path} {mixed}")
    if problem := _nothing_seen(clip, files, blank, repeated):
        return Look(problem)
    return Look(None, digest.digest()[:16], frozenset(sizes), grey, absent, lone, folder, repeated)


def _nothing_seen(clip: Clip, files: Sequence[Path], blank: Sequence[Path], repeated: int) -> Problem | None:
    """Pictures that could be decoded, and show no face or no motion whatever the decoder says."""
    if blank:
        which = "every picture" if len(blank) == len(files) else f"{len(blank)} of {len(files)} pictures"
        what = f"{which} of {clip.path}" if len(files) > 1 else str(clip.path)
        first = f", the first {blank[0].name}" if 1 < len(files) != len(blank) else ""
        return Problem(clip.line, Fault.UNREADABLE, f"{what} {blank_words(read_image(blank[0]))}{first}", clip.row)
    if len(files) > 1 and repeated == len(files) - 1:
        text = f"the {len(files)} pictures of {clip.path} are one and the same: nothing moves"
        return Problem(clip.line, Fault.UNREADABLE, text, clip.row)
    return None


def _bad(clip: Clip, fault: Fault, text: str) -> Look:
    return Look(Problem(clip.line, fault, text, clip.row))
