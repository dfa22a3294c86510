"""Workbooks saved as Strict Open XML: the same parts under other names of their vocabulary (ISO/IEC 29500)."""

from __future__ import annotations

import io
import re
import zipfile
from typing import BinaryIO

STRICT = b"http://purl.oclc.org/ooxml/"
NAMES = re.compile(rb"http://purl\.oclc\.org/ooxml/([A-Za-z]+)/")


def as_usual(file: BinaryIO) -> BinaryIO:
    """The workbook under the names that readers know; `file` itself, from its beginning, where it has them.

    Raises
    ------
    zipfile.BadZipFile
        It is no archive.
    """
    with zipfile.ZipFile(file) as parts:
        strict = "xl/workbook.xml" in parts.namelist() and STRICT in parts.read("xl/workbook.xml")
        renamed = io.BytesIO()
        if strict:
            with zipfile.ZipFile(renamed, "w") as made:
                for name in parts.namelist():
                    made.writestr(name, NAMES.sub(rb"http://schemas.openxmlformats.org/\1/2006/", parts.read(name)))
    found = renamed if strict else file
    found.seek(0)
    return found
