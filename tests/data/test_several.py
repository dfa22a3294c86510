"""One file, one picture: of animations and pages a decoder shows the first, and says nothing."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from p2pfl_me.data.images import read_image
from p2pfl_me.data.several import pictures_in
from p2pfl_me.errors import DataError
from tests.data.make import picture

FACES = [Image.fromarray(picture(seed, 40)) for seed in range(3)]
REST: Mapping[str, Any] = {"save_all": True, "append_images": FACES[1:]}


def written(kind: str, **how: Any) -> bytes:
    file = io.BytesIO()
    FACES[0].save(file, kind, **how)
    return file.getvalue()


@pytest.mark.parametrize(("kind", "ending"), [("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif"), ("GIF", "png")])
def test_several_pictures_in_a_file_are_told(tmp_path: Path, kind: str, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(written(kind, **REST))
    with pytest.raises(DataError, match="holds 3 pictures"):
        read_image(path)
    path.write_bytes(written(kind))
    assert read_image(path).shape == (40, 40, 3)


def test_a_tiffs_small_copy_of_itself_is_no_second_picture() -> None:
    small = FACES[0].resize((10, 10))
    copy, page = ({"save_all": True, "append_images": [small]} for _ in range(2))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    assert pictures_in(written("TIFF", **copy)) == 1
    small.encoderinfo = {}
    assert pictures_in(written("TIFF", **page)) == 2


@pytest.mark.parametrize("data", [b"", b"GIF8", b"II*\0", b"\x89PNG\r\n\x1a\nacTL", b"RIFF0000WEBPVP8X", b"\xff\xd8"])
def test_what_is_broken_is_left_to_its_decoder(data: bytes) -> None:
    assert pictures_in(data) == 1
