"""Where results go whose folder nobody named, and `runs/latest`, a link to the newest run of that place."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path

RUNS = Path("runs")
LATEST = "latest"


def dated(parent: Path, name: str = "") -> Path:
    """parent/NAME-TIME, or with a number after it where one of the same second is there already."""
    stamp = f"{name}-{datetime.now():%Y%m%d-%H%M%S}".lstrip("-")
    names = (stamp if number == 1 else f"{stamp}-{number}" for number in count(1))
    return next(path for each in names if not (path := parent / each).exists())


def mark_latest(run: Path) -> None:
    """Let `runs/latest` lead to `run`, if that lies in `runs/`; elsewhere, and where no link can be, nothing is done.

    A file or folder that somebody named `latest` stays. The link changes at once: whoever follows it meanwhile finds
    the run of before or this one.
    """
    link = RUNS / LATEST
    if run.parent != RUNS or run.name == LATEST or (link.exists() and not link.is_symlink()):
        return
    passing = RUNS / f".{LATEST}-{secrets.token_hex(4)}"
    with suppress(OSError):  # a file system without links: the run's own name serves
        passing.symlink_to(run.name, target_is_directory=True)
        passing.replace(link)
