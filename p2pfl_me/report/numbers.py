"""The numbers of a figure or a table as CSV text, and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

Cell = str | int | float | None
Row = dict[str, str]
"""One line of a CSV by the names in its header; an empty text where there was None."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """One header line, then the rows; floats with seven figures, None as an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def csv_rows(text: str) -> list[Row]:
    """The rows of such a text, each by the names in its header."""
    return [{name: _text(cell) for name, cell in row.items()} for row in csv.DictReader(io.StringIO(text))]


def points(rows: Sequence[Row], x: str, y: str, **where: str) -> list[tuple[float, float]]:
    """Two columns of the rows whose cells are those of `where`; rows that lack one of them are left out."""
    own = (row for row in rows if row[x] and row[y] and all(row[name] == value for name, value in where.items()))
    return [(float(row[x]), float(row[y])) for row in own]


def _cell(cell: Cell) -> str | int:
    if isinstance(cell, str):
        # A spreadsheet would take such a name for a formula.
        return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell
    if isinstance(cell, float):
        return f"{cell:.7g}"
    return "" if cell is None else cell


def _text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
