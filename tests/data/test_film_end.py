"""A film that breaks off is told from one that ends, and from one that does not know how long it is."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from p2pfl_me.data.film_end import require_end, require_sound
from p2pfl_me.data.moov import Index, index_of
from p2pfl_me.data.video import look_at
from p2pfl_me.errors import DataError
from tests.data.make import picture


@pytest.mark.parametrize(("stated", "read"), [(452, 452), (452, 450), (5, 3), (1000, 980), (10, 12)])
def test_a_count_that_is_nearly_met_is_the_end(stated: int, read: int) -> None:
    require_end(Path("film.avi"), stated, read)


@pytest.mark.parametrize("stated", [0, -1, -2.8e17, float("nan")])
def test_a_container_that_does_not_know_its_count_is_believed(stated: float) -> None:
    require_end(Path("film.webm"), stated, 7)


@pytest.mark.parametrize(("stated", "read"), [(452, 21), (6, 3), (1000, 979)])
def test_a_film_that_breaks_off_is_refused_with_both_counts(stated: int, read: int) -> None:
    with pytest.raises(DataError) as caught:
        require_end(Path("film.avi"), stated, read)
    assert caught.value.where == "film.avi" and caught.value.fix
    assert f"{read} of the {stated} pictures" in caught.value.what


@pytest.mark.parametrize("damaged", [[], [0], [0, 1, 2], list(range(9))])
def test_a_film_may_begin_in_the_middle_of_another(damaged: list[int]) -> None:
    require_sound(Path("film.mp4"), damaged, 9)


@pytest.mark.parametrize(
    ("damaged", "said"), [([3], "1 damaged picture of 9, the first is number 4"), ([0, 1, 5, 6], "2 damaged pictures")]
)
def test_pictures_that_were_made_up_are_counted(damaged: list[int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        require_sound(Path("film.mp4"), damaged, 9)


@pytest.mark.parametrize("rest_s", [0, 3])
def test_a_film_whose_camera_rests_has_not_broken_off_where_no_count_is_held(tmp_path: Path, rest_s: int) -> None:
    """As a browser records a page: no picture comes while nothing changes."""
    av = pytest.importorskip("av")
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=30)
        stream.width = stream.height = 64
        for count in range(40):
            frame = av.VideoFrame.from_ndarray(picture(count, 64), format="rgb24")
            frame.pts = count + (30 * rest_s if count > 20 else 0)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    stamps = [stamp for stamp, _ in look_at(path).pictures()]
    assert len(stamps) == 40 and stamps[-1] == pytest.approx(39 / 30 + rest_s, abs=0.05)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"of the \d+ pictures that it states"):
        list(look_at(cut).pictures())


def write(path: Path, begin: int, options: dict[str, str] | None = None) -> None:
    """Forty pictures, thirty a second, of which the first is number `begin`."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w", options=options or {}) as file:
        stream = file.add_stream("mpeg4", rate=30)
        stream.width = stream.height = 64
        for count in range(40):
            frame = av.VideoFrame.from_ndarray(picture(count, 64), format="rgb24")
            frame.pts = count + begin
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def test_a_film_that_begins_after_its_sound_has_not_broken_off(tmp_path: Path) -> None:
    write(tmp_path / "a.mkv", 90)
    assert len(list(look_at(tmp_path / "a.mkv").pictures())) == 40


def test_a_film_that_was_trimmed_without_being_decoded_ends_where_it_says(tmp_path: Path) -> None:
    """Its pictures before the cut lie in the file and are not played."""
    path = tmp_path / "a.mp4"
    write(path, -15, {"avoid_negative_ts": "disabled"})
    assert index_of(path).seconds == pytest.approx(25 / 30, abs=0.05)
    played = list(look_at(path).pictures())
    assert len(played) < 40
    whole, cut = path.read_bytes(), tmp_path / "cut.mp4"
    at = whole.index(b"mdat") + 200
    cut.write_bytes(whole[:at] + bytes(len(whole[at : whole.index(b"moov") - 4])) + whole[whole.index(b"moov") - 4 :])
    with pytest.raises(DataError):
        list(look_at(cut).pictures())


def boxes(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


@pytest.mark.parametrize(
    ("transfer", "hdr"),
    [(b"nclx\0\x09\0\x10\0\x09\0", "PQ"), (b"nclc\0\x09\0\x12\0\x09", "HLG"), (b"nclx\0\1\0\1\0\1\0", "")],
)
def test_hdr_is_said(tmp_path: Path, transfer: bytes, hdr: str) -> None:
    header = bytes(12) + struct.pack(">II", 600, 1500) + bytes(80)
    moov = boxes(b"moov", boxes(b"mvhd", header) + boxes(b"trak", boxes(b"colr", transfer)))
    for before in (b"", boxes(b"mdat", bytes(50)), struct.pack(">I4sQ", 1, b"mdat", 40) + bytes(24)):
        (tmp_path / "a.mp4").write_bytes(boxes(b"ftyp", b"isom") + before + moov)
        found = index_of(tmp_path / "a.mp4")
        assert (found.seconds, found.hdr) == (2.5, hdr) and bool(found.words) == bool(hdr)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"moov",
        bytes(40),
        struct.pack(">I4sQ", 1, b"moov", 2**63),
        struct.pack(">I4sQ", 1, b"free", 2**64 - 1),
        boxes(b"moov", b"mvhd"),
        b"\0\0\0\4moov" * 9,
    ],
)
def test_a_damaged_index_says_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    assert index_of(tmp_path / "a.mp4") == Index() == index_of(tmp_path / "nowhere.mp4")
