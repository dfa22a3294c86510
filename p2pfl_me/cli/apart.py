"""What a command writes is none of what it reads: a film, a sheet, a key or a checkpoint under `-o` would be lost."""

from __future__ import annotations

import os
from pathlib import Path

from p2pfl_me.errors import P2pmeError


def require_apart(
    out: Path | None, *read: Path | None, again: str = "", fix: str = "name another file with -o"
) -> None:
    """See, before any work is done, that the file to be written is not among what is read.

    A file that stands in a folder that is read counts as read, but for those whose name ends with `again`: what this
    command itself wrote there before.

    Raises
    ------
    P2pmeError
        It is.
    """
    if out is None or not os.path.lexists(out):
        return
    for each in filter(None, read):
        inside = each.is_dir() and out.resolve().is_relative_to(each.resolve())
        if (inside and not (again and out.name.endswith(again))) or _same(out, each):
            raise P2pmeError(f"is of what this command reads ({each}), and would be lost", where=str(out), fix=fix)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there, or is no file but a name, as of a ready contract
        return False
