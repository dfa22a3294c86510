"""The seam between the published data sets and the rest: what each one's file says, and what it gives.

A data set is a `Layout`: how its folders and its sheet are recognised, and how a row becomes an `Entry`. What is odd in
an entry, and whether its frames are there, is the same question for all of them (`resolve`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from p2pfl_me.data.cells import rewritten
from p2pfl_me.data.clip import Fault, Problem, Remark, Row
from p2pfl_me.data.datasets.sheet import Columns, Sheet, SheetRow
from p2pfl_me.data.datasets.workbook import unread
from p2pfl_me.data.frames import is_mirror
from p2pfl_me.data.spelling import clean, is_whole

Aside = Problem | Remark
SEPARATORS = frozenset("/\\\0")
"""What parts a path, or ends it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A clip as its data set writes it down: everything as text, nothing checked.

    `folder` holds its frames, or should; `subject` is the data set's own id; `fps` where it differs from clip to clip.
    `aside` is what is to be said instead of it, where the row gives no clip.
    """

    row: Row
    subject: str
    clip: str
    label: str
    folder: Path
    onset: str = ""
    apex: str = ""
    offset: str = ""
    fps: float | None = None
    aside: Problem | Remark | None = None


@dataclass(frozen=True)
class Layout:
    """One published data set.

    Parameters
    ----------
    name:
        Its name in manifests, and the namespace of its subjects.
    sought:
        What is looked for, in words, for whoever points at the wrong folder.
    labels:
        The labels that its sheet is known to have, as `label_maps.plain` spells them.
    holds:
        Whether a folder holds the subjects' (or, in MMEW, the emotions') folders.
    entry:
        From a row and that folder to an entry.
    walk:
        For a data set without a sheet: the entries below that folder.
    needed, welcome:
        Columns of its sheet.
    part, parts:
        Folders of one part are copies of each other (raw and cropped). Several parts show the same expressions before
        other cameras: the first of `parts` that is there is read, the others only where they are named.
    film:
        Whether several clips lie in one long film, so that a folder's first and last frame are no clip's.
    apex_known:
        Whether it publishes apexes at all.
    """

    name: str
    title: str
    fps: float
    sought: str
    labels: frozenset[str]
    holds: Callable[[Path], bool]
    entry: Callable[[SheetRow, Path, Row], Entry] | None = None
    walk: Callable[[Path], Iterator[Entry | Aside]] | None = None
    needed: Columns = field(default_factory=dict)
    welcome: Columns = field(default_factory=dict)
    part: Callable[[Path], str] = lambda _: ""
    parts: tuple[str, ...] = ("",)
    film: bool = False
    apex_known: bool = True


@dataclass(frozen=True)
class Source:
    """A data set that was found: its frames, its sheet, and what to say of the choice."""

    layout: Layout
    frames: Path
    sheet: Sheet | None
    remarks: tuple[Remark, ...] = ()
    weighed: frozenset[Path] = frozenset()
    """Files of the sheets among which this one was chosen."""

    def entries(self) -> Iterator[Entry | Aside]:
        """In the order of the sheet, or of the folders."""
        if self.sheet is None:
            if self.layout.walk:
                yield from self.layout.walk(self.frames)
            return
        if self.layout.entry:
            for row in self.sheet.rows:
                at = Row(self.sheet.path.name, row.number)
                entry = self.layout.entry(row, self.frames, at)
                wrong = unread(row.cells) or _no_name(row.cells)
                yield replace(entry, aside=Problem(0, Fault.CELL, wrong, at)) if wrong else entry


def _no_name(cells: Mapping[str, str]) -> str:
    """What is wrong with the names in a row, in words: they must name one folder, and one person."""
    for name in ("subject", "clip"):
        text = cells.get(name, "")
        if SEPARATORS & set(text):
            return f"the {name} is {text!r}, which leads to another folder: a name is meant"
        if made := rewritten(text):
            return f"the {name} is {text}, {made}"
    return ""


def is_folder(place: Path) -> bool:
    """Whether it is there; a name out of a sheet may be longer than any file's, which `Path.is_dir` raises of."""
    return os.path.isdir(place)  # noqa: PTH112


def folders(place: Path) -> list[str]:
    """Names of the folders in `place`, in the order of their numbers; none where it cannot be read."""
    try:
        with os.scandir(place) as entries:
            names = [entry.name for entry in entries if entry.is_dir() and not is_mirror(entry.name)]
    except OSError:
        return []
    return sorted(names, key=by_number)


def by_number(name: str) -> list[tuple[int, str]]:
    """Sorts `s2` before `s10`."""
    return [(int(part), "") if is_whole(part) else (-1, part) for part in re.split(r"([0-9]+)", name) if part]


def spelled_like(place: Path, name: str) -> Path:
    """The folder `name` in `place`, or the only one whose name differs in case, blanks and leading zeros alone."""
    if is_folder(place / name):
        return place / name
    alike = [other for other in folders(place) if _bare(other) == _bare(name)]
    return place / (alike[0] if len(alike) == 1 else name)


def _bare(name: str) -> str:
    return re.sub(r"0+(?=[0-9])", "", re.sub(r"\s", "", clean(name).casefold()))
