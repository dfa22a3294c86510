"""What an MP4 or MOV says of the whole film in its index, `moov` (ISO/IEC 14496-12): how long it plays, whether in HDR,
how many samples (pictures, or moments of sound) it has.

A film that was trimmed on a phone, or copied without being decoded, keeps the pictures before and behind what it plays:
its count of pictures is that of the file, its length that of the film.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from p2pfl_me.errors import DataError
from p2pfl_me.files import open_regular

MOST = 1 << 26
"""Bytes of an index; hours of pictures have fewer."""
HDR = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of ITU-T H.273 whose values are no brightness as screens show it."""
_BOXES = 1000
"""Boxes of a file that are looked at for its index."""
_ALIKE = re.compile(rb"stsz....(?!\0\0\0\0)....(....)|trun..[\0\x10\x20\x30].(....)", re.S)
"""A count of samples that are not listed one by one, since they are all as long, or as the track's default says."""
FEW, EACH = 1 << 22, 16
"""Samples that any file may state, and those for each of its bytes. A reader takes 24 bytes for each that is stated."""


@dataclass(frozen=True, slots=True)
class Index:
    """`seconds` that the film plays, None where it does not say; `hdr` the name of its transfer function, or empty."""

    seconds: float | None = None
    hdr: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """For the person who shows the film."""
        if not self.hdr:
            return ()
        return (f"is HDR ({self.hdr}): how bright its pictures come is up to the decoder; export it as SDR",)


def index_of(path: Path) -> Index:
    """What the index says; nothing of other files, and of what is damaged."""
    try:
        with open_regular(path, None) as file:
            moov = next((file.read(size) for kind, size in _boxes(file) if kind == b"moov" and size <= MOST), b"")
    except (OSError, struct.error):
        return Index()
    colour = re.search(rb"colrncl[xc]..(..)", moov, re.S)
    return Index(_seconds(moov), HDR.get(int.from_bytes(colour[1], "big"), "") if colour else "")


def require_samples(path: Path) -> None:
    """See that a file holds about what its index, or that of a fragment, states: a number there costs no bytes.

    Raises
    ------
    DataError
        It states more samples than it can have.
    """
    stated, size = 0, path.stat().st_size
    try:
        with open_regular(path, None) as file:
            for kind, length in _boxes(file):
                if kind in (b"moov", b"moof") and length <= MOST:
                    counts = (next(filter(None, found.groups())) for found in _ALIKE.finditer(file.read(length)))
                    stated = max([stated, *(int.from_bytes(count, "big") for count in counts)])
    except (OSError, struct.error):
        return
    if stated > max(FEW, EACH * size):
        raise DataError(
            f"states {stated:,} pictures or sounds, and has {size:,} bytes: it broke off, or would fill the memory",
            where=str(path),
            fix="copy it again from where it was recorded",
        )


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and size of the outermost boxes, in their order; the file stands at the beginning of each one's content."""
    at, end = 0, file.seek(0, os.SEEK_END)
    for _ in range(_BOXES):
        if at >= end:
            return
        file.seek(at)
        if len(head := file.read(16)) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        begin = 8
        if size == 1:
            (size,), begin = struct.unpack_from(">Q", head, 8), 16
        if size < begin:
            return
        file.seek(at + begin)
        yield kind, size - begin
        at += size


def _seconds(moov: bytes) -> float | None:
    at = moov.find(b"mvhd") + 4
    if at < 4 or len(moov) < at + 32:
        return None
    scale, length = struct.unpack_from(">IQ" if moov[at] == 1 else ">II", moov, at + (20 if moov[at] == 1 else 12))
    return length / scale if scale and length else None
