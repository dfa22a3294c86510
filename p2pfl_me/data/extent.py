"""How large a picture says it is, by its first bytes: a kilobyte may say so much that its decoder takes gigabytes."""

from __future__ import annotations

import struct

JPEG, PNG, BMP, RIFF, GIF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF", b"GIF8"
LARGEST = 1 << 27
"""Pixels; 400 MB as colours of eight bits, and several times what any camera of faces has."""
_WIDTH, _LENGTH, _LONG = 256, 257, 4
"""TIFF's fields of the two, and the type of 32 bits."""


def extent_of(data: bytes) -> tuple[int, int] | None:
    """Width and height, None where it does not say them as PNG, JPEG, BMP, WebP, TIFF and GIF do."""
    try:
        if data.startswith(PNG):
            width, height = struct.unpack_from(">II", data, 16)
        elif data.startswith(BMP):
            width, height = struct.unpack_from("<ii", data, 18)
        elif data.startswith(GIF):
            width, height = struct.unpack_from("<HH", data, 6)
        elif data.startswith(RIFF):
            width, height = _webp(data)
        elif data.startswith((b"II*\0", b"MM\0*")):
            width, height = _tiff(data, "<" if data[:1] == b"I" else ">")
        elif data.startswith(JPEG):
            from simplejpeg import decode_jpeg_header

            height, width, *_ = decode_jpeg_header(data)
        else:
            return None
    except (struct.error, ValueError, KeyError, ImportError):
        return None
    return abs(width), abs(height)


def _webp(data: bytes) -> tuple[int, int]:
    match data[12:16]:
        case b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case other:
            raise ValueError(f"no picture begins with {other!r}")


def _tiff(data: bytes, order: str) -> tuple[int, int]:
    """Of its first page."""
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, at)
    found = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        (found[tag],) = struct.unpack_from(order + ("I" if kind == _LONG else "H"), data, entry + 8)
    return found[_WIDTH], found[_LENGTH]
