"""A sheet of a few bytes may unpack to any number: no reader takes memory or time beyond a stated bound."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import openpyxl
import pytest

from p2pfl_me.data.datasets import workbook
from p2pfl_me.data.datasets.workbook import tables_of
from p2pfl_me.errors import DataError
from tests.used_up import refusal_where_nothing_is_free

UNPACKED = 1_234_567
"""Bytes of a part, as no other number in its archive reads."""


def test_a_sheet_that_unpacks_to_gigabytes_is_refused_before_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.xlsx"
    openpyxl.Workbook().save(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        book.writestr("xl/more.xml", b" " * UNPACKED)
    stated = UNPACKED.to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(stated) == 2  # beside the part, and in the directory, which is what is read
    path.write_bytes(data.replace(stated, (2 << 30).to_bytes(4, "little")))
    with pytest.raises(DataError, match=r"unpacked it is of 2,14[78] MB, more than 537 MB"):
        tables_of(path, 0)


@pytest.mark.few(1)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to a limit of memory")
def test_a_sheet_that_asks_for_more_memory_than_its_size_allows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes((b"a" * 100_000 + b"\n") * 240)
    assert len(tables_of(path, 0)) == 1
    monkeypatch.setattr(workbook, "TIMES", 1)
    monkeypatch.setattr(workbook, "MORE", 1 << 20)
    told = refusal_where_nothing_is_free(lambda: tables_of(path, 1), DataError)
    assert "asks for more than 25 MB of memory" in told
