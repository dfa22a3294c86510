"""What a terminal can show: signs that its encoding lacks are written in another way, and never end a command."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

FULL, PLAIN = "\u2588", "#"


def open_what_is_closed() -> None:
    """Standard streams that the shell closed (`>&-`) lead nowhere from here on, for child processes, too; otherwise the
    next files that are opened would take their numbers, and what is printed would be written into them."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(nowhere, True)
            setattr(sys, name, os.fdopen(nowhere, "r" if number == 0 else "w"))


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
