"""What is odd in a row, and how it is taken: a table of cases, each with frames of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from p2pfl_me.contract import LABEL_MAPS
from p2pfl_me.data.clip import ApexSource, Clip, Dropped, Fault, Problem, Quirk, Remark, Row
from p2pfl_me.data.datasets.casme2 import CASME2
from p2pfl_me.data.datasets.casme3 import CASME3_A
from p2pfl_me.data.datasets.layout import Entry, Layout
from p2pfl_me.data.datasets.resolve import Found, resolve
from p2pfl_me.data.labels import Labels

FILM = range(1, 2001)
OWN = range(40, 91)


def found(
    folder: Path, layout: Layout, frames: Sequence[int], onset: str, apex: str, offset: str, label: str = "disgust"
) -> list[Found]:
    entry = Entry(Row("sheet.xlsx", 7), "01", "c", label, folder, onset, apex, offset)
    return list(resolve(entry, layout, Labels(), lambda _: list(frames)))


@pytest.mark.parametrize(
    ("frames", "onset", "apex", "offset", "taken", "quirks"),
    [
        (OWN, "46", "59", "86", (46, 59, 86), []),
        (OWN, "46", "/", "86", (46, None, 86), [Quirk.APEX]),
        (OWN, "46", "", "86", (46, None, 86), [Quirk.APEX]),
        (OWN, "46", "30", "86", (46, None, 86), [Quirk.APEX]),
        (OWN, "46", "59", "50", (46, 59, 90), [Quirk.OFFSET]),
        (OWN, "46", "59", "0", (46, 59, 90), [Quirk.OFFSET]),
        (OWN, "46", "59", "860", (46, 59, 90), [Quirk.NEAREST]),
        (OWN, "38", "59", "86", (40, 59, 86), [Quirk.NEAREST]),
        ([*range(40, 58), *range(62, 91)], "46", "59", "86", (46, 57, 86), [Quirk.NEAREST]),
        (range(1, 42), "46", "59", "86", (1, 14, 41), [Quirk.SHIFTED]),
        (range(1, 601), "46", "59", "560", (46, 59, 560), [Quirk.LONG]),
        (OWN, "/", "59", "86", (40, 59, 86), [Quirk.NEAREST]),
        (OWN, "46", "59", "-1", (46, 59, 90), [Quirk.OFFSET]),
        (OWN, "46", "59", "", (46, 59, 90), [Quirk.OFFSET]),
    ],
)
def test_a_clip_with_a_folder_of_its_own(
    tmp_path: Path,
    frames: Sequence[int],
    onset: str,
    apex: str,
    offset: str,
    taken: tuple[int | None, ...],
    quirks: list[Quirk],
) -> None:
    *said, clip = found(tmp_path, CASME2, frames, onset, apex, offset)
    assert isinstance(clip, Clip) and (clip.onset, clip.apex, clip.offset) == taken
    assert [remark.kind for remark in said if isinstance(remark, Remark)] == quirks
    assert all(isinstance(remark, Remark) and remark.row == Row("sheet.xlsx", 7) for remark in said)
    assert (clip.apex_source is None) == (clip.apex is None)


def test_an_apex_in_a_gap_says_that_it_is_the_nearest(tmp_path: Path) -> None:
    clip = found(tmp_path, CASME2, [*range(40, 59), *range(60, 91)], "46", "59", "86")[-1]
    assert isinstance(clip, Clip) and clip.apex_source is ApexSource.NEAREST and clip.apex in {58, 60}


@pytest.mark.parametrize(
    ("layout", "frames", "cells", "fault"),
    [
        (CASME2, OWN, ("early", "59", "86"), Fault.CELL),
        (CASME2, OWN, ("46", "59.5", "86"), Fault.CELL),
        (CASME2, OWN, ("90", "59", "50"), Fault.ORDER),
        (CASME2, range(200, 400), ("46", "59", "86"), Fault.FRAMES),
        (CASME2, [], ("46", "59", "86"), Fault.FRAMES),
        (CASME3_A, FILM, ("3647", "2668", "2694"), Fault.ORDER),
        (CASME3_A, FILM, ("/", "20", "30"), Fault.CELL),
        (CASME3_A, FILM, ("10", "/", "0"), Fault.CELL),
        (CASME3_A, FILM, ("1990", "1995", "2400"), Fault.FRAMES),
        (CASME3_A, FILM, ("3000", "3010", "3020"), Fault.FRAMES),
    ],
)
def test_what_nobody_can_guess_is_a_problem_of_its_row(
    tmp_path: Path, layout: Layout, frames: Sequence[int], cells: tuple[str, str, str], fault: Fault
) -> None:
    (problem,) = found(tmp_path, layout, frames, *cells)
    assert isinstance(problem, Problem) and problem.kind is fault and problem.row == Row("sheet.xlsx", 7)
    assert str(problem).startswith("sheet.xlsx row 7: ")


def test_in_a_long_film_a_clip_without_an_offset_ends_at_its_apex(tmp_path: Path) -> None:
    *said, clip = found(tmp_path, CASME3_A, FILM, "1812", "1824", "0")
    assert isinstance(clip, Clip) and (clip.onset, clip.apex, clip.offset) == (1812, 1824, 1824)
    assert {remark.kind for remark in said if isinstance(remark, Remark)} == {Quirk.OFFSET}
    first = found(tmp_path, CASME3_A, FILM, "0", "0", "25")[-1]
    assert isinstance(first, Clip) and (first.onset, first.apex) == (1, 1)


def test_labels_are_the_data_sets_own_then_the_maps(tmp_path: Path) -> None:
    entry = Entry(Row("s", 2), "01", "c", "Happiness", tmp_path, "46", "59", "86")
    megc = Labels(LABEL_MAPS["megc3"].classes, LABEL_MAPS["megc3"])

    def read(label: str, labels: Labels) -> Found:
        return list(resolve(replace(entry, label=label), CASME2, labels, lambda _: list(OWN)))[-1]

    mapped = read("Happiness", megc)
    assert isinstance(mapped, Clip) and mapped.label == "positive"
    assert read("Others", megc) == Dropped("others")
    bored = read("bored", megc)
    assert isinstance(bored, Problem) and bored.kind is Fault.LABEL and "CASME II has" in bored.text
    other = read("Happiness", Labels(("disgust", "fear")))
    assert isinstance(other, Problem) and "the contract's classes are disgust, fear" in other.text


@pytest.mark.parametrize("field", ["subject", "clip", "label"])
def test_an_empty_cell_is_named(tmp_path: Path, field: str) -> None:
    entry = replace(Entry(Row("s", 2), "01", "c", "disgust", tmp_path, "46", "59", "86"), **{field: ""})
    (problem,) = resolve(entry, CASME2, Labels(), lambda _: list(OWN))
    assert isinstance(problem, Problem) and problem.kind is Fault.CELL and "is empty" in problem.text
