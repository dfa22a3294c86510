"""Clips of one folder that share frames: a leak under two subjects, told under one."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

from p2pfl_me.data.audit.leaks import audit
from p2pfl_me.data.audit.parts import Audited, Placed
from p2pfl_me.data.clip import Clip, Fault, Problem, Remark
from p2pfl_me.data.overlaps import OverlapWatch

FILM = Clip(Path("film/01"), "lab", "lab/01", "c", "tense", line=2)


def said(*clips: Clip) -> list[Problem | Remark]:
    watch = OverlapWatch()
    return [each for clip in clips for each in watch.see(clip)]


def spans(*pairs: tuple[int | None, int | None]) -> list[Clip]:
    return [
        replace(FILM, onset=onset, offset=offset, line=line, clip=str(line))
        for line, (onset, offset) in enumerate(pairs, 2)
    ]


def test_shared_frames_of_two_subjects_are_a_leak() -> None:
    one, two = spans((10, 20), (20, 30))
    (found,) = said(one, replace(two, subject="lab/02"))
    assert isinstance(found, Problem) and found.kind is Fault.LEAK and found.line == 3
    assert found.text == "shares frames of 01 with line 2, which is of another subject, lab/01"
    assert not said(one, replace(two, subject="lab/02", onset=21)), "they follow each other"
    assert not said(one, replace(two, subject="lab/02", path=Path("film/02")))


def test_shared_frames_of_one_subject_are_told_with_another_label() -> None:
    one, two = spans((10, 20), (12, 14))
    assert [str(each) for each in said(one, two)] == ["line 3: shares frames of 01 with line 2"]
    (found,) = said(one, replace(two, label="disgust"))
    assert str(found).endswith("with line 2, which is tense and not disgust")


def test_a_clip_without_an_end_takes_its_whole_folder() -> None:
    for other in ((900, 910), (None, 3), (0, 0)):
        assert len(said(*spans((None, None), other))) == 1


def test_the_same_frames_once_more_are_left_to_whoever_looks_at_images() -> None:
    assert not said(*spans((10, 20), (10, 20)))


def test_every_overlap_is_found_in_whichever_order() -> None:
    pairs = [(first, last) for first in range(5) for last in range(first, 5)]
    for one, two, three in itertools.permutations(pairs, 3):
        both = [
            any(a[0] <= each[1] and each[0] <= a[1] for a in before)
            for before, each in (([one], two), ([one, two], three))
        ]
        assert len(said(*spans(one, two, three))) == sum(both)


def test_pictures_of_one_folder_are_no_films() -> None:
    assert not said(*(replace(clip, path=Path("film/img1.jpg")) for clip in spans((1, 3), (2, 3))))


def test_a_folder_is_one_however_a_list_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "film")
    ways = [tmp_path / "film", tmp_path / "link", tmp_path / "film" / ".." / "film"]
    watch, said = OverlapWatch(), []
    for number, path in enumerate(ways):
        clip = Clip(path, "lab", f"lab/{number}", str(number), "x", 1 + number, 5, 9, line=number + 2)
        said += list(watch.see(clip))
    assert [each.kind for each in said] == [Fault.LEAK, Fault.LEAK]
    split = Audited(
        "", tuple(Placed(Clip(path, "lab", f"lab/{n}", "", "x", 1, 5, 9), str(n)) for n, path in enumerate(ways))
    )
    assert sum(leak.count for leak in audit(split, images=False).leaks) == 3
