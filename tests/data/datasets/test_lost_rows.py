"""Rows that a file holds and its reader drops without a word: a lone quotation mark, two parts of a name, a prefix."""

from __future__ import annotations

import csv
import json
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner

from p2pfl_me.cli.data import data
from p2pfl_me.data.choose import read_list
from p2pfl_me.data.classes import read_with_classes
from p2pfl_me.data.forget import read_rows
from p2pfl_me.data.identity_rules import read_persons
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.reading import scan_clips
from p2pfl_me.data.twins.write import Twin
from p2pfl_me.errors import DataError
from p2pfl_me.live.intervals import read_truth
from tests.data.datasets.test_datasets import copied
from tests.data.datasets.test_sheets import BOOK, read
from tests.data.make import contract, good

PART = "xl/worksheets/sheet1.xml"


@pytest.fixture
def folder(twins: dict[str, Twin], tmp_path: Path) -> Path:
    return copied(twins["casme2"], tmp_path / "c")


def as_text(folder: Path) -> list[str]:
    """The sheet's rows as lines of CSV, with a column of notes behind them, instead of the book."""
    rows = openpyxl.load_workbook(folder / BOOK).worksheets[0].iter_rows(values_only=True)
    (folder / BOOK).unlink()
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    return [f"{lines[0]},Notes", *(f"{line}," for line in lines[1:])]


ALONE = {"one": {3: '"a"" b'}, "two": {3: '"left eye', 6: 'half closed"'}, "two in a row": {3: '"left', 4: 'right"'}}


@pytest.mark.parametrize("marks", ALONE.values(), ids=ALONE)
def test_a_quotation_mark_that_stands_alone_swallows_no_row_of_a_sheet(folder: Path, marks: dict[int, str]) -> None:
    lines = as_text(folder)
    sheet = folder / "CASME2-coding-20140508.csv"
    sheet.write_text("\n".join([*lines[:2], lines[2] + '"two\nlines, and a comma"', *lines[3:]]))
    assert len(read(folder)[0].clips) == len(lines) - 1
    sheet.write_text("\n".join(line + marks.get(number, "") for number, line in enumerate(lines)))
    with pytest.raises(DataError, match=r"may have lost rows: (in )?row [0-9]+"):
        read(folder)


@pytest.mark.parametrize("marks", ALONE.values(), ids=ALONE)
def test_nor_of_ones_own_lists(tmp_path: Path, marks: dict[int, str]) -> None:
    rows = good(tmp_path)
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=[*rows[0], "person", "notes"])
        writer.writeheader()
        writer.writerows({**row, "person": "", "notes": ""} for row in rows)
    lines = (tmp_path / "manifest.csv").read_text().splitlines()
    (tmp_path / "manifest.csv").write_text("\n".join(line + marks.get(at, "") for at, line in enumerate(lines)))
    _, problems, _ = scan_clips(tmp_path, Labels())
    assert ["quotation mark" in problem.text for problem in problems] == [True]
    with pytest.raises(DataError, match="quotation mark"):
        read_rows(tmp_path)
    lists: dict[str, tuple[str, Callable[[Path], object]]] = {
        "only.csv": ("subject,clip,notes", read_list),
        "people.csv": ("subject,person,notes", read_persons),
        "truth.csv": ("onset_s,offset_s,notes", lambda path: read_truth(path, [])),
    }
    for name, (header, reader) in lists.items():
        text = "\n".join([header, *(f"{row},{row},{marks.get(row, '')}" for row in range(1, 9))])
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match="quotation mark"):
            reader(tmp_path / name)


def rewritten(folder: Path, change: Callable[[bytes], bytes], name: str = PART) -> None:
    """The book with its first sheet changed, under another name in its archive if one is given."""
    openpyxl.load_workbook(folder / BOOK).save(folder / BOOK)
    with zipfile.ZipFile(folder / BOOK) as book:
        parts = {each: book.read(each) for each in book.namelist()}
    with zipfile.ZipFile(folder / BOOK, "w") as book:
        for each, data in parts.items():
            renamed = data.replace(b"worksheets/sheet1.xml", name.removeprefix("xl/").encode())
            book.writestr(name if each == PART else each, change(data) if each == PART else renamed)


def test_of_two_parts_or_cells_under_one_name_no_reader_picks_one(folder: Path) -> None:
    rewritten(folder, lambda part: part)
    with zipfile.ZipFile(folder / BOOK) as book:
        part = book.read(PART)
    whole = (folder / BOOK).read_bytes()
    with zipfile.ZipFile(folder / BOOK, "a") as book, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        book.writestr(PART, part)
    with pytest.raises(DataError, match=f"it holds {PART} twice"):
        read(folder)
    (folder / BOOK).write_bytes(whole)
    rewritten(folder, lambda part: re.sub(rb'r="([A-Z]*)13"', rb'r="\g<1>12"', part))
    with pytest.raises(DataError, match="has two cells A12"):
        read(folder)


def prefixed(part: bytes) -> bytes:
    """As the Open XML SDK writes it: a prefix before every name."""
    return re.sub(rb"<(/?)(\w)", rb"<\1x:\2", part).replace(b"xmlns=", b"xmlns:x=")


def as_is(part: bytes) -> bytes:
    return part


@pytest.mark.parametrize(("change", "name"), [(prefixed, PART), (as_is, "xl/worksheets/Data.xml")])
def test_a_formula_without_a_value_is_seen_whatever_its_program_calls_things(
    folder: Path, change: Callable[[bytes], bytes], name: str
) -> None:
    offset = rb'<c r="F5"[^>]*>.*?</c>'
    rewritten(folder, lambda part: change(re.sub(offset, b'<c r="F5"><f>E5+6</f></c>', part)), name)
    _, problems, _ = read(folder)
    assert ["row 5: the offset is a formula without a value" in problem for problem in problems] == [True]


def test_what_else_could_be_the_sheet_is_told(folder: Path) -> None:
    """A corrected sheet of half the clips, one of other people, one of something else, and kinds that nobody reads."""
    book = openpyxl.load_workbook(folder / BOOK)
    book.worksheets[0].delete_rows(8, 99)
    book.save(folder / "CASME2-coding-20190701.xlsx")
    book.worksheets[0].delete_rows(2, 99)
    book.worksheets[0].append([77, "EP01_01f", None, 1, 2, 3, None, "", "disgust"])
    book.save(folder / "others.xltx")
    (folder / "weather.tab").write_text("day\tsun\n1\t2\n")
    (folder / "notes.txt").write_bytes(b"Gr\xfc\xdfe, no sheet\n")
    kinds = {"a.et": "WPS", "a.sxc": "OpenDocument", "a.gnumeric": "Gnumeric", "a.htm": "HTML", "a.gsheet": "Google"}
    for name in kinds:
        (folder / name).write_bytes(b"some")
    manifest, problems, remarks = read(folder)
    assert (len(manifest.clips), problems) == (20, [])
    said = "\n".join(remarks)
    assert f"the sheet is {BOOK}; CASME2-coding-20190701.xlsx has its columns, and names fewer of the folders" in said
    assert re.search("others.xltx has the columns of .*CASME II.*, and none of its folders is here: not read", said)
    assert "no row of weather.tab names the columns of a data set: not read" in said
    assert "notes.txt" not in said
    for name, kind in kinds.items():
        assert re.search(rf"{name} is an? .*{kind}.*, which is not read", said)


@pytest.mark.parametrize("names", [["a.zip"], ["a.xml", "b.parquet", "c.pdf", "d.mat", "e.RAR"]])
def test_what_may_hold_the_rows_and_is_no_sheet_is_named(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).write_bytes(b"some")
    manifest, problems, remarks = read(folder)
    assert (len(manifest.clips), problems) == (20, [])
    said = "a.zip may hold rows, and is no sheet" if len(names) == 1 else "a.xml, b.parquet, c.pdf and 2 more may hold"
    assert [said in remark for remark in remarks].count(True) == 1
    (folder / BOOK).unlink()
    with pytest.raises(DataError, match=f"no sheet names their clips; .*{said}"):
        read(folder)


def test_an_audit_of_folds_reads_the_sheet_as_a_check_does(folder: Path, tmp_path: Path) -> None:
    """One that states too small a size is read to its end, what is no value refused, what else lies there told."""

    def audited(*names: str) -> str:
        folds = [{"name": name, "pool": "all", "held_out": [name]} for name in names]
        (tmp_path / "split.json").write_text(json.dumps({"subjects_leak": False, "folds": folds}))
        run = CliRunner().invoke(
            data, ["audit", str(tmp_path / "split.json"), "--data", str(folder), "--rows-only"], catch_exceptions=False
        )
        return run.output

    people = [f"casme2/sub0{number}" for number in range(1, 5)]
    (folder / "labels.parquet").write_bytes(b"some")
    rewritten(folder, lambda part: re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1:I7"', part))
    said = audited(*people)
    assert "20 clips in 4 places" in said and "note: labels.parquet may hold rows" in said
    with pytest.raises(DataError, match=r"no clip of casme2/sub77 and 1 other, who are held out"):
        audited(*people, "casme2/sub77", "casme2/sub78")
    rewritten(folder, lambda part: re.sub(rb'<c r="F5"[^>]*>.*?</c>', b'<c r="F5"><f>E5+6</f></c>', part))
    with pytest.raises(DataError, match="row 5: the offset is a formula without a value"):
        audited(*people)


def test_a_sheet_under_a_name_of_notes_is_a_sheet(folder: Path) -> None:
    lines = as_text(folder)
    (folder / "CASME2-coding-20140508.txt").write_text("\n".join(line.replace(",", "\t") for line in lines))
    assert len(read(folder)[0].clips) == 20


def test_a_run_says_which_sheet_it_takes_and_what_else_lies_there(folder: Path) -> None:
    book = openpyxl.load_workbook(folder / BOOK)
    book.worksheets[0].delete_rows(8, 99)
    book.save(folder / "CASME2-coding-20190701.xlsx")
    said: list[str] = []
    read_with_classes(contract(), folder, said.append)
    assert any(f"note: the sheet is {BOOK}; CASME2-coding-20190701.xlsx has its columns" in words for words in said)
    assert any(re.fullmatch(r"[0-9]+ notes on rows of .*: `p2pme data check` shows them", words) for words in said)


def test_rows_below_a_mark_that_is_not_closed_are_not_left_out(tmp_path: Path) -> None:
    good(tmp_path)
    (tmp_path / "manifest.csv").write_text(
        'path,dataset,subject,clip,label,notes\n0-0.png,lab,1,a,positive,"left\n' * 2
    )
    out = tmp_path / "sound.csv"
    run = CliRunner().invoke(data, ["manifest", str(tmp_path), "-o", str(out), "--leave-out"])
    assert isinstance(run.exception, DataError) and "not closed" in str(run.exception).replace("never", "not")
    assert not out.exists()
