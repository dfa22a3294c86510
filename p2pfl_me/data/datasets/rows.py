"""All rows of the data sets in a folder, as clips and as what is to be said of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from p2pfl_me.data.clip import Clip, Fault, Problem, Quirk, Remark
from p2pfl_me.data.datasets.find import find_sources
from p2pfl_me.data.datasets.layout import Entry, Source, is_folder
from p2pfl_me.data.datasets.resolve import Found, resolve
from p2pfl_me.data.datasets.unlisted import unlisted
from p2pfl_me.data.drawn import is_sheet_drawn
from p2pfl_me.data.frames import LISTINGS, frame_numbers
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.spelling import loose


def dataset_rows(folder: Path, labels: Labels) -> Iterator[Found]:
    """Row after row of every data set in `folder`, in the order of their sheets.

    Raises
    ------
    DataError
        No data set is recognised.
    """
    for source in find_sources(folder):
        yield from source.remarks
        drawn = source.sheet is not None and is_sheet_drawn(source.sheet.path)
        for found in _source_rows(source, labels):
            yield replace(found, drawn=True) if drawn and isinstance(found, Clip) else found


def _source_rows(source: Source, labels: Labels) -> Iterator[Found]:
    numbers = lru_cache(LISTINGS)(frame_numbers)
    first: dict[tuple[object, ...], Entry] = {}
    people = _People(source.frames)
    listed: set[Path] = set()
    for entry in source.entries():
        if not isinstance(entry, Entry):
            yield entry
            continue
        listed.add(entry.folder)
        if entry.aside:
            yield entry.aside
            continue
        entry, remarks = people.see(entry)
        yield from remarks
        # A row without a clip's name has no folder of its own either: `resolve` says what it lacks.
        whole = entry.clip and not source.layout.film
        before = first.setdefault((entry.folder,) if whole else (entry.folder, entry.onset, entry.offset), entry)
        if before is not entry:
            yield Problem(0, Fault.DUPLICATE, f"the same clip as {before.row}{_but(before, entry)}", entry.row)
            continue
        yield from resolve(entry, source.layout, labels, numbers)
    yield from unlisted(source, listed)


class _People:
    """Spellings in a sheet that mean one person's folder: `spno.1` and `spNO.1` are who lies in spNO.1.

    Where each has a folder of its own, or the sheet alone knows the subject (MMEW), nothing is said of them here.
    """

    def __init__(self, frames: Path) -> None:
        self._frames = frames
        self._first: dict[str, Entry] = {}
        self._told: set[str] = set()

    def see(self, entry: Entry) -> tuple[Entry, tuple[Remark, ...]]:
        """The entry under the first spelling of its subject, and a remark where that is another one."""
        folder = self._folder(entry)
        first = self._first.setdefault(folder, entry) if folder else entry
        if first.subject == entry.subject:
            return entry, ()
        text = f"subject {entry.subject} is {first.subject} of row {first.row.number}: both mean the folder {folder}"
        new = entry.subject not in self._told
        self._told.add(entry.subject)
        remarks = (Remark(Quirk.SPELLING, text, entry.row),) if new else ()
        return replace(entry, subject=first.subject), remarks

    def _folder(self, entry: Entry) -> str | None:
        """The name of the subject's folder, if the frames lie in one."""
        try:
            name = entry.folder.relative_to(self._frames).parts[0]
        except (ValueError, IndexError):
            return None
        return name if loose(name) == loose(entry.subject) and is_folder(self._frames / name) else None


def _but(before: Entry, entry: Entry) -> str:
    """Which of their cells differ, in words."""
    pairs = {
        "subject": (before.subject, entry.subject),
        "onset": (before.onset, entry.onset),
        "apex": (before.apex, entry.apex),
        "offset": (before.offset, entry.offset),
        "emotion": (before.label, entry.label),
    }
    differ = [name for name, (one, other) in pairs.items() if one != other]
    return f", with another {' and '.join(differ)}" if differ else ""
