"""Rows of text whose quotation marks are in pairs: one that stands alone swallows the rows below it without a word.

A cell may hold several lines. What a lone mark swallows looks the same, but for what parts the columns of the rows in
it: so a cell of several lines with as many commas as a row is refused, and a mark that nothing closes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    DictReader = csv.DictReader[str]
else:
    DictReader = csv.DictReader

NEVER_CLOSED = "is a quotation mark opened here and never closed?"


class WholeRows(DictReader):
    """Rows by the names of their columns; `csv.Error` where a cell may hold others."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file, strict=True)

    def __next__(self) -> dict[str, str]:
        before = self.line_num
        row = super().__next__()
        if self.line_num > before + 1:  # most rows are of one line, and their cells need not be asked
            require_whole((cell for cell in row.values() if isinstance(cell, str)), len(self.fieldnames or ()))
        return row


def whole_rows(file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold anything, each with the number of its last line.

    Raises
    ------
    csv.Error
        A cell may hold rows.
    """
    reader = csv.reader(file, strict=True)
    columns = 0
    for row in reader:
        if row:
            columns = columns or len(row)
            require_whole(row, columns)
            yield reader.line_num, row


def require_whole(cells: Iterable[str], columns: int, delimiter: str = ",") -> None:
    """See that none of a row's cells holds other rows.

    Raises
    ------
    csv.Error
        One may.
    """
    for cell in cells:
        if ("\n" in cell or "\r" in cell) and cell.count(delimiter) >= max(1, columns - 1):
            raise csv.Error(f"a cell of {len(cell.splitlines())} lines holds as many `{delimiter}` as a row")


def why(error: Exception) -> str:
    """What was wrong with a file's rows, in words."""
    return f"{error}; is a quotation mark not closed?" if isinstance(error, csv.Error) else str(error)
