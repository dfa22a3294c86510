"""Whether a file holds one picture: of an animation, or a TIFF's pages, decoders show the first in silence."""

from __future__ import annotations

import io
import struct

from p2pfl_me.data.tiff import HEADS

PNG, GIF, RIFF = b"\x89PNG\r\n\x1a\n", b"GIF8", b"RIFF"
REDUCED = 254
"""TIFF's field NewSubfileType, whose first bit marks a smaller copy of another page."""


def pictures_in(data: bytes) -> int:
    """How many pictures a file holds, as far as its format can hold several; small copies do not count."""
    if data.startswith(PNG):
        at = data.find(b"acTL", len(PNG), max(len(PNG), data.find(b"IDAT")))
        return int(struct.unpack_from(">I", data, at + 4)[0]) if at > 0 and len(data) >= at + 8 else 1
    if data.startswith((GIF, *HEADS)) or (data.startswith(RIFF) and data[12:16] == b"VP8X"):
        return _pages(data)
    return 1


def _pages(data: bytes) -> int:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            count = int(getattr(picture, "n_frames", 1))
            if count == 1 or not data.startswith(HEADS):
                return count
            whole = 0
            for page in range(count):
                picture.seek(page)
                whole += not int(getattr(picture, "tag_v2", {}).get(REDUCED, 0)) & 1
            return max(1, whole)
    except (OSError, SyntaxError, ValueError):  # what is wrong with it, whoever decodes it says
        return 1
