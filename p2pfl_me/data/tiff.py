"""What a TIFF says of its pixels. OpenCV shows some kinds as others, or as whatever the memory held, without a word."""

from __future__ import annotations

import struct
from collections.abc import Mapping

HEADS = (b"II*\0", b"MM\0*")
WIDTH, LENGTH, BITS, COMPRESSION, COLOURS = 256, 257, 258, 259, 262
"""The fields' numbers (TIFF 6.0)."""
_LONG = 4
WHITE_IS_0 = 0
KNOWN_COLOURS = {WHITE_IS_0, 1, 2, 3, 5, 6}
"""Grey either way, RGB, palettes, CMYK, YCbCr."""
OTHER_COLOURS = {
    4: "a mask",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "a camera's raw mosaic",
    34892: "raw colours",
}
KNOWN_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
"""None, fax, LZW, JPEG, zlib, PackBits: what OpenCV's libtiff decodes."""


def fields_of(data: bytes) -> Mapping[int, int]:
    """The first value of each field of the first page; of long ones that lie elsewhere only those of 16 and 32 bits.

    Raises
    ------
    struct.error
        The file ends before.
    """
    order = "<" if data[:1] == b"I" else ">"
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, at)
    found = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", data, entry)
        form, size = ("I", 4) if kind == _LONG else ("H", 2)
        where = entry + 8 if values * size <= _LONG else struct.unpack_from(f"{order}I", data, entry + 8)[0]
        (found[tag],) = struct.unpack_from(order + form, data, where) if where + size <= len(data) else (0,)
    return found


def unread(data: bytes) -> str | None:
    """Why the pixels of a TIFF are not read, in words that follow "is a TIFF that"; None of what is read as it is."""
    try:
        fields = fields_of(data)
    except struct.error:
        return "ends before its first page does"
    compression, colours = fields.get(COMPRESSION, 1), fields.get(COLOURS)
    if compression not in KNOWN_COMPRESSIONS:
        return f"is compressed in a way that is not read (number {compression})"
    if colours is not None and colours not in KNOWN_COLOURS:
        return f"holds {OTHER_COLOURS.get(colours, f'colours of kind {colours}')}, which is not read"
    if colours == WHITE_IS_0 and fields.get(BITS, 1) > 8:
        return "has 16 bits a sample of which 0 is white, and would be shown as its own negative"
    return None
