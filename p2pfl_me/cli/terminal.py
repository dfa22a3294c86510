"""What a terminal can show: signs that its encoding lacks are written in another way, and never end a command."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from io import TextIOWrapper

FULL, PLAIN = "\u2588", "#"
LONGEST = 30
"""Signs of a bar at most, and of one for all there is."""


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


def shares(of: Mapping[str, float]) -> Iterator[str]:
    """A line a share, the largest first, each with a bar in so far as the terminal has room for it."""
    wide = max(map(len, of))
    lines = [f"  {name:{wide}}  {share:6.3f}  " for name, share in sorted(of.items(), key=lambda item: -item[1])]
    room = min(LONGEST, shutil.get_terminal_size().columns - max(map(len, lines)))
    for line, share in zip(lines, sorted(of.values(), reverse=True), strict=True):
        yield (line + bar(round(room * share)) if room > 0 else line).rstrip()


def bar(length: int) -> str:
    """A bar of so many signs, of a full block where standard output can show one."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        FULL.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return PLAIN * length
    return FULL * length
