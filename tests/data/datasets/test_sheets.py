"""Sheets as programs and people leave them: what a file says of itself, cells without a value, several tables."""

from __future__ import annotations

import csv
import datetime
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
import xlrd
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.worksheet import Worksheet

from p2pfl_me.data.cells import Unread
from p2pfl_me.data.clip import Manifest
from p2pfl_me.data.datasets import workbook
from p2pfl_me.data.datasets.sheet import read_sheet
from p2pfl_me.data.datasets.workbook import tables_of
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.reading import scan_clips
from p2pfl_me.data.twins.write import Twin
from p2pfl_me.errors import DataError
from tests.data.datasets.test_datasets import copied

BOOK = "CASME2-coding-20140508.xlsx"
ONSET, APEX, OFFSET = "DEF"


@pytest.fixture
def folder(twins: dict[str, Twin], tmp_path: Path) -> Path:
    """CASME II's twin, 20 rows, 2 to 21; columns Subject, Filename, a blank, OnsetFrame, ApexFrame, OffsetFrame."""
    return copied(twins["casme2"], tmp_path / "c")


def changed(folder: Path, change: Callable[[Worksheet], None], name: str = BOOK) -> None:
    book = openpyxl.load_workbook(folder / BOOK)
    change(book.worksheets[0])
    (folder / BOOK).unlink()
    book.save(folder / name)


def read(folder: Path) -> tuple[Manifest, list[str], list[str]]:
    manifest, problems, remarks = scan_clips(folder, Labels())
    return manifest, list(map(str, problems)), list(map(str, remarks))


def test_the_size_that_a_sheet_states_is_not_believed(folder: Path) -> None:
    whole = read(folder)
    changed(folder, lambda sheet: None)
    with zipfile.ZipFile(folder / BOOK) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    for size in (b"A1:C8", b"A1", b"A1:ZZ99999"):
        with zipfile.ZipFile(folder / BOOK, "w") as book:
            for name, data in parts.items():
                book.writestr(name, re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="' + size + b'"', data))
        assert read(folder) == whole and len(whole[0].clips) == 20


def test_a_book_of_the_strict_kind_is_the_same_book(folder: Path) -> None:
    whole = read(folder)
    with zipfile.ZipFile(folder / BOOK) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    with zipfile.ZipFile(folder / BOOK, "w") as book:
        for name, data in parts.items():
            usual = rb"http://schemas.openxmlformats.org/(?!package)([A-Za-z]+)/2006/"
            book.writestr(name, re.sub(usual, rb"http://purl.oclc.org/ooxml/\1/", data))
    assert read(folder) == whole and len(whole[0].clips) == 20


def test_a_clip_is_called_by_what_an_eye_sees_of_its_cell(folder: Path) -> None:
    names = [clip.clip for clip in read(folder)[0].clips]
    changed(folder, lambda sheet: put("B3", f"{sheet['B3'].value}\u200b\ufeff")(sheet))
    assert [clip.clip for clip in read(folder)[0].clips] == names


def test_folders_of_frames_that_no_row_names_are_listed(folder: Path) -> None:
    def cut(sheet: Worksheet) -> None:
        sheet.delete_rows(9, 13)

    changed(folder, cut)
    manifest, problems, said = read(folder)
    assert len(manifest.clips) == 7 and not problems
    (lost,) = (text for text in said if "in no row" in text)
    assert lost.startswith(f"13 folders of frames stand in no row of {BOOK}: sub0") and lost.endswith("and 7 more")


def test_a_clip_of_smic_whose_name_is_none_is_listed(twins: dict[str, Twin], tmp_path: Path) -> None:
    folder = copied(twins["smic"], tmp_path / "s")
    clip = next((folder / "SMIC_all_cropped" / "HS").rglob("s*_ne_01"))
    clip.rename(clip.with_name(f"{clip.name} - Copy"))
    assert any("under a name that is no clip's" in text and " - Copy" in text for text in read(folder)[2])


def test_hidden_and_other_sheets_are_told_and_shown_ones_come_first(folder: Path) -> None:
    book = openpyxl.load_workbook(folder / BOOK)
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    old = book.create_sheet("old", 0)
    for row in rows[:5]:
        old.append(row)
    old.sheet_state = "hidden"
    book.create_sheet("notes").append(["coded by two"])
    book.save(folder / BOOK)
    manifest, problems, said = read(folder)
    assert len(manifest.clips) == 20 and not problems
    words = f"{BOOK}: sheet `Sheet1` is read, and not `old` (hidden, the same columns, 5 rows), `notes`"
    assert words in said
    del book["Sheet1"]
    book.save(folder / BOOK)
    manifest, problems, said = read(folder)
    assert len(manifest.clips) == 4 and f"{BOOK}: sheet `old`, which is hidden, is read, and not `notes`" in said


def test_of_two_tables_that_both_are_shown_nobody_picks_one(folder: Path) -> None:
    book = openpyxl.load_workbook(folder / BOOK)
    other = book.copy_worksheet(book.worksheets[0])
    book.save(folder / BOOK)
    assert len(read(folder)[0].clips) == 20, "a copy says the same"
    other.delete_rows(3)
    book.save(folder / BOOK)
    with pytest.raises(DataError, match=r"several sheets, `Sheet1` \(21 rows\) and `Sheet1 Copy` \(20 rows\)"):
        read(folder)


def put(cell: str, value: object) -> Callable[[Worksheet], None]:
    def change(sheet: Worksheet) -> None:
        sheet[cell] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put(f"{OFFSET}3", "=D3+40"), "the offset is a formula without a value"),
        (put(f"{APEX}3", "#N/A"), "the apex is the error #N/A"),
        (put(f"{OFFSET}3", "#REF!"), "the offset is the error #REF!"),
        (put("B3", datetime.datetime(2014, 5, 8)), "the clip is a date or time (2014-05-08"),
        (put("A3", datetime.time(1, 2)), "the subject is a date or time (01:02:00)"),
        (lambda sheet: sheet.merge_cells("D3:E3"), "the apex is merged with the column beside it"),
    ],
    ids=["formula", "n/a", "ref", "date", "time", "merged across"],
)
def test_a_cell_without_a_value_of_its_own_is_a_problem_and_not_left_empty(
    folder: Path, change: Callable[[Worksheet], None], says: str
) -> None:
    changed(folder, change)
    manifest, problems, _ = read(folder)
    assert len(manifest.clips) == 19 and len(problems) == 1
    assert problems[0].startswith(f"{BOOK} row 3: {says}")


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "text", ["1,046", "1.000", "'46", "4.6E+01", "46-59", "\uff14\uff16", "46 ?", "#46", "frame 46"]
)
def test_a_frame_that_is_no_plain_number_is_a_problem_and_not_guessed(folder: Path, text: str) -> None:
    """1.000 is one or a thousand."""
    changed(folder, put(f"{APEX}3", text))
    _, problems, _ = read(folder)
    assert len(problems) == 1 and problems[0].startswith(f"{BOOK} row 3: apex is {text!r}, not a frame number")


@pytest.mark.parametrize(("text", "number"), [("46,0", "46"), ("46.00", "46"), ("46.000000", "46"), ("1,000", "1,000")])
def test_a_number_with_nothing_behind_its_point_is_whole(text: str, number: str) -> None:
    assert workbook._text(text) == number


def test_the_same_of_an_old_xls() -> None:
    assert workbook._old_cell(xlrd.XL_CELL_ERROR, 0x2A, 0) == "#N/A"
    assert isinstance(workbook._old_cell(xlrd.XL_CELL_ERROR, 0x2A, 0), Unread)
    date = workbook._old_cell(xlrd.XL_CELL_DATE, 41767.0, 0)
    assert isinstance(date, Unread) and "2014-05-08" in date.why


def test_cells_merged_down_a_column_and_hidden_rows_are_read_and_told(folder: Path) -> None:
    whole, _, _ = read(folder)

    def change(sheet: Worksheet) -> None:
        sheet.merge_cells("A2:A6")  # the first subject's five clips
        sheet.auto_filter.ref = "A1:I21"
        for row in (4, 9):
            sheet.row_dimensions[row].hidden = True

    changed(folder, change)
    manifest, problems, said = read(folder)
    assert manifest == whole and not problems
    assert f"{BOOK}: row 2 and those below are merged in a column: each has its value" in said
    assert f"{BOOK}: rows 4, 9 are hidden, by a filter or by hand: read all the same" in said


@pytest.mark.few(4)
@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_in_text_is_read_whatever_parts_its_columns(folder: Path, delimiter: str, encoding: str) -> None:
    whole = [(clip.subject, clip.clip, clip.onset, clip.apex, clip.label) for clip in read(folder)[0].clips]
    rows = list(openpyxl.load_workbook(folder / BOOK).worksheets[0].iter_rows(values_only=True))
    (folder / BOOK).unlink()
    text = folder / ("sheet.tsv" if delimiter == "\t" else "sheet.csv")
    with text.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    found = read(folder)[0]
    assert [(clip.subject, clip.clip, clip.onset, clip.apex, clip.label) for clip in found.clips] == whole


@pytest.mark.parametrize(("ending", "kind"), [(".ods", "OpenDocument"), (".xlsb", "binary Excel"), (".numbers", "Num")])
def test_sheets_that_are_not_read_are_refused_with_the_reason(folder: Path, ending: str, kind: str) -> None:
    (folder / BOOK).rename((folder / BOOK).with_suffix(ending))
    with pytest.raises(DataError, match=rf"{kind}.* sheet, which is not read.*save it as \.xlsx"):
        read(folder)


def test_a_colour_in_the_farthest_corner_takes_no_time_and_a_value_there_is_told(folder: Path) -> None:
    def coloured(sheet: Worksheet) -> None:
        sheet["XFD1048576"].fill = PatternFill("solid", start_color="FF0000")

    changed(folder, coloured)
    assert len(read(folder)[0].clips) == 20
    changed(folder, put("XFD1048576", 1))
    with pytest.raises(DataError, match=r"cannot be read: its sheet `Sheet1` spreads over 1,048,576 rows"):
        read(folder)


def test_a_column_that_stands_twice_is_refused_unless_both_say_the_same(folder: Path) -> None:
    def double(other: object) -> Callable[[Worksheet], None]:
        def change(sheet: Worksheet) -> None:
            for row in range(1, 22):
                sheet.cell(row, 12).value = sheet[f"{ONSET}{row}"].value
            sheet.cell(5, 12).value = other or sheet["D5"].value

        return change

    changed(folder, double(None))
    assert len(read(folder)[0].clips) == 20
    changed(folder, double(1))
    with pytest.raises(DataError, match="two columns `OnsetFrame`, with other cells"):
        read(folder)


@pytest.mark.parametrize(("name", "value"), [("Onset", 1), ("Emotion", "surprise"), ("offset", 99)])
def test_one_thing_in_two_columns_of_other_names_is_refused_unless_both_say_the_same(
    folder: Path, name: str, value: object
) -> None:
    """`Estimated Emotion` and `Emotion` both name the label: nobody picks one."""

    def double(sheet: Worksheet) -> None:
        theirs = next(cell.column for cell in sheet[1] if name.lower() in str(cell.value).lower())
        for row in range(1, 22):
            sheet.cell(row, 12).value = sheet.cell(row, theirs).value if row > 1 else name

    changed(folder, double)
    assert len(read(folder)[0].clips) == 20
    changed(folder, lambda sheet: setattr(sheet.cell(5, 12), "value", value))
    with pytest.raises(DataError, match=f"a column `.*` and a column `{name}`, with other cells"):
        read(folder)


def test_what_a_formula_was_calculated_to_is_taken(tmp_path: Path) -> None:
    """As spreadsheet programs save it: the formula and its value."""
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.append([1, "=A2+1"])
    book.save(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as parts:
        data = {name: parts.read(name) for name in parts.namelist()}
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as parts:
        for name, part in data.items():
            part = part.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>")
            parts.writestr(name, part)
    assert tables_of(tmp_path / "a.xlsx", 0)[0].rows == (("a", "b"), ("1", "2"))
    found = read_sheet(tmp_path / "a.xlsx", {"b": ("b",), "a": ("a",)}, {})
    assert found is not None and found.rows[0].cells == {"a": "1", "b": "2"} and found.said == ()


def test_a_pipe_beside_the_sheet_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "notes.xlsx")
    assert len(read(folder)[0].clips) == 20


@pytest.mark.parametrize(
    "name", ["CASME2-coding-20140508 (1)", "CASME2-coding-20140508 - Copy", "Copy of CASME2-coding-20140508"]
)
def test_a_copy_of_a_sheet_is_read_if_it_says_the_same_and_asked_about_if_not(folder: Path, name: str) -> None:
    (folder / f"{name}.xlsx").write_bytes((folder / BOOK).read_bytes())
    before = read(folder)
    assert f"the sheet is {BOOK}; move it away to have {name}.xlsx read instead" in before[2]
    changed(folder, put(f"{APEX}2", 41))
    with pytest.raises(DataError, match="sheets that say different things, and nothing tells which is meant"):
        read(folder)


def test_of_two_sheets_whose_names_tell_no_age_neither_is_picked(folder: Path) -> None:
    (folder / "CASME2-final.xlsx").write_bytes((folder / BOOK).read_bytes())
    changed(folder, put(f"{APEX}2", 41), "CASME2-new.xlsx")
    with pytest.raises(DataError, match=r"CASME2-final\.xlsx and .*CASME2-new\.xlsx"):
        read(folder)


def test_of_two_copies_of_the_frames_neither_is_picked_but_the_one_beside_the_sheet(folder: Path) -> None:
    shutil.copytree(folder / "Cropped", folder / "Cropped_v2")
    with pytest.raises(DataError, match=r"copies of the frames, .*Cropped and .*Cropped_v2"):
        read(folder)
    (folder / "old").mkdir()
    (folder / "Cropped_v2").rename(folder / "old" / "Cropped")
    assert {clip.path.parts[-3] for clip in read(folder)[0].clips} == {"Cropped"}
    assert {clip.path.parent.parent.parent for clip in read(folder)[0].clips} == {folder}


@pytest.mark.parametrize("cell", ["../sub01/EP02_01f", "sub02\\EP02_01f", "./EP02_01f"])
def test_a_name_that_leads_to_another_folder_is_refused(folder: Path, cell: str) -> None:
    changed(folder, put("B5", cell))
    _, problems, _ = read(folder)
    assert [each for each in problems if f"row 5: the clip is {cell!r}, which leads to another folder" in each]


def test_a_subject_whose_number_was_shortened_is_refused(folder: Path) -> None:
    changed(folder, put("A5", "2.01405E+10"))
    _, problems, _ = read(folder)
    assert problems == [f"{BOOK} row 5: the subject is 2.01405E+10, a number that a spreadsheet program has shortened"]


def test_what_a_program_hides_or_strikes_out_is_read_and_told(folder: Path) -> None:
    def change(sheet: Worksheet) -> None:
        sheet.column_dimensions["F"].hidden = True
        sheet.column_dimensions["Z"].hidden = True  # with nothing in it
        sheet["B4"].font = Font(strike=True)
        sheet["E6"].comment = Comment("see the video", "coder 2")

    changed(folder, change)
    manifest, problems, said = read(folder)
    assert len(manifest.clips) == 20 and not problems
    for words in ("column F is hidden: read all", "row 4 is struck out: read all", "row 6 is commented: no comment is"):
        assert any(each.startswith(f"{BOOK}: {words}") for each in said)


def as_text(folder: Path, name: str, encoding: str, parted: str = ",") -> Path:
    """The sheet as text under any name, in place of the book."""
    lines = [
        parted.join("" if cell is None else str(cell) for cell in row)
        for row in openpyxl.load_workbook(folder / BOOK).worksheets[0].iter_rows(values_only=True)
    ]
    (folder / BOOK).unlink()
    (folder / name).write_bytes("\n".join(lines).encode(encoding))
    return folder / name


@pytest.mark.parametrize("name", ["CASME2-coding-20140508.xls", BOOK, "CASME2-coding-20140508.xlsm"])
def test_text_is_read_whatever_program_the_name_speaks_of(folder: Path, name: str) -> None:
    before = read(folder)[0].clips
    as_text(folder, name, "utf-8", "\t")
    assert [replace(clip, row=None) for clip in read(folder)[0].clips] == [replace(clip, row=None) for clip in before]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("Subject,Filename\n".encode("utf-16-le"), "it holds zero bytes, as UTF-16 without its mark does"),
        (b"Subject,Filename\n1,EP02" + bytes(40), "or a copy that failed"),
        (b"\xef\xbb\xbf \n<html><table><tr><td>Subject", "it is a page of HTML or XML"),
        (b"", "it is empty"),
        ("Subject,Filename\n1,é".encode("cp1252"), "'utf-8' codec can't decode"),
        ("Subject,Filename\n1,表".encode("shift-jis"), "'utf-8' codec can't decode"),
    ],
    ids=["utf-16 without a mark", "zeros at the end", "html", "empty", "cp1252", "shift-jis"],
)
@pytest.mark.parametrize("ending", ["csv", "xls", "xlsx"])
def test_what_is_no_table_is_refused_under_each_name(tmp_path: Path, data: bytes, why: str, ending: str) -> None:
    (tmp_path / f"a.{ending}").write_bytes(data)
    with pytest.raises(DataError, match=f"cannot be read: .*{why}"):
        tables_of(tmp_path / f"a.{ending}", 0)
