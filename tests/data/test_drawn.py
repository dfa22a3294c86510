"""Drawn faces say so: by a file in their folder, by a sign in every picture, and in every list of them."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from p2pfl_me.cli.data import data
from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.contract.model import CASME2_CLASSES, Synthetic
from p2pfl_me.data.check import check_manifest
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.drawn import MARK, SIGN, WORDS, DrawnMarks, drawn_input, drawn_words, mark_folder, signed, words_of
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.look import Images
from p2pfl_me.data.manifest import write_manifest
from p2pfl_me.data.reading import read_clips
from p2pfl_me.data.shards import write_shards
from p2pfl_me.data.source import peer_clips, prepare
from p2pfl_me.data.synthetic import subjects_manifest, write_synthetic
from p2pfl_me.data.synthetic.film import FilmPlan
from p2pfl_me.data.synthetic.film_file import write_film
from p2pfl_me.data.twins.known import TWINS
from p2pfl_me.data.twins.take import TwinSpec
from p2pfl_me.data.twins.write import write_twin
from p2pfl_me.data.video import look_at
from p2pfl_me.live.absence import Absence, Lack
from p2pfl_me.live.film import open_film
from p2pfl_me.live.intervals import write_spotted
from p2pfl_me.live.whole import Result
from p2pfl_me.report.numbers import csv_rows
from p2pfl_me.run.manifest import ManifestFile
from tests.data.make import good, picture, row, rows, save

TEXT = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 2}}\n"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("drawn") / "SMIC"
    write_twin(TWINS["smic"], folder, TwinSpec(subjects=3, clips=3, seed=1, height=64), "smic")
    return folder


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp"])
@pytest.mark.parametrize("grey", [False, True])
def test_a_sign_changes_no_pixel(ending: str, grey: bool) -> None:
    image = picture(1, side=40)[..., 0] if grey else picture(1, side=40)
    data = cv2.imencode(ending, image)[1].tobytes()
    told = signed(data)
    assert SIGN in told and SIGN not in data
    shown, expected = (cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_UNCHANGED) for each in (told, data))
    np.testing.assert_array_equal(shown, expected)


def _mark_alone(folder: Path) -> None:
    """Somebody saved all pictures again: the file is left."""
    for path in folder.rglob("*"):
        if path.suffix in {".jpg", ".png", ".bmp"}:
            cv2.imwrite(str(path), cv2.imread(str(path)))


def _signs_alone(folder: Path) -> None:
    """Somebody copied the pictures and left the file behind."""
    (folder / MARK).unlink()


@pytest.mark.parametrize("keep", [_mark_alone, _signs_alone])
def test_a_twin_is_known_by_its_file_or_by_its_pictures(
    twin: Path, tmp_path: Path, keep: Callable[[Path], None]
) -> None:
    shutil.copytree(twin, tmp_path / "SMIC")
    keep(tmp_path / "SMIC")
    clips = read_clips(tmp_path / "SMIC", Labels()).clips
    assert clips and all(clip.drawn for clip in clips) and drawn_words(clips) == "drawn faces"


def _saved_again(folder: Path, of_each: slice) -> None:
    """Some of each clip's pictures were saved again; programs of Apple's lay a file of theirs beside each."""
    (folder / MARK).unlink()
    for clip in {path.parent for path in folder.rglob("*.bmp")} | {path.parent for path in folder.rglob("*.jpg")}:
        for path in sorted(clip.iterdir())[of_each]:
            cv2.imwrite(str(path), cv2.imread(str(path)))
            (clip / f"._{path.name}").write_bytes(b"x")


def _linked(folder: Path) -> None:
    """Its pictures were saved again and lie elsewhere, in a folder that is marked: here are links to them."""
    _mark_alone(folder)
    folder.rename(folder.with_name("there"))
    folder.mkdir()
    for place in folder.with_name("there").iterdir():
        if place.name != MARK:
            (folder / place.name).symlink_to(place)


def _marked_inside(folder: Path) -> None:
    """The mark was moved into one of the clips."""
    _mark_alone(folder)
    picture = min(path for path in folder.rglob("*") if path.suffix in {".bmp", ".jpg", ".png"})
    (folder / MARK).rename(picture.parent / MARK)


@pytest.mark.parametrize(
    ("change", "all_of_them"),
    [
        (lambda folder: _saved_again(folder, slice(1)), True),
        (lambda folder: _saved_again(folder, slice(1, None)), True),
        (_linked, True),
        (_marked_inside, False),
    ],
)
def test_what_is_left_of_a_mark_is_enough(
    twin: Path, tmp_path: Path, change: Callable[[Path], None], all_of_them: bool
) -> None:
    shutil.copytree(twin, tmp_path / "SMIC")
    change(tmp_path / "SMIC")
    clips = read_clips(tmp_path / "SMIC", Labels()).clips
    assert {clip.drawn for clip in clips} == ({True} if all_of_them else {True, False})


@pytest.mark.parametrize(
    "name",
    [
        "drawn_faces.txt",
        "DRAWN FACES (1).TXT",
        "Kopie von DRAWN_FACES.txt",
        "drawn.md",
        "README",
        "notes 2.txt",
        "zz.bak",
    ],
)
def test_a_mark_is_known_by_what_it_says_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    manifest = rows(tmp_path / "manifest.csv", good(tmp_path))
    (tmp_path / name).write_text("These frames were drawn up in 2019.\n")
    assert not any(clip.drawn for clip in read_clips(manifest, None).clips)
    mark_folder(tmp_path, "a twin")
    (tmp_path / MARK).replace(tmp_path / name)
    assert all(clip.drawn for clip in read_clips(manifest, None).clips)


def test_a_mark_of_another_name_in_a_clip_of_its_own_is_found_among_many_files(tmp_path: Path) -> None:
    for number in range(1, 4):
        save(tmp_path / "sub01" / f"img{number}.png", picture(number))
        (tmp_path / "sub01" / f"img{number}.txt").write_text("12 14\n")
    mark_folder(tmp_path / "sub01", "a twin")
    (tmp_path / "sub01" / MARK).replace(tmp_path / "sub01" / "about this.txt")
    assert DrawnMarks().at(tmp_path / "sub01") and drawn_input(tmp_path / "sub01") == (WORDS,)


def test_a_twin_that_is_interrupted_leaves_no_half_of_a_data_set(tmp_path: Path) -> None:
    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    (tmp_path / "S").mkdir()
    with pytest.raises(KeyboardInterrupt):
        write_twin(TWINS["smic"], tmp_path / "S", TwinSpec(subjects=2, clips=2, seed=1, height=64), "smic", stop)
    assert not list(tmp_path.rglob("*.jpg")) and not list(tmp_path.rglob("*.bmp"))


def test_the_sheet_alone_tells_a_twin_whose_pictures_were_saved_again(tmp_path: Path) -> None:
    write_twin(TWINS["mmew"], tmp_path / "M", TwinSpec(subjects=2, clips=2, seed=1, height=64), "mmew")
    _mark_alone(tmp_path / "M")
    _signs_alone(tmp_path / "M")
    found = read_clips(tmp_path / "M", Labels()).clips
    assert found and all(clip.drawn for clip in found)
    (sheet,) = (tmp_path / "M").rglob("*.xlsx")
    assert b"never alive" in zipfile.ZipFile(sheet).read("docProps/core.xml")


def test_the_word_goes_from_list_to_list(twin: Path, tmp_path: Path) -> None:
    shutil.copytree(twin, tmp_path / "SMIC")
    assert CliRunner().invoke(data, ["manifest", str(tmp_path / "SMIC"), "-o", str(tmp_path / "m.csv")]).exit_code == 0
    _mark_alone(tmp_path / "SMIC")
    _signs_alone(tmp_path / "SMIC")
    assert not any(clip.drawn for clip in read_clips(tmp_path / "SMIC", Labels()).clips), "nothing is left but the list"
    clips = read_clips(tmp_path / "m.csv", None).clips
    assert all(clip.drawn for clip in clips)
    assert any("never alive" in note for note in check_manifest(tmp_path / "m.csv", None, Images.NONE).notes)
    agreed = contract_from_yaml(TEXT + "model: {classes: [negative, positive, surprise]}\ndata: {test_fraction: 0.3}\n")
    run = tmp_path / "run"
    shards, digest = write_shards(agreed, tmp_path / "m.csv", tmp_path, run)
    assert all(clip.drawn for path in run.rglob("*.csv") for clip in read_clips(path, None, may_be_empty=True).clips)
    manifest = ManifestFile(run, agreed)
    manifest.data(shards.counts(agreed, tmp_path / "m.csv", digest))
    manifest.warn(shards.warning())
    values = json.loads((run / "manifest.json").read_text())
    assert values["warnings"] == ["drawn faces"] and values["data"]["drawn"] == len(clips)


def test_living_faces_are_not_taken_for_drawn_ones_and_a_mixture_is_counted(twin: Path, tmp_path: Path) -> None:
    table = good(tmp_path)
    assert not any(clip.drawn for clip in read_clips(rows(tmp_path / "a.csv", table), None).clips)
    shutil.copyfile(next(twin.rglob("*.bmp"), None) or next(twin.rglob("*.jpg")), tmp_path / "x.jpg")
    clips = read_clips(rows(tmp_path / "b.csv", [*table, row("x.jpg", "99")]), None).clips
    assert drawn_words(clips) == f"drawn faces in 1 of {len(clips)} clips"
    assert drawn_words(clips[:-1]) == ""
    write_manifest(tmp_path / "c.csv", clips)
    assert [clip.drawn for clip in read_clips(tmp_path / "c.csv", None).clips] == [clip.drawn for clip in clips]


def test_built_in_clips_are_drawn_in_every_door(tmp_path: Path) -> None:
    spec = Synthetic(subjects=2, clips_per_subject=1)
    written = write_synthetic(spec, 1, tmp_path / "set", subjects_manifest(spec, 1, CASME2_CLASSES))
    assert all(clip.drawn for clip in read_clips(written.source, None).clips)
    agreed = contract_from_yaml(TEXT + "data: {synthetic: {subjects: 4, clips_per_subject: 1}}\n")
    assert all(clip.drawn for clip in prepare(agreed, None, tmp_path).clips)
    assert all(clip.drawn for clip in peer_clips(agreed, 0, None, None, tmp_path))


@pytest.mark.parametrize("ending", [".avi", ".mp4"])
def test_a_drawn_film_says_so_in_its_own_comment(tmp_path: Path, ending: str) -> None:
    """Which programs keep when they convert it. The film itself is the same."""
    av = pytest.importorskip("av")
    film = tmp_path / f"film{ending}"
    write_film(FilmPlan(micro=0, blinks=0, turns=0, fps=5), film)
    (moved := tmp_path / "elsewhere").mkdir()
    film = film.rename(moved / film.name)
    assert drawn_input(film) == (WORDS,) and look_at(film).said == (WORDS,) and open_film(film).said == (WORDS,)
    with av.open(str(film)) as opened:
        assert opened.metadata["comment"].encode() == SIGN
        assert sum(1 for _ in opened.decode(video=0)) == look_at(film).frames > 0
    bare = film.read_bytes().replace(SIGN, b" " * len(SIGN))
    (moved / f"bare{ending}").write_bytes(bare)
    assert drawn_input(moved / f"bare{ending}") == ()


@pytest.mark.parametrize("before", [0, 4000, 100_000], ids=["head", "behind a colour profile", "at the end"])
def test_a_sign_is_found_where_other_programs_put_a_comment(tmp_path: Path, before: int) -> None:
    """A TIFF's fields may stand behind its pixels, a PNG's text behind a profile."""
    (tmp_path / "x.tif").write_bytes(b"II*\0" + bytes(before) + SIGN + bytes(40))
    assert drawn_input(tmp_path / "x.tif") == (WORDS,)


def test_whatever_looks_at_drawn_pictures_says_so(twin: Path, tmp_path: Path) -> None:
    folder = next(path.parent for path in twin.rglob("*.bmp"))
    assert drawn_input(folder) == (WORDS,) and drawn_input(twin) == (WORDS,)
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert drawn_input(tmp_path / "elsewhere") == (WORDS,)
    assert open_film(tmp_path / "elsewhere", fps=100).said == (WORDS,)
    text = io.StringIO()
    lost = Absence(Lack.FACE, 0.0, 1.0)
    write_spotted(text, [(open_film(folder, fps=100), Result((), (lost,), True, ""))])
    assert csv_rows(text.getvalue())[0]["drawn"] == "yes"
    assert drawn_input(tmp_path / "nothing") == ()


def test_weights_that_were_trained_on_drawn_faces_say_so() -> None:
    assert words_of(3, 4, "images") == "drawn faces in 3 of 4 images" and words_of(4, 4, "images") == "drawn faces"


def test_a_pipe_among_the_pictures_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    os.mkfifo(tmp_path / "film" / "1.png")
    assert not DrawnMarks().on(Clip(tmp_path / "film", "lab", "lab/1", "c", "x"))
    assert not DrawnMarks().on(Clip(tmp_path / "film" / "1.png", "lab", "lab/1", "c", "x"))


def test_a_folder_of_marked_ones_marks_what_lies_below(tmp_path: Path) -> None:
    save(tmp_path / "a" / "b" / "c" / "1.png", picture(1))
    (tmp_path / "a" / MARK).write_text("")
    table = [row("a/b/c/1.png")]
    assert read_clips(rows(tmp_path / "m.csv", table), None).clips[0].drawn
