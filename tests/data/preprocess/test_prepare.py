"""Clips become samples once: the cache is private, keyed by content and recipe, and survives a torn write."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from p2pfl_me.contract.preprocess import Input, Preprocess
from p2pfl_me.data import duplicates
from p2pfl_me.data.audit import pictures
from p2pfl_me.data.audit.pictures import key_pictures
from p2pfl_me.data.clip import ApexSource
from p2pfl_me.data.drawn import DrawnMarks
from p2pfl_me.data.duplicates import contradictions
from p2pfl_me.data.frames import Listing
from p2pfl_me.data.manifest import Clip
from p2pfl_me.data.preprocess import prepare as module
from p2pfl_me.data.preprocess.inputs import ClipImages, clip_images
from p2pfl_me.data.preprocess.note import ClipNote, FaceSource, counts, in_words
from p2pfl_me.data.preprocess.prepare import Prepared, prepare_clips
from p2pfl_me.data.preprocess.recipe import Recipe
from p2pfl_me.errors import DataError
from tests.data.make import picture, save
from tests.data.preprocess.make import clip, film, person, texture

FRAMES = Recipe(Input.FRAMES, 16, Preprocess(frames=3))


def films(folder: Path, count: int = 5, length: int = 4) -> list[Clip]:
    for number in range(count):
        for frame in range(1, length + 1):
            save(folder / str(number) / f"{frame}.png", picture(100 * number + frame))
    return [clip(folder / str(number), onset=1, apex=2, offset=length) for number in range(count)]


def images_of(prepared: Prepared) -> np.ndarray:
    return np.stack([prepared.image(sample) for sample in range(len(prepared.rows))])


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders of the clips whose images are made."""
    seen: list[str] = []

    def spy(clip: Clip, recipe: Recipe, listing: Listing) -> ClipImages:
        seen.append(clip.path.name)
        return clip_images(clip, recipe, listing)

    monkeypatch.setattr(module, "clip_images", spy)
    return seen


def drawn_of(clips: Sequence[Clip]) -> list[bool]:
    marks = DrawnMarks()
    return [marks.on(each) for each in clips]


@pytest.mark.parametrize("ask", [prepare_clips, contradictions, key_pictures, drawn_of])
def test_a_long_film_is_listed_so_many_times_whatever_number_of_clips_it_holds(
    ask: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 400 clips in a film of 20,000 frames the names alone took minutes: all were read and sorted for each."""
    listed: list[Path] = []

    def counted(look: Callable[[Path], object], folder: Path) -> object:
        listed.append(folder)
        return look(folder)

    (whole,) = films(tmp_path / "data", 1, 12)
    clips = [replace(whole, clip=str(at), onset=at, apex=at + 1, offset=at + 2) for at in range(1, 11)]
    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, partial(counted, getattr(os, name)))
    for each in (module, duplicates, pictures):
        monkeypatch.setattr(each, "cores", lambda: 1)  # two threads may list one folder at the same time
    times = []
    for some in (clips[:2], clips):
        listed.clear()
        ask(some, *((FRAMES, tmp_path / f"{len(some)} clips") if ask is prepare_clips else ()))
        times.append(listed.count(whole.path))
    assert times[0] == times[1] > 0


def test_samples_stand_in_the_order_of_the_clips_with_their_clips(tmp_path: Path) -> None:
    clips = films(tmp_path / "data")
    prepared = prepare_clips(clips, FRAMES, tmp_path)
    assert prepared.clips.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert len(set(prepared.keys)) == 15
    expected = np.concatenate([clip_images(each, FRAMES).images for each in clips])
    np.testing.assert_array_equal(images_of(prepared), expected)


def test_a_second_run_makes_nothing_and_says_the_same(tmp_path: Path, worked: list[str]) -> None:
    clips = films(tmp_path / "data")
    told: list[tuple[int, int]] = []
    first = prepare_clips(clips, FRAMES, tmp_path, lambda *now: told.append(now))
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)] and sorted(worked) == list("01234")
    second = prepare_clips(clips[::-1], FRAMES, tmp_path, lambda *now: told.append(now))
    assert len(worked) == 5 and len(told) == 5
    np.testing.assert_array_equal(
        images_of(second), images_of(first).reshape(5, 3, 16, 16, 3)[::-1].reshape(15, 16, 16, 3)
    )
    assert second.notes == first.notes[::-1]


def test_only_what_is_new_is_made(tmp_path: Path, worked: list[str]) -> None:
    clips = films(tmp_path / "data")
    prepare_clips(clips[:2], FRAMES, tmp_path)
    save(tmp_path / "data" / "1" / "4.png", picture(7))
    worked.clear()
    prepare_clips([*clips, clips[3]], FRAMES, tmp_path)
    assert sorted(worked) == ["1", "2", "3", "4"], "the changed clip and the new ones, a repeated one once"


@pytest.mark.parametrize("change", [{"frames": 2}, {"align": "face"}])
def test_another_recipe_is_made_anew_and_the_first_is_kept(
    tmp_path: Path, worked: list[str], change: dict[str, object]
) -> None:
    clips = films(tmp_path / "data", 2)
    prepare_clips(clips, FRAMES, tmp_path)
    prepare_clips(clips, replace(FRAMES, options=Preprocess.model_validate({"frames": 3, **change})), tmp_path)
    assert sorted(worked) == ["0", "0", "1", "1"]
    prepare_clips(clips, FRAMES, tmp_path)
    assert len(worked) == 4


def test_the_cache_is_private_and_holds_no_more_than_the_images(tmp_path: Path) -> None:
    os.umask(0o022)
    prepare_clips(films(tmp_path / "data"), FRAMES, tmp_path)
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert {path.suffix for path in files} == {".rows", ".keys", ".lock"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert next(path for path in files if path.suffix == ".rows").stat().st_size == 15 * 16 * 16 * 3


@pytest.mark.parametrize("torn", [("keys", 13), ("keys", 40 * 7 + 5), ("rows", 1000)])
def test_a_torn_write_is_made_good(tmp_path: Path, torn: tuple[str, int]) -> None:
    clips = films(tmp_path / "data")
    (tmp_path / "torn").mkdir()
    whole = images_of(prepare_clips(clips, FRAMES, tmp_path))
    prepare_clips(clips[:3], FRAMES, tmp_path / "torn")
    (path,) = (tmp_path / "torn").glob(f"*.{torn[0]}")
    if torn[0] == "keys":
        os.truncate(path, torn[1])
    else:  # rows of a batch whose keys never came
        path.write_bytes(path.read_bytes() + b"x" * torn[1])
    np.testing.assert_array_equal(images_of(prepare_clips(clips, FRAMES, tmp_path / "torn")), whole)


def test_opencvs_threads_are_put_back(tmp_path: Path) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        (tmp_path / "a.png").write_bytes(b"no image")
        with pytest.raises(DataError, match=r"a\.png: is not an image"):
            prepare_clips([clip(tmp_path / "a.png")], FRAMES, tmp_path)
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


def test_only_a_window_of_clips_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    begun: list[int] = []
    taken: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        return item

    ahead: Callable[[], int] = lambda: len(begun) - len(taken)  # noqa: E731
    for item in module._in_order(work, range(200)):
        assert ahead() <= 4 * 2 + 1
        taken.append(item)
    assert taken == list(range(200))


def test_clips_without_a_face_are_counted_or_all_refused_by_name(tmp_path: Path) -> None:
    film(tmp_path / "face", person(0))
    clips = [clip(tmp_path / "face", onset=1, apex=4)]
    for name in ("wall", "floor"):
        save(tmp_path / name / "1.png", texture(128))
        clips.append(clip(tmp_path / name))
    asked = Recipe(Input.IMAGE, 16, Preprocess.model_validate({"align": "face"}))
    notes = prepare_clips(clips, asked, tmp_path).notes
    assert [note.face for note in notes] == [FaceSource.EYES, FaceSource.WHOLE, FaceSource.WHOLE]
    assert counts(notes) == {"apex": {"given": 1, "middle": 2}, "face": {"eyes": 1, "whole": 2}}
    assert "no face is found in 2 of 3 clips" in in_words(notes)[0]
    strict = replace(asked, options=Preprocess.model_validate({"align": "face", "faceless": "refuse"}))
    assert strict.digest() == asked.digest(), "the images are the same"
    for _ in range(2):  # from the cache, too
        with pytest.raises(DataError, match="of 2 of 3 clips") as caught:
            prepare_clips(clips, strict, tmp_path)
        assert "wall" in str(caught.value) and "floor" in str(caught.value) and "face\n" not in str(caught.value)


@pytest.mark.parametrize(
    "note", [ClipNote(), ClipNote(0, ApexSource.GIVEN), ClipNote(2**31 - 1, ApexSource.FLOW, FaceSource.WHOLE)]
)
def test_notes_survive_the_cache(note: ClipNote) -> None:
    assert ClipNote.from_bytes(note.to_bytes()) == note


def test_no_clips_are_no_samples(tmp_path: Path) -> None:
    prepared = prepare_clips([], FRAMES, tmp_path)
    assert len(prepared.rows) == len(prepared.clips) == 0 and prepared.notes == ()
