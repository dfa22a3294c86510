"""Damage that a decoder conceals is found by what lies in the file, and by what the decoder admits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from p2pfl_me.data import concealed
from p2pfl_me.data.concealed import HOLE, made_up
from p2pfl_me.data.video import look_at
from p2pfl_me.deploy.film import film_frames
from p2pfl_me.errors import DataError
from p2pfl_me.live.film import open_film
from tests.data.test_video import FILMS

SOUND = FILMS / "progressive.mp4"
KEY = range(2000, 2700)
"""Bytes of its thirteenth picture, which the eleven after it build on."""


def hole(data: bytearray) -> None:
    """A block that a copy left out."""
    data[KEY[300] : KEY[364]] = bytes(64)


def flipped(data: bytearray) -> None:
    for place in KEY[::97]:
        data[place] ^= 0x55


def damaged(tmp_path: Path, damage: Callable[[bytearray], None]) -> Path:
    data = bytearray(SOUND.read_bytes())
    damage(data)
    (tmp_path / "film.mp4").write_bytes(data)
    return tmp_path / "film.mp4"


def counted(path: Path) -> int:
    """Pictures that OpenCV hands out as a success."""
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    return count


def test_a_hole_is_found_without_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concealed, "find_spec", lambda name: None)
    film = damaged(tmp_path, hole)
    assert counted(film) == counted(SOUND) == 30, "the decoder calls it success"
    with pytest.raises(DataError, match=r"damaged picture.* of 30, the first is number 13; .* made up"):
        list(look_at(film).pictures())
    assert not any(made_up(SOUND))


@pytest.mark.parametrize("damage", [hole, flipped])
def test_what_decoders_admit_is_found_with_pyav(tmp_path: Path, damage: Callable[[bytearray], None]) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: pip install 'p2pfl_me[films]'")
    film = damaged(tmp_path, damage)
    with pytest.raises(DataError, match=r"damaged picture|can be read"):
        list(open_film(film).pictures())
    with pytest.raises(DataError, match=r"damaged picture|can be read"), film_frames(film):
        pass


@pytest.mark.parametrize("name", ["progressive.mp4", "bare.h264"])
def test_sound_films_are_not_complained_of(name: str) -> None:
    assert not any(made_up(FILMS / name))
    assert len(list(look_at(FILMS / name).pictures())) == counted(FILMS / name)


@pytest.mark.parametrize(
    ("packet", "found"),
    [
        (b"\0\0\0\1abc\0\0\1def", False),
        (b"\0\0\1abc\0\0\3\1def\0\0\0\0\0\1ghi\0\0\0", False),
        (b"\0\0\1abc\0\0\0\0\0\0def", True),
        (b"\0\0\1abc\0\0\2def", True),
    ],
    ids=["units", "padding", "hole", "reserved"],
)
def test_zeros_stand_between_units_and_not_in_them(packet: bytes, found: bool) -> None:
    assert (HOLE.search(packet) is not None) == found


def test_a_film_is_shown_upright_as_its_matrix_says(tmp_path: Path) -> None:
    """Phones film sideways and say so in the container."""
    data = SOUND.read_bytes()
    upright = b"".join(
        int(value).to_bytes(4, "big", signed=True) for value in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    )
    turned = b"".join(
        int(value).to_bytes(4, "big", signed=True) for value in (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    )
    at = data.index(b"tkhd") + 44
    assert data[at : at + 36] == upright
    (tmp_path / "turned.mp4").write_bytes(data[:at] + turned + data[at + 36 :])
    one, other = (next(look_at(path).pictures())[1] for path in (SOUND, tmp_path / "turned.mp4"))
    np.testing.assert_array_equal(np.rot90(one, 3), other)
