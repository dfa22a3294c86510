"""Films whose decoder succeeds and shows nothing, whose rows belong to two moments, and whose rate is a guess.

The small files in `films/` are our own drawn film, cropped and scaled, encoded by FFmpeg: interlaced as H.264 and as
MPEG-2 (its filter `interlace`, flags +ildct+ilme), H.264 without a container at 30 pictures a second, plain H.264, and
64x64 pixels of 64:45, as PAL's are on a wide screen.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from p2pfl_me.data import video
from p2pfl_me.data.combing import of_two_moments
from p2pfl_me.data.fields import Fields
from p2pfl_me.data.pixels import shape_of
from p2pfl_me.data.video import bare_stream, look_at
from p2pfl_me.deploy.film import film_frames
from p2pfl_me.errors import DataError
from p2pfl_me.live.film import open_film
from tests.data.make import picture

FILMS = Path(__file__).parent / "films"
INTERLACED = ("interlaced.mp4", "interlaced.mpg")


def written(path: Path, pictures: list[npt.NDArray[np.uint8]], fps: float = 25.0, codec: str = "MJPG") -> Path:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (width, height))
    for each in pictures:
        writer.write(each)
    writer.release()
    return path


@pytest.mark.parametrize("name", INTERLACED)
def test_without_pyav_an_interlaced_film_is_refused_and_the_line_that_installs_it_is_told(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "can_read_fields", lambda: False)
    monkeypatch.setattr(video, "fields_of", lambda path: None)
    with pytest.raises(DataError, match=r"one and the same picture 20 times") as caught:
        look_at(FILMS / name)
    assert "p2pfl_me[films]" in caught.value.fix and "bwdif" in caught.value.fix


@pytest.mark.parametrize("name", INTERLACED)
def test_with_pyav_its_fields_are_taken_apart(name: str) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: pip install 'p2pfl_me[films]'")
    film = open_film(FILMS / name)
    assert film.fps == 50 and film.video is not None and "taken apart into 50 pictures" in film.video.said[0]
    pictures = list(film.pictures())
    assert [each.time_s for each in pictures] == pytest.approx([index / 50 for index in range(40)])
    assert all(each.image.shape == (128, 128, 3) and 100 < each.image.mean() < 135 for each in pictures)
    assert not any((one.image == other.image).all() for one, other in pairwise(pictures))


@pytest.mark.parametrize(("matrix", "turns"), [((0, 1, -1, 0), 3), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)])
def test_a_film_of_a_camera_held_sideways_is_upright_whoever_reads_it(
    tmp_path: Path, matrix: tuple[int, ...], turns: int
) -> None:
    """`tkhd` of MP4 holds how the pictures are to be turned, as telephones write it."""
    pytest.importorskip("av", reason="PyAV is not installed: pip install 'p2pfl_me[films]'")
    whole = (FILMS / "wide.mp4").read_bytes()
    at = whole.index(b"tkhd") + 44
    a, b, c, d = (each * 65536 for each in matrix)
    (tmp_path / "held.mp4").write_bytes(whole[:at] + struct.pack(">iiiii", a, b, 0, c, d) + whole[at + 20 :])
    both = (FILMS / "wide.mp4", tmp_path / "held.mp4")
    plain, held = (next(iter(video.field_pictures(path, Fields(25, False)))) for path in both)
    np.testing.assert_array_equal(held[1], np.rot90(plain[1], turns))
    capture = cv2.VideoCapture(str(tmp_path / "held.mp4"))
    read, bgr = capture.read()
    capture.release()
    assert read and np.abs(bgr[..., ::-1].astype(int) - held[1]).mean() < 4, "as OpenCV turns it"


def moving(count: int) -> list[npt.NDArray[np.uint8]]:
    """A texture that moves 3 pixels each moment, to the right and back."""
    small = np.random.default_rng(2).integers(0, 256, (16, 32)).astype(np.uint8)
    texture = cv2.resize(small, (256, 128), interpolation=cv2.INTER_CUBIC)
    return [np.roll(texture, 3 * (index if index < count // 2 else count - index), axis=1) for index in range(count)]


def woven_of(moments: Sequence[npt.NDArray[np.uint8]], first: int) -> list[npt.NDArray[np.uint8]]:
    """Two moments to a picture, its even and its odd rows."""
    woven = []
    for one, other in zip(moments[::2], moments[1::2], strict=True):
        each = one.copy()
        each[1 - first :: 2] = other[1 - first :: 2]
        woven.append(each)
    return woven


@pytest.mark.parametrize("first", [0, 1])
def test_rows_of_two_moments_are_told_from_rows_of_one_in_either_order(first: int) -> None:
    moments = moving(20)
    woven = woven_of(moments, first)
    assert of_two_moments(woven) is True
    assert of_two_moments(moments) is False and of_two_moments(moments[::2]) is False
    assert of_two_moments([moments[0]] * 5) is None and of_two_moments(moments[:1]) is None


@pytest.mark.parametrize("first", [0, 1])
def test_soft_fields_as_of_dv_and_noisy_whole_pictures_are_told_apart(first: int) -> None:
    """As sums of differences the two were alike: a codec that softens rows brings fields nearer to each other, and
    noise brings the rows of one moment apart."""
    random, moments, across = np.random.default_rng(3), moving(20), np.array([[0.06], [0.88], [0.06]])
    softened = [cv2.sepFilter2D(each, -1, np.ones((1, 1)), across) for each in woven_of(moments, first)]
    noisy = [np.clip(each + random.normal(0, 40, each.shape), 0, 255).astype(np.uint8) for each in moments[::2]]
    assert of_two_moments(softened) is True and of_two_moments(noisy) is False


def test_a_film_of_one_picture_throughout_is_refused_and_a_long_title_is_not(tmp_path: Path) -> None:
    still, black = picture(1, 64), np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(DataError, match="one and the same picture 30 times"):
        look_at(written(tmp_path / "still.avi", [still] * 30))
    with pytest.raises(DataError, match=r"one and the same picture 5 times, .* it is black throughout"):
        look_at(written(tmp_path / "black.avi", [black] * 5))
    face = cv2.resize(picture(3, 24), (320, 240), interpolation=cv2.INTER_CUBIC)
    for name, codec in (("drifts.avi", "MJPG"), ("drifts.mp4", "mp4v")):  # lossy: no two of its pictures are the same
        for count in (10, 60):
            with pytest.raises(DataError, match=f"one and the same picture {count} times"):
                look_at(written(tmp_path / name, [face] * count, codec=codec))
    covered = [picture(seed, 64) // 60 for seed in range(45)]
    with pytest.raises(DataError, match=r"one and the same picture 45 times, .* it is black throughout"):
        look_at(written(tmp_path / "covered.avi", covered))
    with pytest.raises(DataError, match="holds one picture"):
        look_at(written(tmp_path / "one.avi", [still]))
    titled = look_at(written(tmp_path / "titled.avi", [still] * 40 + [picture(2, 64)]))
    assert titled.fps == 25 and titled.frames == 41 and len(list(titled.pictures())) == 41


def test_a_bare_stream_has_the_rate_that_its_owner_names_and_no_other(tmp_path: Path) -> None:
    jpegs = b"".join(cv2.imencode(".jpg", picture(seed, 64))[1].tobytes() for seed in range(6))
    (tmp_path / "camera.mjpeg").write_bytes(jpegs)
    for path, kind in ((FILMS / "bare.h264", "H.264"), (tmp_path / "camera.mjpeg", "motion JPEG")):
        with pytest.raises(DataError, match=rf"bare stream of {kind}.* states no rate.*\n.*--fps"):
            open_film(path)
        assert look_at(path).fps is None
        times = [each.time_s for each in open_film(path, 30.0).pictures()]
        assert times == pytest.approx([index / 30 for index in range(len(times))]) and len(times) > 5


@pytest.mark.parametrize(
    ("head", "bare"),
    [
        (b"\0\0\0\1\x67\x64\0\x1f", True),
        (b"\0\0\1\xb3\x28\x01\xe0", True),
        (b"\0\0\1\xba\x44\0\4\0", False),
        (b"\0\0\0\x20ftypisom", False),
        (b"\0\0\0\1mdat\0\0\0\0", False),
        (b"RIFF\0\0\0\0AVI ", False),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0", False),
        (b"YUV4MPEG2 W64", False),
        (b"\x12\0\x0a\x0b\0\0\0", True),
    ],
)
def test_what_has_no_container_is_known_by_its_first_bytes(tmp_path: Path, head: bytes, bare: bool) -> None:
    (tmp_path / "film").write_bytes(head + bytes(100))
    assert bool(bare_stream(tmp_path / "film")) is bare


def test_a_film_of_damaged_jpegs_is_refused_at_its_end(tmp_path: Path) -> None:
    faces = [cv2.resize(picture(seed, 40), (160, 160), interpolation=cv2.INTER_CUBIC) for seed in range(20)]
    film = written(tmp_path / "film.avi", faces)
    assert len(list(look_at(film).pictures())) == 20
    data = bytearray(film.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1500] = bytes(1500)
    film.write_bytes(data)
    with pytest.raises(DataError, match=r"has 1 damaged picture of 20, the first is number 1\d"):
        list(look_at(film).pictures())


def test_pixels_become_square_and_it_is_said() -> None:
    film = open_film(FILMS / "wide.mp4")
    pictures = [each.image for each in film.pictures()]
    assert len(pictures) == 16 and {each.shape for each in pictures} == {(64, 91, 3)}
    assert film.said == ("has pixels that are not square (64:45): its pictures are shown at 91x64",)
    capture = cv2.VideoCapture(str(FILMS / "wide.mp4"))
    raw = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
    back = cv2.resize(pictures[0], (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(back.astype(int) - raw).mean() < 3, "stretched, not cropped or padded"
    with film_frames(FILMS / "wide.mp4") as frames:
        assert cv2.imread(str(frames.folder / "000001.png")).shape == (64, 91, 3)


class Stated:
    """What a container states of its pixels."""

    def __init__(self, across: float, down: float, turned: int = 0) -> None:
        self.values = {cv2.CAP_PROP_SAR_NUM: across, cv2.CAP_PROP_SAR_DEN: down}
        self.values |= {cv2.CAP_PROP_ORIENTATION_META: turned, cv2.CAP_PROP_ORIENTATION_AUTO: 1}

    def get(self, name: int) -> float:
        return float(self.values.get(name, 0))


@pytest.mark.parametrize(
    ("stated", "size"),
    [
        (Stated(64, 45), (1024, 576)),
        (Stated(16, 15), (768, 576)),
        (Stated(8, 9), (720, 648)),
        (Stated(4, 3), (960, 576)),
        (Stated(64, 45, turned=90), (720, 819)),
        (Stated(64, 45, turned=180), (1024, 576)),
    ],
)
def test_no_row_and_no_column_is_lost_by_it(stated: Stated, size: tuple[int, int]) -> None:
    shape = shape_of(cast("cv2.VideoCapture", stated), np.zeros((576, 720, 3), np.uint8))
    assert shape is not None and (shape.width, shape.height) == size


@pytest.mark.parametrize(("across", "down"), [(0, 0), (1, 1), (0, 1), (1, 0), (100, 101), (90, 1), (1, 5)])
def test_square_pixels_unknown_ones_and_slips_are_left_as_they_are(across: int, down: int) -> None:
    assert shape_of(cast("cv2.VideoCapture", Stated(across, down)), np.zeros((576, 720, 3), np.uint8)) is None


def test_of_a_file_with_two_films_the_first_is_read_and_it_is_said(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'p2pfl_me[films]'")
    with av.open(str(tmp_path / "two.mkv"), "w") as file:
        streams = [file.add_stream("mjpeg", rate=25, width=64, height=64, pix_fmt="yuvj420p") for _ in range(2)]
        for index, stream in enumerate(streams):
            for seed in range(5):
                frame = av.VideoFrame.from_ndarray(picture(10 * index + seed, 64), format="rgb24")
                file.mux(stream.encode(frame))
            file.mux(stream.encode())
    assert look_at(tmp_path / "two.mkv").said == ("holds 2 films, of which the first is read",)
    assert not any("films" in words for words in look_at(FILMS / "progressive.mp4").said)


@pytest.mark.parametrize("name", ["progressive.mp4", "interlaced.mp4"])
def test_a_film_whose_words_of_itself_are_no_text_is_read_as_any(name: str, tmp_path: Path) -> None:
    """Its brands and names are decoded when it is opened."""
    data = (FILMS / name).read_bytes()
    assert data.count(b"iso2") == 1
    (tmp_path / "film.mp4").write_bytes(data.replace(b"iso2", b"\xd5\xa9`\x91"))
    found, plain = open_film(tmp_path / "film.mp4"), open_film(FILMS / name)
    assert found.fps == plain.fps and found.video is not None and plain.video is not None
    assert found.video.said == plain.video.said
    assert all((one.image == other.image).all() for one, other in zip(found.pictures(), plain.pictures(), strict=True))


def _with_samples(data: bytes, how: str) -> bytes:
    count = (1 << 26).to_bytes(4, "big")
    if how == "index":
        at = data.index(b"stsz") + 8
        return data[:at] + (1).to_bytes(4, "big") + count + data[at + 8 :]
    run = b"trun" + bytes(4) + count
    for kind in (b"", b"traf", b"moof"):
        run = (len(kind + run) + 4).to_bytes(4, "big") + kind + run
    return data + run


@pytest.mark.parametrize("how", ["index", "fragment"])
def test_a_film_that_states_more_samples_than_it_can_have_is_not_opened(how: str, tmp_path: Path) -> None:
    """One of 1.6 kB took a gigabyte: FFmpeg makes an entry of its own for each sample that is stated."""
    path = tmp_path / "film.mp4"
    path.write_bytes(_with_samples((FILMS / "progressive.mp4").read_bytes(), how))
    with pytest.raises(DataError, match="states 67,108,864 pictures"):
        look_at(path)


def test_a_film_of_pictures_that_fill_the_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 1.5 MB has a picture of 15000x15000 pixels, and took 2.6 GB."""
    path = written(tmp_path / "film.avi", [np.full((24, 32, 3), each, np.uint8) for each in (0, 90, 180)])
    monkeypatch.setattr(video, "LARGEST", 24 * 32 - 1)
    monkeypatch.setattr(video, "next_picture", None)
    with pytest.raises(DataError, match="has pictures of 32x24 pixels"):
        look_at(path)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nprogressive.mp4\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile progressive.mp4\n",
        "\ufeff[playlist]\nFile1=http://127.0.0.1:9/film.mp4\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        '<?xml version="1.0"?>\n<MPD><BaseURL>http://127.0.0.1:9/</BaseURL></MPD>',
    ],
    ids=["hls", "concat", "pls", "sdp", "dash"],
)
def test_a_list_of_other_files_is_not_followed(text: str, tmp_path: Path) -> None:
    """FFmpeg would open what it names, on this machine or over a network, whatever the list is called."""
    (tmp_path / "progressive.mp4").write_bytes((FILMS / "progressive.mp4").read_bytes())
    for name in ("film.mp4", "film.m3u8"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match="a list of other files"):
            open_film(tmp_path / name)


def test_a_name_is_no_pattern_of_other_files(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"img{number:03d}.png"), picture(number, 64))
    film = tmp_path / "img%03d.png"
    film.write_bytes((FILMS / "progressive.mp4").read_bytes())
    with pytest.raises(DataError, match="a pattern of many files"):
        open_film(film)
