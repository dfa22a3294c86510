"""Clips whose folders say who and what they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from p2pfl_me.data import choose, identity_rules, manifest
from p2pfl_me.data.clip import Fault
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.named_folders import parts_of
from p2pfl_me.data.reading import read_clips, scan_clips
from p2pfl_me.errors import DataError
from tests.cli.test_data_sets import run


def listed(path: Path) -> object:
    return list(manifest.manifest_rows(path, Labels()))


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(len(str(path))).integers(0, 255, (16, 16, 3), np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place in ("A/joy/c1", "A/fear/c2", "B/joy/c1"):
        for frame in (1, 2):
            picture(tmp_path / "mine" / place / f"{frame:04d}.png")
    (tmp_path / "mine" / "notes.txt").write_text("no clip")
    (tmp_path / "mine" / ".hidden").mkdir()
    return tmp_path / "mine"


def test_names_of_folders_are_rows_and_what_is_written_is_read_again(folder: Path) -> None:
    done = run("manifest", folder, "--layout", "subject/label/clip")
    assert done.exit_code == 0 and "3 clips of 2 subjects" in done.output
    moved = folder.rename(folder.with_name("moved"))
    assert all(each.path.is_relative_to(moved) for each in read_clips(moved, None).clips), "its manifest goes with it"
    moved.rename(folder)
    again = run("manifest", folder, "--layout", "subject/label/clip")
    assert again.exit_code == 2 and f"`-o {folder / 'manifest.csv'}` writes it anew" in again.output, "it may be work"
    assert run("manifest", folder).exit_code == 2, "no list is put into somebody's data set unasked"
    read = {(each.subject, each.label, each.clip, each.path) for each in read_clips(folder, None).clips}
    assert read == {(f"mine/{s}", label, c, folder / s / label / c) for s, label, c in
                    (("A", "joy", "c1"), ("A", "fear", "c2"), ("B", "joy", "c1"))}  # fmt: skip


def test_depths_that_say_nothing_and_several_data_sets_and_pictures_that_are_clips(tmp_path: Path) -> None:
    picture(tmp_path / "x/lab1/2020/joy/S1/apex7.png")
    found, problems, _ = scan_clips(tmp_path / "x", None, layout="dataset/*/label/subject/clip")
    (clip,) = found.clips
    assert not problems and (clip.dataset, clip.subject, clip.label, clip.clip) == ("lab1", "lab1/S1", "joy", "apex7")


def test_what_is_no_clip_is_named_with_what_to_do(folder: Path) -> None:
    (folder / "B/joy/empty").mkdir()
    (folder / "B/joy/film.avi").write_bytes(b"RIFF")
    _, problems, _ = scan_clips(folder, None, layout="subject/label/clip")
    assert [each.kind for each in problems] == [Fault.MISSING] * 2
    assert "holds no frames" in str(problems[0]) and "B/joy/empty" in str(problems[0])
    assert "ffmpeg -i film.avi film/%04d.png" in str(problems[1])
    assert all(
        "not deep enough" in str(each) for each in scan_clips(folder.parent, None, layout="subject/label/clip")[1]
    )
    with pytest.raises(DataError, match="correct the folders"):
        run("manifest", folder, "--layout", "subject/label/clip", "-o", folder / "manifest.csv")
    assert not (folder / "manifest.csv").exists()


def test_pictures_that_would_vanish_or_be_clips_one_by_one_are_noted(folder: Path) -> None:
    picture(folder / "consent.png")
    picture(folder / "A/portrait.jpg")
    _, problems, remarks = scan_clips(folder, None, layout="subject/label/clip")
    assert not problems and [str(each) for each in remarks] == [
        "A/portrait.jpg, consent.png above where the layout has clips: left out"
    ]
    shallow = folder.parent / "shallow"
    for clip, frames in (("c1", (1, 2, 3)), ("c2", (4, 5, 6))):
        for frame in frames:
            picture(shallow / "A" / clip / f"{frame:04d}.png")
    found, _, (remark,) = scan_clips(shallow, None, layout="subject/label/clip")
    assert len(found.clips) == 6 and "(3 in A/c1, 3 in A/c2) are taken for a clip each" in str(remark)


def test_one_clip_whose_frames_cannot_be_told_apart_hides_no_other(folder: Path) -> None:
    picture(folder / "A/joy/c1/1.png")  # beside 0001.png
    found, (problem,), _ = scan_clips(folder, None, layout="subject/label/clip")
    assert problem.kind is Fault.FRAMES and "A/joy/c1" in str(problem) and len(found.clips) == 2


def test_pictures_and_films_of_whatever_kind_do_not_vanish(folder: Path) -> None:
    (folder / "A/joy/c1/0003.heic").touch()
    (folder / "A/fear/c3.avif").touch()
    (folder / "B/joy/00001.MTS").touch()
    (folder / "A/joy/c4.jpe").touch()
    for name in ("A/joy/c5.npy", "A/joy/c6.raw", "A/joy/notes.txt", "A/fear/Thumbs.db", "A/fear/c7"):
        (folder / name).touch()
    found, problems, remarks = scan_clips(folder, None, layout="subject/label/clip")
    assert [each.clip for each in found.clips] == ["c2", "c4", "c1"]
    said = [str(each) for each in problems]
    assert "A/fear/c3.avif" in said[0] and "not read: save it as PNG" in said[0]
    assert "A/joy/c1" in said[1] and "holds 0003.heic" in said[1]
    assert "00001.MTS" in said[2] and "is a film" in said[2]
    assert any(
        str(each).startswith("A/fear/c7, A/joy/c5.npy, A/joy/c6.raw where the layout has clips, of a kind")
        for each in remarks
    )


@pytest.mark.parametrize("shut", ["A", "A/joy", "A/joy/c1"])
def test_a_folder_that_may_not_be_looked_into_is_one_problem_and_hides_no_other(
    folder: Path, shut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def shutting(path: os.PathLike[str]) -> object:
        if Path(path) == folder / shut:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", shutting)
    found, problems, _ = scan_clips(folder, None, layout="subject/label/clip")
    assert [str(each.row) for each in problems] == [shut]
    assert "cannot be read: Permission denied" in str(problems[0])
    assert {"mine/B"} <= {each.subject for each in found.clips}


def test_the_same_command_again_writes_its_list_anew(folder: Path) -> None:
    for _ in range(2):
        done = run("manifest", folder, "--layout", "subject/label/clip", "-o", folder / "manifest.csv")
        assert done.exit_code == 0
        picture(folder / "C/joy/c1/0001.png")
    assert "4 clips of 3 subjects" in done.output


def test_people_who_could_be_one_are_asked_about_here_too(folder: Path) -> None:
    picture(folder / "a/joy/c9/0001.png")
    with pytest.raises(DataError, match="may be one person"):
        run("manifest", folder, "--layout", "subject/label/clip", "-o", folder / "manifest.csv")
    told = run("manifest", folder, "--layout", "subject/label/clip", "-o", folder / "m.csv", "--same", "A=a")
    assert told.exit_code == 0 and "of 2 subjects" in told.output


@pytest.mark.parametrize(
    ("layout", "why"),
    [
        ("subject/clip", "`label` is missing"),
        ("subject/label/film", "'film' is none of"),
        ("subject/label/label/clip", "`label` stands there twice"),
    ],
)
def test_a_layout_that_leaves_open_what_is_what_is_refused(layout: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        parts_of(layout)


def test_a_folder_whose_name_no_list_can_hold_is_one_problem_and_the_others_are_read(folder: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/C\xff"))
    picture(folder / "B/joy/c9/1.png")
    try:
        shutil.copytree(folder / "B", odd)
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    found, problems, _ = scan_clips(folder, None, layout="subject/label/clip")
    assert len(found.clips) == 4 and len(problems) == 2
    assert all("not UTF-8" in str(each) and r"C\udcff/joy/c" in str(each) for each in problems)
    out = folder / "manifest.csv"
    done = run("manifest", folder, "--layout", "subject/label/clip", "--leave-out", "-o", out)
    assert done.exit_code == 0 and r"C\udcff" in done.output and read_clips(out, None).clips


@pytest.mark.parametrize("read", [listed, choose.read_list, identity_rules.read_persons])
def test_a_list_that_may_not_be_read_is_no_question_of_its_format(
    tmp_path: Path, read: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def shut(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    for room in (manifest, choose, identity_rules):
        monkeypatch.setattr(room, "open_text", shut)
    with pytest.raises(DataError, match="cannot be read: Permission denied") as caught:
        read(tmp_path / "m.csv")
    assert caught.value.fix == "see who may read it"
