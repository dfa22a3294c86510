"""Frames on a stream of bytes: a prefix with their length, then the frame. Pure; no socket here.

A length is checked before anything is waited or memory is taken for it: it is at most what may come, and once there are
keys, the prefix authenticates it. A flipped bit would otherwise have the reader wait for bytes that are never sent, and
take what does come for them. Bytes that have come are kept, however few they are.
"""

from __future__ import annotations

import hmac
import struct

import numpy as np

from p2pfl_me.errors import WireError

_LENGTH, _COUNTED = struct.Struct(">I4s"), struct.Struct(">QI")
PREFIX = _LENGTH.size
SCRATCH = 1 << 14
"""Small frames are cut out of one piece of memory that is used again; a larger one gets its own."""
_CLEAR = bytes(4)


def on_wire(size: int) -> int:
    """Bytes that a frame of `size` bytes takes on the stream."""
    return PREFIX + size


class Lengths:
    """Prefixes of one direction, in order: `length (4 bytes, big-endian) | tag (4)`. Without a key the tag is zero."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key and hmac.digest(key, b"p2pfl_me lengths", "sha256")
        self._count = 0

    def write(self, size: int) -> bytes:
        """The prefix of the next frame."""
        tag = self._tag(size)
        self._count += 1
        return _LENGTH.pack(size, tag)

    def read(self, prefix: bytes | memoryview) -> int:
        """The length of the next frame.

        Raises
        ------
        WireError
            The other end did not write this.
        """
        size: int
        size, tag = _LENGTH.unpack(prefix)
        if not hmac.compare_digest(tag, self._tag(size)):
            raise WireError("a length that does not authenticate")
        self._count += 1
        return size

    def _tag(self, size: int) -> bytes:
        return hmac.digest(self._key, _COUNTED.pack(self._count, size), "sha256")[:4] if self._key else _CLEAR


class FrameReader:
    """Cuts what arrives into frames of at most `most` bytes; it and `lengths` may be changed between two of them.

    Fill `space`, say `filled`, and take frames until there is none.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.lengths = Lengths()
        self._scratch = memoryview(bytearray(SCRATCH))
        self._begin = self._end = 0
        self._size: int | None = None
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
            A length that is not authentic, zero or beyond `most`: what follows cannot be read any more.
        """
        if self._large is not None:
            if self._got < self._large.nbytes:
                return None
            frame, self._large = self._large, None
            return frame
        if self._size is None:
            if self._end - self._begin < PREFIX:
                self._make_room()
                return None
            size = self.lengths.read(self._scratch[self._begin : self._begin + PREFIX])
            if not 0 < size <= self.most:
                raise WireError(f"a frame of {size} bytes (at least 1, at most {self.most})")
            self._begin += PREFIX
            self._size = size
        size, body = self._size, self._scratch[self._begin : min(self._end, self._begin + self._size)]
        if body.nbytes == size:
            self._begin, self._size = self._begin + size, None
            return memoryview(bytes(body))
        if size <= SCRATCH:
            self._make_room()
            return None
        self._large = np.empty(size, dtype=np.uint8).data
        self._large[: body.nbytes] = body
        self._got, self._begin, self._end, self._size = body.nbytes, 0, 0, None
        return None

    def _make_room(self) -> None:
        held = bytes(self._scratch[self._begin : self._end])
        self._scratch[: len(held)] = held
        self._begin, self._end = 0, len(held)
