"""The tables of a file, cell by cell as text: xlsx, xls and CSV, whatever the file's name says.

What a file says of itself is not believed: the size that an .xlsx states of its sheets may be too small. Cells that
hold no value of their own (an error, a formula that was never calculated, a date that a program made of a name) are
`Unread`: they may not pass for cells that were left empty.
"""

from __future__ import annotations

import csv
import datetime
import io
import os
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from p2pfl_me.data.cells import Unread, as_written
from p2pfl_me.data.datasets.shown import hidden_columns, hidden_rows, merge, odd_rows
from p2pfl_me.data.datasets.strict import as_usual
from p2pfl_me.data.quoted import why
from p2pfl_me.errors import DataError
from p2pfl_me.files import open_regular, read_regular
from p2pfl_me.machine import growing_at_most

if TYPE_CHECKING:
    import xlrd
    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.worksheet.worksheet import Worksheet

TEXT = ".txt"
"""A sheet may be called so, and most files that are called so are none: nothing is said of those."""
SHEETS = {".xlsx", ".xlsm", ".xltx", ".xltm", ".xls", ".xlt", ".csv", ".tsv", ".tab", TEXT}
FOREIGN = {
    **dict.fromkeys((".ods", ".fods", ".ots", ".sxc"), "an OpenDocument sheet"),
    ".xlsb": "a binary Excel sheet",
    ".numbers": "a Numbers sheet",
    **dict.fromkeys((".et", ".ett"), "a WPS sheet"),
    ".gnumeric": "a Gnumeric sheet",
    ".gsheet": "a link to a sheet of Google's",
    **dict.fromkeys((".dif", ".slk", ".wk1", ".wks"), "a sheet of an old kind"),
    **dict.fromkeys((".htm", ".html", ".mht", ".mhtml"), "a page of HTML"),
}
"""Sheets that are not read, and are not passed over in silence."""
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
DOCUMENTS = (".pdf", ".doc", ".docx", ".odt", ".rtf", ".pages")
TABLES = (".xml", ".json", ".jsonl", ".parquet", ".feather", ".arff", ".npz", ".npy", ".pkl", ".h5", ".mat", ".rds")
BASES = (".rdata", ".sav", ".dta", ".sas7bdat", ".db", ".sqlite", ".mdb", ".accdb", ".odb")
ELSEWHERE = frozenset((*ARCHIVES, *DOCUMENTS, *TABLES, *BASES))
"""Files that may hold rows, or a sheet, without being one: they are named where they lie beside a data set."""
HEAD = 64
"""Bytes by which a file is known: programs write text and pages of HTML under .xls."""
OLD = (b"\xd0\xcf\x11\xe0", b"\x09\x08", b"\x09\x04", b"\x09\x02", b"\x09\x00")
MOST_CELLS = 5_000_000
MOST_UNPACKED = 1 << 29
"""Bytes of all parts of an .xlsx together, as it states them, which is as far as they are read: a megabyte can hold a
gigabyte of nothing."""
TIMES, MORE = 200, 1 << 29
"""Bytes that reading a sheet may take: so many for each of the file, and so many more."""
DELIMITERS = ",;\t|"
FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
CELL = re.compile(rb"<(?:\w+:)?c\s[^>]*?\br=\"([A-Z]+[0-9]+)\"")
"""In a part of an .xlsx; some programs write a prefix before every name."""


@dataclass(frozen=True)
class Table:
    """One sheet of a file: `rows` from the first on, whatever its program shows; `said` is odd about it."""

    name: str
    rows: tuple[tuple[str, ...], ...]
    hidden: bool = False
    said: tuple[str, ...] = ()
    delimiter: str = ""
    torn: str = ""
    """Of text: what parts its columns, and why a quotation mark in it may have swallowed rows."""


@lru_cache(64)
def tables_of(path: Path, _changed: int) -> tuple[Table, ...]:
    """All tables of a file; kept, because every known layout looks for its columns.

    Raises
    ------
    DataError
        The file is no spreadsheet, or of a kind that is not read.
    """
    if kind := FOREIGN.get(path.suffix.lower()):
        raise DataError(f"is {kind}, which is not read", where=str(path), fix="save it as .xlsx or as CSV")
    try:
        with open_regular(path) as file:
            head, size = file.read(HEAD), os.fstat(file.fileno()).st_size
        if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
            raise ValueError("it is a page of HTML or XML")
        read = _new_workbook if head.startswith(b"PK") else _old_workbook if head.startswith(OLD) else _delimited
        with growing_at_most(TIMES * size + MORE):
            return read(path)
    except MemoryError as error:
        raise DataError(
            f"asks for more than {(TIMES * size + MORE) / 1e6:,.0f} MB of memory, and has {size / 1e6:,.1f} MB",
            where=str(path),
            fix="it is damaged, or was made to exhaust its reader: save the sheet again as .xlsx",
        ) from error
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DataError(
            f"cannot be read: {error}", where=str(path), fix="save the sheet again as .xlsx, without a password"
        ) from error


def _delimited(path: Path) -> tuple[Table, ...]:
    return tuple(_by_each_delimiter(path))


def _by_each_delimiter(path: Path) -> Iterator[Table]:
    """One table for each sign that may part its columns: programs of half the world write semicolons."""
    data = read_regular(path)
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = data.decode("utf-16" if wide else "utf-8-sig")
    if "\0" in text:
        raise ValueError("it holds zero bytes, as UTF-16 without its mark does, or a copy that failed")
    if not text.strip():
        raise ValueError("it is empty")
    for delimiter in DELIMITERS:
        if delimiter in text or delimiter == ",":
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            cells = tuple(tuple(_text(cell) for cell in row) for row in rows)
            yield Table("", cells, delimiter=delimiter, torn=_torn(text, delimiter))


def _torn(text: str, delimiter: str) -> str:
    """Where a quotation mark stands alone: nothing but the end of the file, or another one's text, closes its cell."""
    if '"' not in text:
        return ""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for number in count(1):
        try:
            if next(rows, None) is None:
                break
        except csv.Error as error:
            return f"row {number}: {why(error)}"
    return ""


def _new_workbook(path: Path) -> tuple[Table, ...]:
    import openpyxl

    with warnings.catch_warnings(), open_regular(path) as written:
        warnings.simplefilter("ignore")  # of styles and extensions that openpyxl leaves aside
        try:
            _require_bounded(written)
            file = as_usual(written)
            # Not in its mode for large files, which believes the stated size and knows no hidden rows.
            book = openpyxl.load_workbook(file, data_only=True)
            formulas = openpyxl.load_workbook(file) if _is_calculated(file) else None
            return tuple(_new_table(sheet, formulas[sheet.title] if formulas else None) for sheet in book.worksheets)
        except zipfile.BadZipFile as error:
            raise ValueError("not an .xlsx file") from error
        except (ValueError, MemoryError):
            raise
        except Exception as error:  # of parts that it does not know openpyxl raises whatever its parsing met
            raise ValueError(f"{type(error).__name__}, {error}") from error


def _is_calculated(file: BinaryIO) -> bool:
    """Whether there is a formula in a book of which each cell stands there once; of two a reader drops one."""
    calculated = False
    with zipfile.ZipFile(file) as parts:
        for name in parts.namelist():
            if name.endswith(".xml"):
                part = parts.read(name)
                calculated = calculated or bool(FORMULA.search(part))
                if twice := [place for place, times in Counter(CELL.findall(part)).items() if times > 1]:
                    raise ValueError(f"its part {name} has two cells {twice[0].decode()}")
    return calculated


def _require_bounded(file: BinaryIO) -> None:
    with zipfile.ZipFile(file) as parts:
        names = Counter(part.filename for part in parts.infolist())
        stated = sum(part.file_size for part in parts.infolist())
    if twice := [name for name, times in names.items() if times > 1]:
        raise ValueError(f"it holds {twice[0]} twice, and which is meant nothing tells")
    if stated > MOST_UNPACKED:
        raise ValueError(f"unpacked it is of {stated / 1e6:,.0f} MB, more than {MOST_UNPACKED / 1e6:,.0f} MB")


def _new_table(sheet: Worksheet, formulas: Worksheet | None) -> Table:
    rows, columns = _extent(sheet)
    cells = [[_new_cell(cell.value, cell.data_type) for cell in row] for row in _cells(sheet, rows, columns)]
    for number, row in enumerate(_cells(formulas, rows, columns) if formulas else ()):
        for column, cell in enumerate(row):
            if cell.data_type == "f" and not cells[number][column]:
                cells[number][column] = Unread(
                    str(cell.value), "is a formula without a value: open it in a spreadsheet program and save it"
                )
    merged = [
        (area.min_row - 1, area.max_row - 1, area.min_col - 1, area.max_col - 1) for area in sheet.merged_cells.ranges
    ]
    hidden = [number for number, row in sheet.row_dimensions.items() if row.hidden and number <= len(cells)]
    places = sheet._cells.items()
    struck = {row for (row, _), cell in places if cell.has_style and cell.value is not None and cell.font.strike}
    said = (
        *merge(cells, merged),
        *hidden_rows(hidden, cells),
        *hidden_columns(_new_hidden(sheet), cells),
        *odd_rows(struck, "struck out", "read all the same"),
        *odd_rows({row for (row, _), cell in places if cell.comment}, "commented", "no comment is read"),
    )
    return Table(sheet.title, tuple(map(tuple, cells)), sheet.sheet_state != "visible", said)


def _new_hidden(sheet: Worksheet) -> Iterator[int]:
    """Hidden columns, from 0; those that follow each other stand under the first."""
    for column in sheet.column_dimensions.values():
        if column.hidden:
            yield from range((column.min or 1) - 1, column.max or column.min or 1)


def _extent(sheet: Worksheet) -> tuple[int, int]:
    """The last row and column of values and formulas: a colour in the farthest corner makes no table of billions."""
    filled = [place for place, cell in sheet._cells.items() if cell.value is not None or cell.data_type == "f"]
    rows, columns = max((row for row, _ in filled), default=0), max((column for _, column in filled), default=0)
    # A formula without a value is none among the values: what it stands in is seen beside others of its row.
    if rows * columns > MOST_CELLS:
        raise ValueError(f"its sheet `{sheet.title}` spreads over {rows:,} rows and {columns:,} columns")
    return rows, columns


def _cells(sheet: Worksheet, rows: int, columns: int) -> Iterator[tuple[Cell | MergedCell, ...]]:
    return sheet.iter_rows(max_row=rows, max_col=columns) if rows and columns else iter(())


def _new_cell(value: object, kind: str) -> str:
    return _error(str(value)) if kind == "e" else _text(value)


def _old_workbook(path: Path) -> tuple[Table, ...]:
    """Excel 97 to 2003, and older."""
    import xlrd

    def opened(formatting: bool) -> xlrd.Book:
        return xlrd.open_workbook(str(path), logfile=io.StringIO(), formatting_info=formatting)

    try:
        try:
            book = opened(True)  # merged cells and hidden rows stand among the formats
        except Exception:
            book = opened(False)
        return tuple(_old_table(sheet, book) for sheet in book.sheets())
    except Exception as error:  # of a damaged file xlrd raises whatever its parsing met: struct, index, assertion
        raise ValueError(f"not an .xls file ({error})") from error


def _old_table(sheet: xlrd.sheet.Sheet, book: xlrd.Book) -> Table:
    cells = [
        [
            _old_cell(kind, value, book.datemode)
            for kind, value in zip(sheet.row_types(row), sheet.row_values(row), strict=True)
        ]
        for row in range(sheet.nrows)
    ]
    merged = [(top, bottom - 1, left, right - 1) for top, bottom, left, right in sheet.merged_cells]
    hidden = [number + 1 for number, row in sheet.rowinfo_map.items() if row.hidden and number < len(cells)]
    columns = [number for number, column in sheet.colinfo_map.items() if column.hidden]
    said = (
        *merge(cells, merged),
        *hidden_rows(hidden, cells),
        *hidden_columns(columns, cells),
        *odd_rows(_old_struck(sheet, book), "struck out", "read all the same"),
        *odd_rows({row + 1 for row, _ in sheet.cell_note_map}, "commented", "no comment is read"),
    )
    return Table(sheet.name, tuple(map(tuple, cells)), sheet.visibility != 0, said)


def _old_struck(sheet: xlrd.sheet.Sheet, book: xlrd.Book) -> set[int]:
    """Rows, from 1, of which a cell is struck out; known where formats could be read."""
    formats = {number for number, each in enumerate(book.xf_list) if book.font_list[each.font_index].struck_out}
    if not formats:
        return set()
    return {
        row + 1
        for row in range(sheet.nrows)
        if any(
            sheet.cell_xf_index(row, column) in formats
            for column in range(sheet.row_len(row))
            if sheet.cell_value(row, column) != ""
        )
    }


def _old_cell(kind: int, value: object, datemode: Literal[0, 1]) -> str:
    import xlrd

    if kind == xlrd.XL_CELL_ERROR:
        code = int(str(value))
        return _error(xlrd.error_text_from_code.get(code, f"of code {code}"))
    if kind == xlrd.XL_CELL_DATE and isinstance(value, float):
        return _text(xlrd.xldate_as_datetime(value, datemode))
    return _text(value)


def _error(text: str) -> Unread:
    return Unread(text, f"is the error {text}")


def _text(value: object) -> str:
    """Numbers as they are written: 46, not 46.0, which programs make of a column with an empty cell."""
    if value is None:
        return ""
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return Unread(str(value), f"is a date or time ({value}), which a spreadsheet program made of what was typed")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return as_written(str(value).strip())


def unread(cells: Mapping[str, str]) -> str:
    """What is wrong with the cells of a row, in words; nothing where all can be read."""
    return "; ".join(f"the {name} {cell.why}" for name, cell in cells.items() if isinstance(cell, Unread))
