"""Which data sets lie in a folder: folders of frames and sheets are looked for, and paired by the rows they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from p2pfl_me.data.clip import Quirk, Remark
from p2pfl_me.data.datasets.known import LAYOUTS
from p2pfl_me.data.datasets.layout import Entry, Layout, Source, folders
from p2pfl_me.data.datasets.sheet import SHEETS, Sheet, read_sheet
from p2pfl_me.errors import DataError

DEPTH = 4
"""Levels below the user's folder that are searched."""
PROBED = 400
"""Rows whose folders are looked up, to see whether sheet and frames belong together."""


@dataclass(frozen=True)
class _Seen:
    """What lies in a folder: places that hold frames, by layout, and files that may be sheets."""

    frames: dict[str, list[Path]]
    sheets: list[Path]


def find_sources(folder: Path) -> list[Source]:
    """The data sets in `folder`, at least one.

    Raises
    ------
    DataError
        None is recognised; the error says what was looked for, and what was found of it.
    """
    seen = _see(folder)
    sources = [source for layout in LAYOUTS for source in _sources(layout, seen)]
    if not sources:
        raise _refusal(folder, seen)
    return sources


def _see(folder: Path) -> _Seen:
    frames: dict[str, list[Path]] = {layout.name: [] for layout in LAYOUTS}
    sheets: list[Path] = []
    for place in _walk(folder, DEPTH, frames):
        sheets += _files(place)
    if any(folder in places for places in frames.values()):  # a folder of frames itself: its sheet lies above
        sheets += [*_files(folder.absolute().parent), *_files(folder.absolute().parent.parent)]
    return _Seen(frames, sheets)


def _walk(place: Path, depth: int, frames: dict[str, list[Path]]) -> Iterator[Path]:
    yield place
    holding = [layout.name for layout in LAYOUTS if layout.holds(place)]
    for name in holding:
        frames[name].append(place)
    if not holding and depth:
        for name in folders(place):
            yield from _walk(place / name, depth - 1, frames)


def _files(place: Path) -> list[Path]:
    try:
        return sorted(path for path in place.iterdir() if path.suffix.lower() in SHEETS and path.name[0] not in "~.")
    except OSError:
        return []


def _sources(layout: Layout, seen: _Seen) -> Iterator[Source]:
    """The best copy of each part: the most rows with a folder, cropped faces before whole pictures."""
    sheets = [sheet for path in seen.sheets if (sheet := _sheet(path, layout)) is not None]
    parts: dict[str, list[tuple[tuple[int, bool, str], Path, Sheet | None]]] = {}
    for place in seen.frames[layout.name]:
        unlisted: list[Sheet | None] = [None] if layout.walk else []
        for sheet in sheets or unlisted:
            if matched := _matched(Source(layout, place, sheet)):
                rank = (matched, "crop" in str(place).lower(), sheet.path.name if sheet else "")
                parts.setdefault(layout.part(place), []).append((rank, place, sheet))
    for index, (_, found) in enumerate(sorted(parts.items())):
        _, place, sheet = max(found, key=lambda each: each[0])
        said = [_copies(place, name) for name in sorted({other.name for _, other, _ in found if other != place})]
        if len(parts) > 1 and index == 0:
            named = ", ".join(sorted(parts))
            said.append(Remark(Quirk.FOLDER, f"{layout.title}: {named} show the same people; name one folder for one"))
        yield Source(layout, place, sheet, tuple(said))


def _copies(place: Path, other: str) -> Remark:
    return Remark(Quirk.FOLDER, f"frames are taken from {place.name}; name {other} to take those")


def _sheet(path: Path, layout: Layout) -> Sheet | None:
    try:
        return read_sheet(path, layout.needed, layout.welcome) if layout.needed else None
    except DataError:
        return None  # some other file; if nothing else is found, the refusal says so


def _matched(source: Source) -> int:
    entries = islice(source.entries(), PROBED)
    return sum(isinstance(entry, Entry) and entry.folder.is_dir() for entry in entries)


def _refusal(folder: Path, seen: _Seen) -> DataError:
    if not folder.exists():
        return DataError("no such folder", where=str(folder), fix="check --data")
    looked = "\n".join(f"  {layout.title}: {layout.sought}" for layout in LAYOUTS)
    return DataError(
        f"holds no manifest.csv and no data set that is known{_half(seen)}",
        where=str(folder),
        fix=f"write a manifest (docs/data.md), or name a folder with one of\n{looked}",
    )


def _half(seen: _Seen) -> str:
    """What was found of a data set, where it is not enough."""
    found: Sequence[tuple[Layout, Path]] = [
        (layout, place) for layout in LAYOUTS for place in seen.frames[layout.name] if layout.needed
    ]
    said = [f"; {place} looks like {layout.title}'s frames, but its sheet was not found" for layout, place in found]
    old = [path.name for path in seen.sheets if path.suffix.lower() == ".xls"]
    said += [f"; {name} is an old .xls: save it as .xlsx" for name in old]
    sheets = [(layout, path) for path in seen.sheets for layout in LAYOUTS if _sheet(path, layout)]
    if not found:
        said += [
            f"; {path.name} looks like {layout.title}'s sheet, but no frames were found" for layout, path in sheets
        ]
    return "".join(said[:3])
