"""How large a picture says it is, by its first bytes: a kilobyte may say so much that its decoder takes gigabytes."""

from __future__ import annotations

import struct

from p2pfl_me.data import tiff

JPEG, PNG, BMP, RIFF, GIF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF", b"GIF8"
LARGEST = 1 << 27
"""Pixels; 400 MB as colours of eight bits, and several times what any camera of faces has."""


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
        elif data.startswith(tiff.HEADS):
            fields = tiff.fields_of(data)
            width, height = fields[tiff.WIDTH], fields[tiff.LENGTH]
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
