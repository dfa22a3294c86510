"""Frames on a stream of bytes: four bytes of length (big-endian), then the frame. Pure; no socket here.

A frame's length is checked before memory is taken for it, and bytes that have come are kept, however few they are.
"""

from __future__ import annotations

import struct

import numpy as np

from p2pfl_me.errors import WireError

_LENGTH = struct.Struct(">I")
PREFIX = _LENGTH.size
SCRATCH = 1 << 14
"""Small frames are cut out of one piece of memory that is used again; a larger one gets its own."""


def on_wire(size: int) -> int:
    """Bytes that a frame of `size` bytes takes on the stream."""
    return PREFIX + size


def prefix(size: int) -> bytes:
    """What stands before a frame of `size` bytes."""
    return _LENGTH.pack(size)


class FrameReader:
    """Cuts what arrives into frames of at most `most` bytes; `most` may be changed between two of them.

    Fill `space`, say `filled`, and take frames until there is none.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._scratch = memoryview(bytearray(SCRATCH))
        self._begin = self._end = 0
        self._large: memoryview | None = None
        self._got = 0

    def space(self) -> memoryview:
        """Where the next bytes belong; not empty once `next_frame` has returned None."""
        return self._scratch[self._end :] if self._large is None else self._large[self._got :]

    def filled(self, count: int) -> None:
        """The first `count` bytes of `space` have come."""
        if self._large is None:
            self._end += count
        else:
            self._got += count

    def next_frame(self) -> memoryview | None:
        """The next whole frame, in memory of its own; None while bytes are missing.

        Raises
        ------
        WireError
            A length of zero or beyond `most`: what follows cannot be read any more.
        """
        if self._large is not None:
            if self._got < self._large.nbytes:
                return None
            frame, self._large = self._large, None
            return frame
        held = self._scratch[self._begin : self._end]
        if held.nbytes < PREFIX:
            self._move_to_front(held)
            return None
        (size,) = _LENGTH.unpack_from(held)
        if not 0 < size <= self.most:
            raise WireError(f"a frame of {size} bytes (at least 1, at most {self.most})")
        body = held[PREFIX : PREFIX + size]
        if body.nbytes == size:
            self._begin += PREFIX + size
            return memoryview(bytes(body))
        if PREFIX + size <= SCRATCH:
            self._move_to_front(held)
            return None
        self._large = np.empty(size, dtype=np.uint8).data
        self._large[: body.nbytes] = body
        self._got, self._begin, self._end = body.nbytes, 0, 0
        return None

    def _move_to_front(self, held: memoryview) -> None:
        if self._begin:
            self._scratch[: held.nbytes] = bytes(held)
            self._begin, self._end = 0, held.nbytes
