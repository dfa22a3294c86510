"""The mark of drawn faces in films: the container's own comment, which most programs keep when they convert a film."""

from __future__ import annotations

import struct
from pathlib import Path

from p2pfl_me.data.drawn import SIGN

COMMENT = b"\xa9cmt"
"""QuickTime's name of a film's comment; English is language 0."""


def sign_film(path: Path) -> None:
    """Write the sign into an AVI, or an MP4 whose index stands last, as OpenCV writes both.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    with path.open("r+b") as file:
        kind = file.read(12)
        size = file.seek(0, 2)
        if kind[:4] == b"RIFF":
            file.write(_chunk(b"LIST", b"INFO" + _chunk(b"ICMT", SIGN + b"\0")))
            if struct.unpack_from("<I", kind, 4)[0] == size - 8:  # beyond a gigabyte there is more than one
                file.seek(4)
                file.write(struct.pack("<I", file.seek(0, 2) - 8))
            return
        assert kind[4:8] == b"ftyp", "no other films are drawn"
        text = _box(COMMENT, struct.pack(">HH", len(SIGN), 0) + SIGN)
        file.write(udta := _box(b"udta", text))
        file.seek(at := _last_box(path, size))
        (length,) = struct.unpack(">I", file.read(4))
        assert file.read(4) == b"moov", "the index stands last"
        file.seek(at)
        file.write(struct.pack(">I", length + len(udta)))


def _chunk(name: bytes, body: bytes) -> bytes:
    """Of a RIFF file; its length is even."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _box(name: bytes, body: bytes) -> bytes:
    """Of an MP4 file."""
    return struct.pack(">I", 8 + len(body)) + name + body


def _last_box(path: Path, size: int) -> int:
    """Where the last box of an MP4 file begins."""
    with path.open("rb") as file:
        at = 0
        while True:
            file.seek(at)
            (length,) = struct.unpack(">I", file.read(4))
            if length == 1:  # of more than four gigabytes
                file.seek(at + 8)
                (length,) = struct.unpack(">Q", file.read(8))
            if length < 8 or at + length >= size:
                return at
            at += length
