"""The tables of a file, cell by cell as text: xlsx, xls and CSV, whatever the file's name says.

What a file says of itself is not believed: the size that an .xlsx states of its sheets may be too small. Cells that
hold no value of their own (an error, a formula that was never calculated, a date that a program made of a name) are
`Unread`: they may not pass for cells that were left empty.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from p2pfl_me.errors import DataError

if TYPE_CHECKING:
    import xlrd
    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.worksheet.worksheet import Worksheet

SHEETS = {".xlsx", ".xlsm", ".xls", ".csv", ".tsv"}
FOREIGN = {
    ".ods": "an OpenDocument sheet",
    ".fods": "an OpenDocument sheet",
    ".xlsb": "a binary Excel sheet",
    ".numbers": "a Numbers sheet",
}
"""Sheets that are not read, and are not passed over in silence."""
MOST_CELLS = 5_000_000
DELIMITERS = ",;\t|"
WHOLE_FLOAT = re.compile(r"(-?[0-9]+)[.,](?!000$)0+")
"""46.0 or 46,0 is 46; 1,000 may be one or a thousand."""
SHOWN = 8
"""Rows that a remark names."""


class Unread(str):
    """A cell whose text is not what was meant; `why` in words that follow the column's name."""

    why: str

    def __new__(cls, text: str, why: str) -> Unread:
        made = super().__new__(cls, text)
        made.why = why
        return made


@dataclass(frozen=True)
class Table:
    """One sheet of a file: `rows` from the first on, whatever its program shows; `said` is odd about it."""

    name: str
    rows: tuple[tuple[str, ...], ...]
    hidden: bool = False
    said: tuple[str, ...] = ()


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
        if path.suffix.lower() in {".csv", ".tsv"}:
            return tuple(_delimited(path))
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
        return _new_workbook(path) if zipped else _old_workbook(path)
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DataError(
            f"cannot be read: {error}", where=str(path), fix="save the sheet again as .xlsx, without a password"
        ) from error


def _delimited(path: Path) -> Iterator[Table]:
    """One table for each sign that may part its columns: programs of half the world write semicolons."""
    data = path.read_bytes()
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = data.decode("utf-16" if wide else "utf-8-sig")
    for delimiter in DELIMITERS:
        if delimiter in text or delimiter == ",":
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            yield Table("", tuple(tuple(_text(cell) for cell in row) for row in rows))


def _new_workbook(path: Path) -> tuple[Table, ...]:
    import zipfile

    import openpyxl

    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")  # of styles and extensions that openpyxl leaves aside
        try:
            # Not in its mode for large files, which believes the stated size and knows no hidden rows.
            book = openpyxl.load_workbook(file, data_only=True)
            with zipfile.ZipFile(file) as parts:
                calculated = any(
                    b"<f" in parts.read(name) for name in parts.namelist() if name.startswith("xl/worksheets/sheet")
                )
            formulas = openpyxl.load_workbook(file) if calculated else None
        except zipfile.BadZipFile as error:
            raise ValueError("not an .xlsx file") from error
    return tuple(_new_table(sheet, formulas[sheet.title] if formulas else None) for sheet in book.worksheets)


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
    said = _merge(cells, merged)
    hidden = [number for number, row in sheet.row_dimensions.items() if row.hidden and number <= len(cells)]
    return Table(
        sheet.title, tuple(map(tuple, cells)), sheet.sheet_state != "visible", (*said, *_hidden_rows(hidden, cells))
    )


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
        return tuple(_old_table(sheet, book.datemode) for sheet in book.sheets())
    except Exception as error:  # of a damaged file xlrd raises whatever its parsing met: struct, index, assertion
        raise ValueError(f"not an .xls file ({error})") from error


def _old_table(sheet: xlrd.sheet.Sheet, datemode: Literal[0, 1]) -> Table:
    cells = [
        [
            _old_cell(kind, value, datemode)
            for kind, value in zip(sheet.row_types(row), sheet.row_values(row), strict=True)
        ]
        for row in range(sheet.nrows)
    ]
    merged = [(top, bottom - 1, left, right - 1) for top, bottom, left, right in sheet.merged_cells]
    hidden = [number + 1 for number, row in sheet.rowinfo_map.items() if row.hidden and number < len(cells)]
    said = _merge(cells, merged)
    return Table(sheet.name, tuple(map(tuple, cells)), sheet.visibility != 0, (*said, *_hidden_rows(hidden, cells)))


def _old_cell(kind: int, value: object, datemode: Literal[0, 1]) -> str:
    import xlrd

    if kind == xlrd.XL_CELL_ERROR:
        code = int(str(value))
        return _error(xlrd.error_text_from_code.get(code, f"of code {code}"))
    if kind == xlrd.XL_CELL_DATE and isinstance(value, float):
        return _text(xlrd.xldate_as_datetime(value, datemode))
    return _text(value)


def _merge(cells: list[list[str]], areas: Iterable[tuple[int, int, int, int]]) -> Iterator[str]:
    """Give every cell of a column's merged area what its first says; what is merged across columns is nobody's."""
    said: dict[str, list[int]] = {}
    for top, bottom, left, right in sorted(areas):
        if not cells or top >= len(cells):
            continue
        value = cells[top][left] if left < len(cells[top]) else ""
        if left == right and value:
            said.setdefault("are merged in a column: each has its value", []).append(top + 1)
        for row in range(top, min(bottom + 1, len(cells))):
            for column in range(left, min(right + 1, len(cells[row]))):
                if left == right:
                    cells[row][column] = value
                elif value and top > 0 and (row, column) != (top, left):
                    cells[row][column] = Unread(value, "is merged with the column beside it: split the cells")
    return (f"{_rows(numbers)} and those below {text}" for text, numbers in said.items())


def _hidden_rows(numbers: Iterable[int], cells: list[list[str]]) -> Iterator[str]:
    hidden = sorted(number for number in numbers if any(cells[number - 1]))
    if hidden:
        yield f"{_rows(hidden)} {'are' if len(hidden) > 1 else 'is'} hidden, by a filter or by hand: read all the same"


def _rows(numbers: list[int]) -> str:
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"row{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers[:SHOWN]))}{more}"


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
    text = str(value).strip()
    return whole[1] if (whole := WHOLE_FLOAT.fullmatch(text)) else text


def unread(cells: Mapping[str, str]) -> str:
    """What is wrong with the cells of a row, in words; nothing where all can be read."""
    return "; ".join(f"the {name} {cell.why}" for name, cell in cells.items() if isinstance(cell, Unread))
