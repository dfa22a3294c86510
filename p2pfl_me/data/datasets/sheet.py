"""Annotation sheets as they are: text above and below the table, columns spelled in many ways, several tables."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from p2pfl_me.data.datasets.workbook import Table, tables_of
from p2pfl_me.data.frames import without_copy
from p2pfl_me.data.quoted import require_whole
from p2pfl_me.errors import DataError

HEADER_WITHIN = 60
"""Rows among which the header is looked for; SAMM's is the fourteenth."""

Columns = Mapping[str, tuple[str, ...]]
"""By our name of a column, how sheets spell it: lower case, letters and digits only."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row (from 1, as a spreadsheet counts), its cells by our names of the columns, as text."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Sheet:
    """The rows below the header that hold anything in the columns that are asked for, and what is odd about them."""

    path: Path
    rows: tuple[SheetRow, ...]
    said: tuple[str, ...] = ()

    @property
    def version(self) -> int:
        """The last number of its name: CASME2-coding-20190701 is newer than -20140508, ..v2 than ..v1."""
        return max((int(number) for number in re.findall(r"[0-9]+", without_copy(self.path.stem))[-1:]), default=0)


def read_sheet(path: Path, needed: Columns, welcome: Columns) -> Sheet | None:
    """The first table in a file that has all the needed columns, hidden ones last; None if there is none.

    Text rows below the table (SMIC, SAMM) have nothing in the needed columns but the first, and are passed over.

    Raises
    ------
    DataError
        The file is no spreadsheet, a column or the whole table stands there twice with other cells, or a cell of text
        may hold rows.
    """
    tables = tables_of(path, path.stat().st_mtime_ns)
    found = [(table, at) for table in tables if (at := _header(table, needed)) is not None]
    if not found:
        return None
    table, at = min(found, key=lambda pair: pair[0].hidden)
    shown = [other for other, _ in found if not other.hidden]
    if any(other.rows != shown[0].rows for other in shown):
        names = " and ".join(f"`{other.name}` ({len(other.rows)} rows)" for other in shown)
        fix = "hide or remove those that are not meant, or bring all rows into one"
        raise DataError(f"has the columns in several sheets, {names}", where=str(path), fix=fix)
    _require_whole(path, table, at)
    places = _places(path, table, at, {**needed, **welcome})
    rows = [
        SheetRow(number, {name: cells[place] if place < len(cells) else "" for name, place in places.items()})
        for number, cells in enumerate(table.rows[at + 1 :], at + 2)
    ]
    kept = tuple(row for row in rows if sum(bool(row.cells[name]) for name in needed) > 1)
    return Sheet(path, kept, (*_others(table, tables, [other for other, _ in found]), *table.said))


def _require_whole(path: Path, table: Table, at: int) -> None:
    """See that no quotation mark in a text has swallowed rows."""
    fix = "take the quotation mark out that stands alone, or save the sheet as .xlsx"
    if table.torn:
        raise DataError(f"may have lost rows: {table.torn}", where=str(path), fix=fix)
    for number, cells in enumerate(table.rows, 1) if table.delimiter else ():
        try:
            require_whole(cells, len(table.rows[at]), table.delimiter)
        except csv.Error as error:
            raise DataError(f"may have lost rows: in row {number} {error}", where=str(path), fix=fix) from error


def _header(table: Table, needed: Columns) -> int | None:
    """The place of the row that names all the columns."""
    for index, row in enumerate(table.rows[:HEADER_WITHIN]):
        spelled = {_spelled(cell) for cell in row}
        if all(not spelled.isdisjoint(ways) for ways in needed.values()):
            return index
    return None


def _places(path: Path, table: Table, at: int, columns: Columns) -> dict[str, int]:
    """The columns that are there, by our names of them."""
    spelled = [_spelled(cell) for cell in table.rows[at]]
    places = {}
    for ours, ways in columns.items():
        found = [index for way in ways for index, name in enumerate(spelled) if name == way]
        if not found:
            continue
        first, *more = found
        for other in more:
            if any(row[first : first + 1] != row[other : other + 1] for row in table.rows[at + 1 :]):
                one, two = table.rows[at][first], table.rows[at][other]
                names = f"two columns `{one}`" if one == two else f"a column `{one}` and a column `{two}`"
                raise DataError(
                    f"has {names}, with other cells", where=str(path), fix="take the one out that is not meant"
                )
        places[ours] = first
    return places


def _others(table: Table, tables: Sequence[Table], fitting: Sequence[Table]) -> Iterator[str]:
    """Which of a file's sheets is read, and which others there are."""
    others = [other for other in tables if other is not table and any(map(any, other.rows)) and other.name]
    if others or table.hidden:
        names = ", ".join(f"`{other.name}`{_about(other, fitting)}" for other in others)
        hidden = ", which is hidden," if table.hidden else ""
        yield f"sheet `{table.name}`{hidden} is read" + (f", and not {names}" if names else "")


def _about(other: Table, fitting: Sequence[Table]) -> str:
    said = ["hidden"] if other.hidden else []
    said += [f"the same columns, {len(other.rows)} rows"] if any(other is each for each in fitting) else []
    return f" ({', '.join(said)})" if said else ""


def _spelled(cell: str) -> str:
    return re.sub(r"[^a-z0-9]", "", cell.lower())
