"""A sheet as Excel 97 wrote it: BIFF8 records in a compound file. Cells alone, no fonts or formats.

The layouts are those of [MS-XLS] and [MS-CFB]. Some data sets still give their annotation out so.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

SECTOR = 512
LEAST = 4096
"""Shorter streams would lie in the compound file's mini stream: the rest is filled with zeros."""
MAGIC = bytes.fromhex("D0CF11E0A1B11AE1")
LISTED = 109
"""Sectors of the allocation table that the header can name: enough for 7 MB."""
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD

Cell = str | int | None


def old_sheet(rows: Sequence[Sequence[Cell]], name: str = "Sheet1") -> bytes:
    """An .xls file with one table."""
    return _compound(_workbook(rows, name))


def _record(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _begin(kind: int) -> bytes:
    """BOF of BIFF8: kind 5 are the workbook's globals, 16 a sheet."""
    return _record(0x809, struct.pack("<HHHHII", 0x600, kind, 0x0DBB, 0x07CC, 0, 6))


def _workbook(rows: Sequence[Sequence[Cell]], name: str) -> bytes:
    codepage = _record(0x42, struct.pack("<H", 1200))
    short = struct.pack("<BB", len(name), 0) + name.encode("latin-1")
    begin, end = _begin(5), _record(0x0A)
    where = len(begin) + len(codepage) + len(_record(0x85, bytes(6) + short)) + len(end)
    sheets = _record(0x85, struct.pack("<IBB", where, 0, 0) + short)
    return begin + codepage + sheets + end + _begin(16) + b"".join(_cells(rows)) + end


def _cells(rows: Sequence[Sequence[Cell]]) -> Iterator[bytes]:
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            at = struct.pack("<HHH", row, column, 0)
            if isinstance(cell, int):
                yield _record(0x203, at + struct.pack("<d", cell))
            elif cell:
                yield _record(0x204, at + struct.pack("<HB", len(cell), 1) + cell.encode("utf-16-le"))


def _compound(stream: bytes) -> bytes:
    """One stream: header, allocation table, directory, the stream's sectors."""
    size = max(len(stream), LEAST)
    sectors = -(-size // SECTOR)
    tables = -(-(sectors + 1) // (SECTOR // 4 - 1))  # the table holds its own sectors, too
    chain = [FAT] * tables + [END] + [tables + 2 + index for index in range(sectors - 1)] + [END]
    chain += [FREE] * (tables * SECTOR // 4 - len(chain))
    # Version 3, little-endian, sectors of 2^9 bytes; the directory follows the table; no mini stream, no second table.
    header = struct.pack("<8s16x5H6x", MAGIC, 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, tables, tables, 0, LEAST, END, 0, END, 0)
    header += struct.pack(f"<{LISTED}I", *range(tables), *[FREE] * (LISTED - tables))
    places = _entry("Root Entry", 5, 1, END, 0) + _entry("Workbook", 2, FREE, tables + 1, size)
    places += 2 * _entry("", 0, FREE, 0, 0)
    return header + struct.pack(f"<{len(chain)}I", *chain) + places + stream.ljust(sectors * SECTOR, b"\0")


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    """One of four entries of a directory's sector: kind 5 is the root, 2 a stream, 0 nothing."""
    spelled = (name + "\0").encode("utf-16-le") if name else b""
    return struct.pack("<64sHBBIII36xIQ", spelled, len(spelled), kind, 1, FREE, FREE, child, start, size)
