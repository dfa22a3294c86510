"""Whether a picture's file is whole. Decoders make up what is missing and call it success: they must be asked.

JPEG and TIFF only: OpenCV refuses damaged PNGs by their checksums and BMPs that end early. WebP, and the pixels of a
BMP or of a TIFF that is not compressed, have no redundancy, so what is wrong inside them nobody can tell; and now and
then a JPEG's codes fall into step again behind the damage, exactly where they should, and their decoder sees nothing.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from typing import Any

from p2pfl_me.data.tiff import COMPRESSION, HEADS
from p2pfl_me.errors import DataError

JPEG = b"\xff\xd8"
DEFLATE = (8, 32946)
STRIPS, TILES = (273, 279), (324, 325)
"""A TIFF's fields: how it is compressed, where its parts begin and how long they are."""
COARSEST = 8
"""A JPEG is decoded once more at this scale, for its codes alone: about as long as decoding it took."""


def damage_of(data: bytes) -> str | None:
    """What the file's own decoder complains of, in its words; None of a picture that is whole, and of other formats."""
    if data.startswith(JPEG):
        return _jpeg(data)
    return _tiff(data) if data.startswith(HEADS) else None


def _jpeg(data: bytes) -> str | None:
    """libjpeg-turbo's warnings, which OpenCV's build prints and otherwise passes over."""
    try:
        import simplejpeg
    except ImportError as error:
        raise DataError("JPEGs cannot be checked for damage", fix="pip install simplejpeg") from error
    try:
        simplejpeg.decode_jpeg(data, "GRAY", fastdct=True, min_width=1, min_height=1, min_factor=COARSEST, strict=True)
    except ValueError as error:
        # It reads no lossless, arithmetic or 12-bit JPEGs; those that OpenCV reads are left to it.
        return None if "nsupported" in str(error) else str(error)
    return None


def _tiff(data: bytes) -> str | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            _require_checksums(data, getattr(picture, "tag_v2", {}))
    except UnidentifiedImageError:  # a layout that Pillow does not know, such as 16 bits of three colours
        return None
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        return str(error)
    return None


def _require_checksums(data: bytes, fields: Mapping[int, Any]) -> None:
    """See the checksum behind each strip or tile that zlib made: decoders stop as soon as they have their pixels.

    Raises
    ------
    zlib.error
        One is wrong.
    """
    if fields.get(COMPRESSION) in DEFLATE:
        begins, sizes = next(
            (fields[begin], fields[size]) for begin, size in (STRIPS, TILES) if begin in fields and size in fields
        )
        for begin, size in zip(begins, sizes, strict=True):
            zlib.decompress(data[begin : begin + size])
