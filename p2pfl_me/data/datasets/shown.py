"""What a program shows otherwise than a table is read: cells that are merged, hidden, struck out or commented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from p2pfl_me.data.cells import Unread

SHOWN = 8
"""Rows that a remark names."""


def merge(cells: list[list[str]], areas: Iterable[tuple[int, int, int, int]]) -> Iterator[str]:
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


def hidden_rows(numbers: Iterable[int], cells: list[list[str]]) -> Iterator[str]:
    hidden = sorted(number for number in numbers if any(cells[number - 1]))
    if hidden:
        yield f"{_rows(hidden)} {'are' if len(hidden) > 1 else 'is'} hidden, by a filter or by hand: read all the same"


def hidden_columns(places: Iterable[int], cells: list[list[str]]) -> Iterator[str]:
    if hidden := sorted(place for place in places if any(row[place : place + 1] not in ([], [""]) for row in cells)):
        named = ", ".join(_column(place) for place in hidden[:SHOWN])
        words = ("columns", "are") if len(hidden) > 1 else ("column", "is")
        yield f"{words[0]} {named} {words[1]} hidden: read all the same"


def _column(place: int) -> str:
    """As a spreadsheet calls it: A, B, ..., Z, AA."""
    return (_column(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)


def odd_rows(numbers: Iterable[int], are: str, taken: str) -> Iterator[str]:
    if rows := sorted(numbers):
        yield f"{_rows(rows)} {'are' if len(rows) > 1 else 'is'} {are}: {taken}"


def _rows(numbers: list[int]) -> str:
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"row{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers[:SHOWN]))}{more}"
