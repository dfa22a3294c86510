"""Which picture is which frame: names that tell it in one way, and names that are asked about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from p2pfl_me.data.check import check_manifest
from p2pfl_me.data.folder import read_folder
from p2pfl_me.data.frames import frame_files, frame_numbers, has_frames
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.reading import scan_clips
from p2pfl_me.data.twins.write import Twin
from p2pfl_me.errors import DataError
from p2pfl_me.live.film import open_film
from tests.data.datasets.test_datasets import copied
from tests.data.make import CLASSES, good, picture, row, rows, save


def named(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (("reg_img9.png", "reg_img10.png", "reg_img100.png"), [9, 10, 100]),
        (("006_05562.jpg", "006_05563.jpg"), [5562, 5563]),
        (("img1.jpg", "IMG2.JPG", "img3.png"), [1, 2, 3]),
        (("frame_det_00_000004.bmp", "frame_det_00_000005.bmp"), [4, 5]),
        (("img (1).jpg", "img (2).jpg", "img (10).jpg"), [1, 2, 10]),
        (("sub01 (1).jpg", "sub01 (2).jpg"), [1, 2]),
        (tuple(f"img{number} (1).jpg" for number in range(38, 43)), [38, 39, 40, 41, 42]),
        (tuple(f"{number}_cam2.png" for number in range(7, 12)), [7, 8, 9, 10, 11]),
        (("s1_0001.png", "s1_0002.png", "s2_0003.png"), [1, 2, 3]),
        (("1699999999123.png", "1699999999156.png"), [1699999999123, 1699999999156]),
        (("img1.png", "notes12.txt", "cover.png", "._img1.png", ".img2.png", "Thumbs.db"), [1]),
        (("img1.jpg", "img2.jpe", "img3.JFIF", "img4.jif", "img5.dib"), [1, 2, 3, 4, 5]),
        (("img1.png", "cover.heic", "preview.gif", "._img2.heic", "img3.txt"), [1]),
        (("img1.png", "img1.npy", "img2.png", "img2.npy", "img3.png.bak", "img3.png", "boxes7.npy"), [1, 2, 3]),
        (("img1.png", "img3.png", "img2.txt", "img4.csv", "EP02_01f.avi", "calib1.raw", "calib9.raw", "2.wav"), [1, 3]),
        (("006_1_2_0001.png", "006_1_2_0002.png", "006_1_2_0001.mat", "006_1_3_0002.mat"), [1, 2]),
        (("sub1.9.png", "sub1.10.png", "sub1.11.png"), [9, 10, 11]),
        (("t0.033.png", "t0.066.png", "t0.100.png"), [33, 66, 100]),
        ((), []),
    ],
)
def test_names_that_tell_one_order(tmp_path: Path, names: tuple[str, ...], numbers: list[int]) -> None:
    named(tmp_path, *names)
    assert list(frame_files(tmp_path)) == frame_numbers(tmp_path) == numbers and has_frames(tmp_path) is bool(numbers)


AMBIGUOUS = {
    "seconds": (("0.033.png", "0.066.png", "0.1.png"), r"may end in seconds, as 0\.1\.png and 0\.033\.png"),
    "seconds of a comma": (("t3,04.jpg", "t3,08.jpg", "t3,2.jpg"), r"as t3,2\.jpg and t3,04\.jpg: which is earlier"),
    "quarters": (("0.25.png", "0.5.png", "0.75.png"), r"may end in seconds, as 0\.5\.png and 0\.25\.png"),
    "two kinds of one frame": (("a_flow_46.jpg", "reg_img46.jpg", "reg_img47.jpg"), "two pictures of frame 46"),
    "two endings": (("46.png", "46.jpg", "47.jpg"), r"two pictures of frame 46, 46\.jpg and 46\.png"),
    "two paddings": (("001.jpg", "1.jpg"), r"two pictures of frame 1, 001\.jpg and 1\.jpg"),
    "a copy": (("img40.jpg", "img41.jpg", "img41 (1).jpg"), r"img41 \(1\)\.jpg, which looks like a copy"),
    "a copy alone": (("img40.jpg", "img41 - Copy.jpg"), r"img41 - Copy\.jpg, which looks like a copy"),
    "a German copy": (("img40.jpg", "img41 - Kopie (2).jpg"), "looks like a copy"),
    "two faces of one frame": (("frame_det_00_000004.bmp", "frame_det_01_000004.bmp"), "two faces of one frame"),
    "two faces": (tuple(f"frame_det_0{face}_{number:06}.bmp" for face in (0, 1) for number in (4, 5)), "two faces, or"),
    "two faces apart": (("f_00_04.bmp", "f_00_09.bmp", "f_01_05.bmp"), "several numbers that change"),
    "times of day": (("12-30-59-900.png", "12-31-00-033.png", "12-31-00-066.png"), "several numbers that change"),
    "midnight": (("235959_900.png", "235959_933.png", "000000_100.png"), "times of day.*which is the frame's"),
    "midnight by parts": (("23-59-59-900.png", "00-00-00-100.png", "00-00-00-133.png"), "times of day"),
    "a full hour": (("c_5959_900.png", "c_0000_100.png"), "times of day"),
    "a full minute": (("12-30-59-900.png", "12-30-59-966.png", "12-30-00-100.png"), "times of day"),
    "seconds with a point": (("t0.966.png", "t1.000.png"), "several numbers that change"),
    "a telephone's picture among others": (("img1.jpg", "img2.HEIC", "img3.jpg"), r"img2\.HEIC, of a kind .* not read"),
    "raw ones beside": (("1.jpg", "2.jpg", "1.CR2", "2.CR2"), r"1\.CR2 and 1 more, of a kind .* not read"),
    "a moving picture": (("1.png", "2.png", "0003.gif"), r"0003\.gif, of a kind .* not read"),
    "none that is read": (("1.avif", "2.avif"), r"1\.avif and 1 more, of a kind .* not read"),
    "other figures": (("img٢.jp2",), "not read"),
    "a camera's raw ones in the gap": (("1.jpg", "2.raw", "3.jpg"), r"2\.raw, numbered as .* not read\?"),
    "arrays at the end": (("i1.png", "i2.png", "i3.npy", "i4.npy"), r"i3\.npy and 1 more, numbered as .* not read\?"),
    "an icon, a drawing": (("img01.png", "img2.ico", "img3.svg"), r"img2\.ico and 1 more, .* not read\?"),
    "without an ending": (("img1.jpg", "img2", "img3.jpg"), r"holds img2, numbered .* not read\?"),
    "half sent": (("img1.jpg", "img2.jpg.part", "img3.jpg"), r"img2\.jpg\.part, numbered .* not read\?"),
    "called otherwise, in the gap": (("1.jpg", "2.jpg", "scan0003.bin", "4.jpg"), r"scan0003\.bin, .* not read\?"),
    "several numbers, other figures": (("s6_1_1.png", "s6_1_2.png", "s6_1_٣.fits"), r"s6_1_٣\.fits, .* not read\?"),
    "a stray picture": (("img1.jpg", "img2.jpg", "cover256.jpg"), r"2 kinds, cover256\.jpg \(1\) and img1\.jpg \(2\)"),
}


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_names_that_could_be_read_in_two_ways_are_asked_about(tmp_path: Path, kind: str) -> None:
    names, says = AMBIGUOUS[kind]
    named(tmp_path, *names)
    for read in (frame_files, frame_numbers):
        with pytest.raises(DataError, match=says) as caught:
            read(tmp_path)
        fix = "PNG or JPEG" if "not read" in says else "order of time"
        assert caught.value.where == str(tmp_path) and fix in caught.value.fix
    assert has_frames(tmp_path), "a folder that no row names is told of"


def test_a_folder_in_a_gap_is_no_frame(tmp_path: Path) -> None:
    named(tmp_path, "img1.jpg", "img3.jpg")
    for name in ("img2", "2"):
        (tmp_path / name).mkdir()
    assert frame_numbers(tmp_path) == [1, 3]


def test_every_door_asks(tmp_path: Path) -> None:
    """check, a run's reading of films, spotting and the page; a data set's sheet in the test below."""
    table = good(tmp_path)
    for name in ("46.png", "46.bmp"):
        save(tmp_path / "clip" / name, picture(9))
    table.append(row("clip"))
    for name in ("1.png", "3.png"):
        save(tmp_path / "gap" / name, picture(9))
    (tmp_path / "gap" / "2.raw").touch()
    table.append(row("gap"))
    report = check_manifest(rows(tmp_path / "manifest.csv", table), CLASSES)
    assert [problem.line for problem in report.problems] == [14, 15]
    assert "two pictures of frame 46" in report.problems[0].text and "holds 2.raw" in report.problems[1].text
    with pytest.raises(DataError, match=r"holds 2\.raw"):
        open_film(tmp_path / "gap", 30.0)
    with pytest.raises(DataError, match="two pictures of frame 46"):
        open_film(tmp_path / "clip", 30.0)


def test_a_data_set_names_the_row_whose_folder_is_ambiguous(twins: dict[str, Twin], tmp_path: Path) -> None:
    folder = copied(twins["mmew"], tmp_path / "m")
    frame = sorted(folder.rglob("*.jpg"))[0]
    (frame.parent / f"{frame.stem} (1).jpg").symlink_to(frame)
    manifest, problems, _ = scan_clips(folder, Labels())
    assert len(problems) == 1 and problems[0].row is not None and "looks like a copy" in problems[0].text
    assert len(manifest.clips) == 19


@pytest.mark.few(1)
@pytest.mark.parametrize("mirror", ["__MACOSX", "@eaDir", "$RECYCLE.BIN", ".Trashes"])
def test_mirrors_of_systems_are_no_data_set(mirror: str, twins: dict[str, Twin], tmp_path: Path) -> None:
    whole = scan_clips(copied(twins["casme2"], tmp_path / "a" / "CASME2"), Labels())
    copied(twins["casme2"], tmp_path / "b" / "CASME2")
    copied(twins["casme2"], tmp_path / "b" / mirror / "CASME2")
    found = scan_clips(tmp_path / "b", Labels())
    assert {os.path.relpath(clip.path, tmp_path / "b") for clip in found[0].clips} == {
        os.path.relpath(clip.path, tmp_path / "a") for clip in whole[0].clips
    }
    assert [str(each) for each in found[2]] == [str(each) for each in whole[2]]


def test_pretraining_passes_mirrors_over(tmp_path: Path) -> None:
    for seed, name in enumerate(("a/1.png", "b/1.png", "__MACOSX/a/1.png", "a/._1.png", ".cache/c/1.png")):
        save(tmp_path / name, picture(seed))
    assert len(read_folder(tmp_path, 16, labelled=True).images) == 2


def test_what_pretraining_does_not_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed, name in enumerate(("in/a/1.png", "in/b/1.jpg", "else/c/1.png")):
        save(tmp_path / name, picture(seed))
    (tmp_path / "in/b/1.jpg").rename(tmp_path / "in/b/1.jfif")
    for name in ("in/a/2.heic", "in/a/3.raw", "in/a/film.avi", "in/a/notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "in/c").symlink_to(tmp_path / "else/c")
    (tmp_path / "in/a/up").symlink_to(tmp_path / "in")
    found = read_folder(tmp_path / "in", 16, labelled=True)
    assert found.classes == ("a", "b", "c") and found.copies == 0
    assert [path.name for path in found.unread] == ["2.heic", "3.raw", "film.avi"]
    scandir = os.scandir

    def shutting(path: str) -> object:
        if Path(path) == tmp_path / "in/b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", shutting)
    with pytest.raises(DataError, match="cannot be read: Permission denied") as caught:
        read_folder(tmp_path / "in", 16, labelled=True)
    assert caught.value.where == str(tmp_path / "in/b")


@pytest.mark.parametrize(
    "names", [("img１.png", "img２.png"), ("img1.png", "img２.png"), ("bild\u00e9 1.png", "bilde\u0301 ٢.png")]
)
def test_figures_of_another_width_or_script_are_numbers_and_accents_are_one_however_composed(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert {number: path.name for number, path in frame_files(tmp_path).items()} == dict(
        zip((1, 2), names, strict=True)
    )
    (tmp_path / "img1.jpg").touch()
    with pytest.raises(DataError):
        frame_files(tmp_path)
