"""All rows of the data sets in a folder, as clips and as what is to be said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from p2pfl_me.data.clip import Clip, Dropped, Fault, Manifest, Problem, Remark, in_order
from p2pfl_me.data.datasets.find import find_sources
from p2pfl_me.data.datasets.layout import Entry, Source
from p2pfl_me.data.datasets.resolve import Found, resolve
from p2pfl_me.data.images import frame_numbers
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.names import NameWatch

LISTINGS = 16
"""Folders whose frame numbers are kept: clips of one film stand together in the sheet."""


def dataset_rows(folder: Path, labels: Labels) -> Iterator[Found]:
    """Row after row of every data set in `folder`, in the order of their sheets.

    Raises
    ------
    DataError
        No data set is recognised.
    """
    for source in find_sources(folder):
        yield from source.remarks
        yield from _source_rows(source, labels)


def scan_datasets(folder: Path, labels: Labels) -> tuple[Manifest, tuple[Problem, ...], tuple[Remark, ...]]:
    """The clips that can be used, and what is wrong with the other rows; no image is opened.

    Raises
    ------
    DataError
        No data set is recognised.
    """
    clips: list[Clip] = []
    problems: list[Problem] = []
    remarks: list[Remark] = []
    dropped: Counter[str] = Counter()
    names = NameWatch()
    for found in dataset_rows(folder, labels):
        if isinstance(found, Clip):
            wrong = list(names.see(found))
            problems += wrong
            clips += [] if wrong else [found]
        elif isinstance(found, Problem):
            problems.append(found)
        elif isinstance(found, Dropped):
            dropped[found.label] += 1
        else:
            remarks.append(found)
    if not (clips or problems):
        problems.append(Problem(0, Fault.EMPTY, "no clips"))
    return Manifest(folder, tuple(clips), dict(sorted(dropped.items()))), in_order(problems), tuple(remarks)


def _source_rows(source: Source, labels: Labels) -> Iterator[Found]:
    numbers = lru_cache(LISTINGS)(frame_numbers)
    first: dict[tuple[object, ...], Entry] = {}
    for entry in source.entries():
        if not isinstance(entry, Entry):
            yield entry
            continue
        # A row without a clip's name has no folder of its own either: `resolve` says what it lacks.
        whole = entry.clip and not source.layout.film
        before = first.setdefault((entry.folder,) if whole else (entry.folder, entry.onset, entry.offset), entry)
        if before is not entry:
            yield Problem(0, Fault.DUPLICATE, f"the same clip as {before.row}{_but(before, entry)}", entry.row)
            continue
        yield from resolve(entry, source.layout, labels, numbers)


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
