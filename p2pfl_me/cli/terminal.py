"""What a terminal can show: signs that its encoding lacks are written in another way, and never end a command."""

from __future__ import annotations

import sys
from io import TextIOWrapper

FULL, PLAIN = "\u2588", "#"


def tolerate_any_name() -> None:
    """From here on, names of files that are not UTF-8, and signs that the encoding lacks, are written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def bar(length: int) -> str:
    """A bar of so many signs, of a full block where standard output can show one."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        FULL.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return PLAIN * length
    return FULL * length
