"""Whatever lies on the disk becomes one uint8 RGB image of the asked size."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as PillowImage

from p2pfl_me.contract.preprocess import Input, Preprocess
from p2pfl_me.data.blank import blank_words, is_blank
from p2pfl_me.data.extent import extent_of
from p2pfl_me.data.images import read_image
from p2pfl_me.data.manifest import Clip
from p2pfl_me.data.preprocess.inputs import clip_images
from p2pfl_me.data.preprocess.recipe import Recipe
from p2pfl_me.errors import DataError
from tests.data.make import picture, save


@pytest.mark.parametrize("side", [28, 64, 200])
@pytest.mark.parametrize("kind", ["colour", "grey", "alpha", "deep"])
def test_any_picture_becomes_rgb_of_the_asked_size(tmp_path: Path, side: int, kind: str) -> None:
    image = np.full((side, side + 6, 3), (10, 100, 200), dtype=np.uint8)  # OpenCV writes blue, green, red
    image[: side // 8] = 255
    made = {
        "colour": image,
        "grey": image[..., 1],
        "alpha": np.dstack([image, image[..., :1]]),
        "deep": image.astype(np.uint16) * 257,
    }[kind]
    path = save(tmp_path / "a.png", made)
    for way in Input:  # a single picture is a flow image already
        (out,) = clip_images(Clip(path, "lab", "lab/01", "c", "positive"), Recipe(way, 64, Preprocess())).images
        assert out.shape == (64, 64, 3) and out.dtype == np.uint8
        assert tuple(out[32, 32]) == ((100, 100, 100) if kind == "grey" else (200, 100, 10))


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"text"])
def test_what_is_no_image_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.png: is not an image"):
        read_image(tmp_path / "a.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_image(tmp_path / "b.png")
    (tmp_path / "a.avi").write_bytes(data)
    with pytest.raises(DataError, match=r"is a film, and a clip is a folder of its pictures \(`ffmpeg -i a\.avi a/"):
        read_image(tmp_path / "a.avi")


def textured(side: int = 160) -> npt.NDArray[np.uint8]:
    """What a camera might give: coarse noise, which takes a JPEG some 20,000 bytes."""
    coarse = np.random.default_rng(3).integers(0, 256, size=(side // 2, side // 2, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def encoded(ending: str, *options: int) -> bytes:
    return bytes(cv2.imencode(ending, textured(), options)[1].tobytes())


def overwritten(data: bytes, with_: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + with_ + data[middle + len(with_) :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "zeros": lambda data: overwritten(data, bytes(1500)),
    "noise": lambda data: overwritten(data, np.random.default_rng(1).bytes(1500)),
    "half with an end mark": lambda data: data[: len(data) // 2] + b"\xff\xd9",
    "a block that is missing": lambda data: data[: len(data) // 2] + data[len(data) // 2 + 700 :],
    "cut off": lambda data: data[:-700],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["baseline", "progressive", "restarts", "grey", "tiff", "png"])
def test_a_decoder_that_makes_things_up_is_not_believed(tmp_path: Path, kind: str, damage: str) -> None:
    sound = {
        "baseline": lambda: encoded(".jpg"),
        "progressive": lambda: encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        "restarts": lambda: encoded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 8),
        "grey": lambda: bytes(cv2.imencode(".jpg", textured(240)[..., 0])[1].tobytes()),
        "tiff": lambda: encoded(".tif"),
        "png": lambda: encoded(".png"),
    }[kind]()
    path = tmp_path / "a.jpg"
    path.write_bytes(sound)
    assert read_image(path).shape[0] in (160, 240)
    path.write_bytes(DAMAGES[damage](sound))
    with pytest.raises(DataError, match=r"a\.jpg: is (damaged|not an image|a TIFF that)"):
        read_image(path)


def test_bytes_after_the_picture_are_no_damage(tmp_path: Path) -> None:
    """Phones append a film or a depth map behind the end mark."""
    for name, after in (("a", b""), ("b", b"MotionPhoto_Data" * 40)):
        (tmp_path / f"{name}.jpg").write_bytes(encoded(".jpg") + after)
    assert (read_image(tmp_path / "a.jpg") == read_image(tmp_path / "b.jpg")).all()


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_a_camera_of_few_bits_in_a_file_of_sixteen_is_told_and_not_read_as_black(
    tmp_path: Path, bits: int, ending: str
) -> None:
    deep = (textured()[..., 0].astype(np.uint16) << (bits - 8)) | 3
    with pytest.raises(DataError, match=rf"of which {bits} are used .* next to black\n.* divided by {1 << bits - 8} "):
        read_image(save(tmp_path / f"a{ending}", deep))
    right = read_image(save(tmp_path / f"b{ending}", deep << (16 - bits)))
    assert (right[..., 0] == textured()[..., 0]).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
def test_samples_that_are_no_brightness_of_eight_or_sixteen_bits_are_told(tmp_path: Path, kind: type) -> None:
    with pytest.raises(DataError, match=r"a\.tif: (is a TIFF that|has samples of type)"):
        read_image(save(tmp_path / "a.tif", textured()[..., 0].astype(kind)))


@pytest.mark.parametrize("colour", [0, 16, 128, 255])
def test_pictures_of_one_colour_are_blank_and_dim_or_pale_faces_are_not(colour: int) -> None:
    noise = np.random.default_rng(1).integers(0, 6, (90, 120, 3)).astype(np.uint8)
    flat = np.full((90, 120, 3), colour, np.uint8)
    covered = np.clip(flat.astype(int) + noise, 0, 255).astype(np.uint8)
    assert is_blank(flat) and is_blank(covered) and is_blank(covered[..., 0])
    assert blank_words(covered).endswith("it is black throughout" if colour < 20 else "it is one colour throughout")
    seen = covered.copy()
    seen[44:46, 60:62] ^= 31  # a small thing in an even frame
    assert not is_blank(seen)


def test_a_clip_whose_onset_shows_nothing_is_not_trained_on(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        save(tmp_path / f"{number}.png", picture(number) if number > 1 else np.zeros((28, 28, 3), np.uint8))
    with pytest.raises(DataError, match=r"1\.png: shows nothing: it is black throughout"):
        clip_images(Clip(tmp_path, "lab", "lab/01", "c", "positive", 1, 3, 3), Recipe(Input.FLOW, 64, Preprocess()))


def test_a_tiff_of_zlib_is_asked_for_its_checksums_which_decoders_do_not_read(tmp_path: Path) -> None:
    smooth = cv2.resize(textured(), (320, 320), interpolation=cv2.INTER_CUBIC)
    PillowImage.fromarray(smooth).save(tmp_path / "a.tif", compression="tiff_deflate", tiffinfo={278: 64})
    assert read_image(tmp_path / "a.tif").shape == (320, 320, 3)
    data = (tmp_path / "a.tif").read_bytes()
    shown = 0
    for at in range(len(data) // 4, 3 * len(data) // 4, len(data) // 20):
        (tmp_path / "b.tif").write_bytes(data[:at] + bytes(60) + data[at + 60 :])
        shown += cv2.imread(str(tmp_path / "b.tif")) is not None
        with pytest.raises(DataError):
            read_image(tmp_path / "b.tif")
    assert shown, "OpenCV shows some of them"


@pytest.mark.parametrize("kind", [".png", ".jpg", ".bmp", ".tif", ".webp"])
def test_a_small_file_that_says_it_is_huge_takes_no_memory(tmp_path: Path, kind: str) -> None:
    """A kilobyte that says 40,000 times 40,000 pixels would be decoded into gigabytes of grey."""
    data = bytearray(cv2.imencode(kind, np.full((24, 32, 3), 90, np.uint8))[1].tobytes())
    assert extent_of(bytes(data)) == (32, 24) and read_image_of(tmp_path / f"a{kind}", data).shape == (24, 32, 3)
    match kind:
        case ".png":
            struct.pack_into(">II", data, 16, 40_000, 40_000)
        case ".bmp":
            struct.pack_into("<ii", data, 18, 40_000, -40_000)
        case ".jpg":
            at = data.index(b"\xff\xc0")
            struct.pack_into(">HH", data, at + 5, 40_000, 40_000)
        case ".tif":
            for tag in (256, 257):
                at = data.index(struct.pack("<H", tag), struct.unpack_from("<I", data, 4)[0])
                struct.pack_into("<HII", data, at + 2, 4, 1, 40_000)
        case _:
            assert data[12:16] == b"VP8L"
            struct.pack_into("<I", data, 21, 0x3FFF | 0x3FFF << 14)
    assert len(data) < 10_000
    with pytest.raises(DataError, match=r"says that it is \d+x\d+ pixels, more than 134,217,728 in all"):
        read_image_of(tmp_path / f"a{kind}", data)


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + struct.pack("<HH", 30_000, 30_000) + b"\x80\0\0" + bytes(106),
        b"P6\n30000 30000\n255\n" + bytes(900),
        b"RIFF\x20\0\0\0WEBPVP9 " + bytes(40),
    ],
    ids=["gif", "ppm", "webp of a kind of its own"],
)
def test_nothing_is_decoded_whose_size_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr("p2pfl_me.data.images._decoded", lambda *_: pytest.fail("a decoder saw it"))
    with pytest.raises(DataError, match=r"says that it is 30000x30000 pixels|is not an image"):
        read_image_of(tmp_path / "a.png", data)


def read_image_of(path: Path, data: bytes | bytearray) -> npt.NDArray[np.uint8]:
    path.write_bytes(data)
    return read_image(path)


def tiff(path: Path, pixels: bytes, side: int, bits: int, colours: int, samples: int, compression: int = 1) -> Path:
    """A little-endian TIFF of one strip, as it says."""
    fields = [(256, 4, side), (257, 4, side), (259, 3, compression), (262, 3, colours), (277, 3, samples)]
    fields += [(278, 4, side), (279, 4, len(pixels))]
    begin = 8 + 2 + 12 * (len(fields) + 2) + 4
    many = struct.pack(f"<{samples}H", *[bits] * samples)
    fields.append((258, 3, bits) if samples == 1 else (258, 3, begin))
    fields.append((273, 4, begin + len(many)))
    made = [struct.pack("<HHII", tag, kind, samples if tag == 258 else 1, value) for tag, kind, value in sorted(fields)]
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(made)) + b"".join(made) + bytes(4) + many + pixels)
    return path


@pytest.mark.parametrize(
    ("bits", "colours", "samples", "compression", "said"),
    [
        (8, 8, 3, 1, "CIELab"),
        (8, 10, 3, 1, "ITULab"),
        (16, 0, 1, 1, "its own negative"),
        (8, 2, 3, 34712, "number 34712"),
        (8, 1, 1, 34925, "number 34925"),
        (8, 32803, 1, 1, "raw mosaic"),
    ],
)
def test_a_tiff_that_would_be_shown_as_another_is_told(
    tmp_path: Path, bits: int, colours: int, samples: int, compression: int, said: str
) -> None:
    """OpenCV decodes the first four with success: other colours, a negative, or what the memory held."""
    pixels = np.random.default_rng(1).integers(0, 256, 32 * 32 * samples * bits // 8, dtype=np.uint8).tobytes()
    with pytest.raises(DataError, match=f"is a TIFF that .*{said}"):
        read_image(tiff(tmp_path / "a.tif", pixels, 32, bits, colours, samples, compression))


def test_a_tiff_of_the_same_layout_that_is_read_is_read_as_it_is(tmp_path: Path) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (32, 32), dtype=np.uint8)
    for colours, expected in ((1, grey), (0, 255 - grey)):
        read = read_image(tiff(tmp_path / "a.tif", grey.tobytes(), 32, 8, colours, 1))
        np.testing.assert_array_equal(read[..., 0], expected)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(9), "begins as a PNG does, and is cut off"),
        (b"\0\0\0\x18ftypavif" + bytes(99), "begins as none of them"),
        (b"P5\n64 64\n255\n" + bytes(4096), "begins as none of them"),
    ],
)
def test_what_is_not_read_says_why(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError, match=f"is not an image that can be read: .*{said}"):
        read_image(tmp_path / "a.png")
