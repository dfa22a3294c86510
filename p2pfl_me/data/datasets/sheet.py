"""Annotation sheets as they are: xlsx, xls or CSV, text above and below the table, columns spelled in many ways."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from p2pfl_me.errors import DataError

HEADER_WITHIN = 60
"""Rows among which the header is looked for; SAMM's is the fourteenth."""
SHEETS = {".xlsx", ".xlsm", ".xls", ".csv"}
UNKNOWN = {"", "/", "-", "--", "?", "n/a", "na", "nan", "none", "null", "-1"}
"""Cells that say that a frame is not known."""
WHOLE_FLOAT = re.compile(r"(-?[0-9]+)\.0+")

Columns = Mapping[str, tuple[str, ...]]
"""By our name of a column, how sheets spell it: lower case, letters and digits only."""
Table = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row (from 1, as a spreadsheet counts), its cells by our names of the columns, as text."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Sheet:
    """The rows below the header that hold anything in the columns that are asked for."""

    path: Path
    rows: tuple[SheetRow, ...]

    @property
    def version(self) -> int:
        """The last number of its name: CASME2-coding-20190701 is newer than -20140508, ..v2 than ..v1."""
        return max((int(number) for number in re.findall(r"[0-9]+", self.path.stem)[-1:]), default=0)


def read_sheet(path: Path, needed: Columns, welcome: Columns) -> Sheet | None:
    """The first table in a file that has all the needed columns; None if there is none.

    Text rows below the table (SMIC, SAMM) have nothing in the needed columns but the first, and are passed over.

    Raises
    ------
    DataError
        The file is no spreadsheet.
    """
    for table in _tables(path, path.stat().st_mtime_ns):
        for index, row in enumerate(table[:HEADER_WITHIN]):
            spelled = [_spelled(cell) for cell in row]
            places = {name: _place(spelled, ways) for name, ways in {**needed, **welcome}.items()}
            if any(places[name] is None for name in needed):
                continue
            known = {name: place for name, place in places.items() if place is not None}
            found = [
                SheetRow(number, {name: cells[place] if place < len(cells) else "" for name, place in known.items()})
                for number, cells in enumerate(table[index + 1 :], index + 2)
            ]
            return Sheet(path, tuple(row for row in found if sum(bool(row.cells[name]) for name in needed) > 1))
    return None


def frame_number(text: str) -> int | None:
    """A frame number in a cell; None where it is marked as unknown.

    Raises
    ------
    ValueError
        Neither.
    """
    if text.lower() in UNKNOWN:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"is {text!r}, not a frame number")
    return int(text)


@lru_cache(64)
def _tables(path: Path, _changed: int) -> tuple[Table, ...]:
    """All tables of a file as text; kept, because every known layout looks for its columns."""
    try:
        if path.suffix.lower() == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                return (tuple(tuple(_text(cell) for cell in row) for row in csv.reader(file)),)
        return _workbook(path)
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DataError(
            f"cannot be read: {error}", where=str(path), fix="save the sheet again as .xlsx, without a password"
        ) from error


def _workbook(path: Path) -> tuple[Table, ...]:
    """By what the file is, whatever its name says."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    return _new_workbook(path) if zipped else _old_workbook(path)


def _new_workbook(path: Path) -> tuple[Table, ...]:
    from zipfile import BadZipFile

    import openpyxl

    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")  # of styles and extensions that openpyxl leaves aside
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        except BadZipFile as error:
            raise ValueError("not an .xlsx file") from error
        try:
            return tuple(
                tuple(tuple(_text(value) for value in row) for row in sheet.iter_rows(values_only=True))
                for sheet in book.worksheets
            )
        finally:
            book.close()


def _old_workbook(path: Path) -> tuple[Table, ...]:
    """Excel 97 to 2003, and older."""
    import io

    import xlrd

    try:
        book = xlrd.open_workbook(str(path), logfile=io.StringIO())
    except Exception as error:  # of a damaged file xlrd raises whatever its parsing met: struct, index, assertion
        raise ValueError(f"not an .xls file ({error})") from error
    return tuple(
        tuple(
            tuple("" if kind == xlrd.XL_CELL_ERROR else _text(value) for kind, value in zip(kinds, values, strict=True))
            for kinds, values in ((sheet.row_types(row), sheet.row_values(row)) for row in range(sheet.nrows))
        )
        for sheet in book.sheets()
    )


def _text(value: object) -> str:
    """Numbers as they are written: 46, not 46.0, which programs make of a column with an empty cell."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return whole[1] if (whole := WHOLE_FLOAT.fullmatch(text)) else text


def _spelled(cell: str) -> str:
    return re.sub(r"[^a-z0-9]", "", cell.lower())


def _place(spelled: Sequence[str], ways: tuple[str, ...]) -> int | None:
    return next((spelled.index(way) for way in ways if way in spelled), None)
