"""Manifests read back what was written, and are refused with all that is wrong, each with its line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from p2pfl_me.data.manifest import Fault, write_manifest
from p2pfl_me.data.reading import read_clips, scan_clips
from p2pfl_me.errors import DataError
from tests.data.make import CLASSES, good, picture, row, rows, save


def test_a_manifest_says_what_is_known_and_no_more(tmp_path: Path) -> None:
    table = good(tmp_path, subjects=2)
    for line in table[:3]:
        line |= {"onset": 3, "apex": "/", "offset": 9, "split": "test"}
    found = read_clips(rows(tmp_path / "manifest.csv", table, columns=list(table[0])), CLASSES).clips
    assert (found[0].onset, found[0].apex, found[0].offset, found[0].split) == (3, None, 9, "test")
    assert (found[3].onset, found[3].apex, found[3].offset, found[3].split) == (None, None, None, None)
    assert found[0].path.is_file() and [clip.line for clip in found] == [2, 3, 4, 5, 6, 7]


def test_a_folder_stands_for_its_manifest(tmp_path: Path) -> None:
    path = rows(tmp_path / "manifest.csv", good(tmp_path))
    assert read_clips(tmp_path, CLASSES) == read_clips(path, CLASSES)


def test_the_same_number_in_two_data_sets_is_two_people(tmp_path: Path) -> None:
    table = good(tmp_path, subjects=1)
    table[1]["dataset"] = "other"
    table[2]["subject"] = "lab/00"  # namespaced already
    found = read_clips(rows(tmp_path / "manifest.csv", table), CLASSES).clips
    assert [clip.subject for clip in found] == ["lab/00", "other/00", "lab/00"]


@pytest.mark.parametrize("absolute", [True, False])
def test_what_is_written_is_read_again(tmp_path: Path, absolute: bool) -> None:
    clips = read_clips(rows(tmp_path / "manifest.csv", good(tmp_path)), CLASSES).clips
    clips = tuple(replace(clip, split="train", onset=1) for clip in clips)
    write_manifest(tmp_path / "elsewhere" / "copy.csv", clips, absolute=absolute)
    again = read_clips(tmp_path / "elsewhere" / "copy.csv", CLASSES).clips
    assert [replace(clip, path=clip.path.resolve()) for clip in again] == [
        replace(clip, path=clip.path.resolve()) for clip in clips
    ]


def test_everything_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    table = good(tmp_path)
    table[0] |= {"label": "Positive", "path": "gone.png", "onset": "", "apex": "", "offset": ""}
    table[1] |= {"subject": "", "onset": "x"}
    table[2] |= {"onset": 5, "apex": 2}
    table[3] |= {"split": "train"}
    table[4] |= {"split": "test"}
    table[6] |= {"split": "practice"}
    path = rows(tmp_path / "manifest.csv", table, columns=[*table[0], "split"])
    _, problems, _ = scan_clips(path, CLASSES)
    told = {(problem.line, problem.kind) for problem in problems}
    assert told >= {(2, Fault.LABEL), (2, Fault.MISSING), (3, Fault.CELL), (4, Fault.ORDER), (6, Fault.LEAK)}
    assert told >= {(8, Fault.CELL)} and [problem.line for problem in problems] == sorted(p.line for p in problems)
    with pytest.raises(DataError) as caught:
        read_clips(path, CLASSES)
    for problem in problems:
        assert str(problem) in str(caught.value)
    assert "did you mean 'positive'" in str(caught.value)


def test_a_long_list_is_cut_and_counted(tmp_path: Path) -> None:
    table = [row(f"gone-{index}.png") for index in range(25)]
    with pytest.raises(DataError, match="25 problems") as caught:
        read_clips(rows(tmp_path / "manifest.csv", table), CLASSES)
    assert "gone-19.png" in str(caught.value) and "gone-20.png" not in str(caught.value)
    assert "and 5 more" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,dataset\na.png,lab\n", "no column `subject`, `clip`, `label`"),
        ("path;dataset;subject;clip;label\n", "another sign than a comma"),
        ("path\tdataset\tsubject\tclip\tlabel\n", "another sign than a comma"),
        ("sep=,\npath,dataset,subject,clip,label\n", "its first line, `sep=`"),
        ("", "no column `path`"),
        ("path,dataset,subject,clip,label\n", "no clips"),
        ("path,dataset,subject,clip,label\na.png\n", "ends before `dataset`, `subject`, `clip`, `label`"),
        ("path,dataset,subject,clip,label\na.png,,,,\n", "`dataset` is empty"),
    ],
)
def test_a_file_that_is_no_manifest_is_named_as_such(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_clips(path, CLASSES)


def test_no_file_and_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such manifest"):
        read_clips(tmp_path / "nowhere.csv", CLASSES)
    (tmp_path / "manifest.csv").write_bytes(b"\xff\xfe\x00p")
    with pytest.raises(DataError, match="cannot be read"):
        read_clips(tmp_path, CLASSES)


def test_a_spreadsheet_with_a_byte_order_mark_and_capitals_is_read(tmp_path: Path) -> None:
    table = good(tmp_path, subjects=1)
    path = rows(tmp_path / "manifest.csv", table)
    text = path.read_text().replace("path,dataset", "Path, Dataset ", 1)
    path.write_text(text, encoding="utf-8-sig")
    assert len(read_clips(path, CLASSES).clips) == 3


def test_a_path_beyond_all_length_is_a_problem_of_its_row_alone_and_is_shown_shortened(tmp_path: Path) -> None:
    table = good(tmp_path)
    table[1] |= {"path": "x" * 5000, "label": "y" * 5000}
    table[3] |= {"path": "gone.png"}
    _, problems, _ = scan_clips(rows(tmp_path / "manifest.csv", table), CLASSES)
    assert [(each.line, each.kind) for each in problems] == [(3, Fault.LABEL), (3, Fault.MISSING), (5, Fault.MISSING)]
    assert "File name too long" in problems[1].text and all(len(str(each)) < 400 for each in problems)


def test_a_cell_that_never_ends_is_named_with_its_line_and_the_rows_above_are_checked(tmp_path: Path) -> None:
    path = rows(tmp_path / "manifest.csv", [*good(tmp_path), row("gone.png")])
    with path.open("a") as file:
        file.write('a.png,lab,01,"never closed\n' + "more,\n" * 30_000)
    _, problems, _ = scan_clips(path, CLASSES)
    assert [problem.line for problem in problems] == [14, 15]
    assert "quotation mark" in problems[1].text and "131,072" in problems[1].text


@pytest.mark.parametrize("name", ["label", "split", "apex"])
def test_a_column_that_stands_twice_is_refused(tmp_path: Path, name: str) -> None:
    """Nobody could say which of the two is meant."""
    path = rows(tmp_path / "manifest.csv", [row("a.png", split="", apex="", note="")])
    head, *rest = path.read_text().splitlines()
    path.write_text("\n".join([f"{head},note, {name.title()}", *(f"{line},," for line in rest)]))
    _, (problem,), _ = scan_clips(path, CLASSES)
    assert (problem.line, problem.kind) == (1, Fault.COLUMNS) and f"two columns `{name}`" in problem.text


HEAD = "path,dataset,subject,clip,label,onset,apex,offset"
LINE = "a.png,lab,01,a,tense,4,6,9"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEAD}\n{LINE.replace('tense', 'others, tense')}\n", "line 2: has more cells than there are columns"),
        (f"{HEAD}\n{LINE},x\n", "line 2: has more cells than there are columns"),
        (f"{HEAD}\n{LINE[:-2]}", "line 2: ends before `offset`: is the file cut off"),
        (f"{HEAD.replace('apex', 'apex_frame')}\n{LINE}\n", "a column `apex_frame`, and none `apex`"),
        (f"{HEAD.replace('offset', 'Off-Set')}\n{LINE}\n", "a column `off-set`, and none `offset`"),
        (f"{HEAD},F.P.S.\n{LINE},200\n", "a column `f.p.s.`, and none `fps`"),
        (f"{HEAD}\n{LINE.replace('01', '2.01405E+10')}\n", "`subject` is 2.01405E.10, a number that"),
    ],
)
def test_cells_that_would_be_read_as_others_or_be_lost_are_refused(tmp_path: Path, text: str, said: str) -> None:
    save(tmp_path / "a.png", picture(1))
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        read_clips(tmp_path, None)


@pytest.mark.parametrize("name", ["3-Jan", "03. Mrz", "Dec-03", "2024-03-01 00:00:00", "5. Mai"])
def test_a_date_that_a_program_made_of_a_name_is_refused_and_others_are_names(tmp_path: Path, name: str) -> None:
    save(tmp_path / "a.png", picture(1))
    (tmp_path / "manifest.csv").write_text(f"{HEAD}\n{LINE.replace('01', name)}\n")
    with pytest.raises(DataError, match=f"`subject` is {re.escape(name)}, a date that a spreadsheet program has made"):
        read_clips(tmp_path, None)
    for other in ("2019-03-12", "Jan", "3-1", "Maria-03", "12-may-2019"):
        (tmp_path / "manifest.csv").write_text(f"{HEAD}\n{LINE.replace('01', other)}\n")
        assert read_clips(tmp_path, None).clips[0].subject == f"lab/{other}"


def test_rows_without_anything_are_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(1))
    (tmp_path / "manifest.csv").write_text(f"{HEAD}\n,,,,,,,\n\n{LINE}\n ,\u00a0,,,,,,\n,,\n", encoding="utf-8")
    (clip,) = read_clips(tmp_path, None).clips
    assert clip.line == 4


def test_columns_that_are_not_read_are_told_and_a_blank_cell_behind_the_last_is_none(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(1))
    (tmp_path / "manifest.csv").write_text(f",{HEAD},onset_ms,AU\n0,{LINE},20,4+7,,\n")
    found, problems, remarks = scan_clips(tmp_path, None)
    assert found.clips[0].onset == 4 and not problems
    assert [str(each) for each in remarks] == ["2 columns are not read: `onset_ms`, `au`"]


@pytest.mark.parametrize(
    ("cell", "apex"),
    [("6.0", 6), ('"6,0"', 6), ("006", 6), ("6\u200b", 6), ("nan", None), ("NA", None), ("-1", None), ("/", None)],
)
def test_frames_are_read_as_programs_write_them_and_as_sheets_are(tmp_path: Path, cell: str, apex: int | None) -> None:
    save(tmp_path / "a.png", picture(1))
    (tmp_path / "manifest.csv").write_text(f"{HEAD}\n{LINE.replace('6', cell)}\n", encoding="utf-8")
    assert read_clips(tmp_path, None).clips[0].apex == apex


@pytest.mark.parametrize("cell", ["6.5", "+6", "6e0", "1,000", "six", "-2"])
def test_what_is_no_frame_number_is_refused_in_a_manifest_as_in_a_sheet(tmp_path: Path, cell: str) -> None:
    save(tmp_path / "a.png", picture(1))
    line = LINE.replace("6", f'"{cell}"')
    (tmp_path / "manifest.csv").write_text(f"{HEAD}\n{line}\n")
    with pytest.raises(DataError, match=f"`apex` is '{re.escape(cell)}', not a frame number"):
        read_clips(tmp_path, None)


def test_a_table_in_utf_16_without_its_mark_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(f"{HEAD}\n{LINE}\n", encoding="utf-16-le")
    with pytest.raises(DataError, match="holds zero bytes, as UTF-16 without its mark does"):
        read_clips(tmp_path, CLASSES)
