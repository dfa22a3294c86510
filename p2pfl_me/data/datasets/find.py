"""Which data sets lie in a folder: folders of frames and sheets are looked for, and paired by the rows they share."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from p2pfl_me.data.clip import Quirk, Remark, Row
from p2pfl_me.data.datasets.known import LAYOUTS
from p2pfl_me.data.datasets.layout import Entry, Layout, Source, folders, is_folder
from p2pfl_me.data.datasets.sheet import Sheet, read_sheet
from p2pfl_me.data.datasets.workbook import ELSEWHERE, FOREIGN, SHEETS, TEXT
from p2pfl_me.data.frames import is_copy
from p2pfl_me.data.images import FILMS
from p2pfl_me.errors import DataError

DEPTH = 4
"""Levels below the user's folder that are searched."""
KNOWN = {*SHEETS, *FOREIGN, *ELSEWHERE}
PROBED = 400
"""Rows whose folders are looked up, to see whether sheet and frames belong together."""
SAID = 3
"""Things that a refusal says of what was found."""
ENOUGH = 0.9
"""Share of the best pair's rows from which another sheet or copy of the frames is as good, but for its age."""


@dataclass(frozen=True)
class _Seen:
    """What lies in a folder: places that hold frames, by layout, files that may be sheets, and others that may hold
    one, as an archive does."""

    frames: dict[str, list[Path]]
    sheets: list[Path]
    others: list[Path]


def find_sources(folder: Path) -> list[Source]:
    """The data sets in `folder`, at least one.

    Raises
    ------
    DataError
        None is recognised; the error says what was looked for, and what was found of it.
    """
    _require_readable(folder)
    seen = _see(folder)
    sources = [source for layout in LAYOUTS for source in _sources(layout, seen)]
    if not sources:
        raise _refusal(folder, seen)
    passed = tuple(_passed_over(seen, sources))
    return [replace(sources[0], remarks=(*sources[0].remarks, *passed)), *sources[1:]]


def _require_readable(folder: Path) -> None:
    """See that a folder without a data set is not one that nobody may look into, or whose name no list can hold."""
    try:
        str(folder.absolute()).encode()
        os.scandir(folder).close()
    except FileNotFoundError:
        return
    except UnicodeEncodeError as error:
        what = f"lies under a name that is not UTF-8, which no list of clips can hold: {str(folder)!a}"
        raise DataError(what, fix="rename it") from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(folder), fix="see who may read it") from error


def _see(folder: Path) -> _Seen:
    frames: dict[str, list[Path]] = {layout.name: [] for layout in LAYOUTS}
    places = list(_walk(folder, DEPTH, frames))
    if any(folder in holding for holding in frames.values()):  # a folder of frames itself: its sheet lies above
        places += [folder.absolute().parent, folder.absolute().parent.parent]
    files = [path for place in places for path in _files(place)]
    others = [path for path in files if path.suffix.lower() in ELSEWHERE]
    return _Seen(frames, [path for path in files if path not in others], others)


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
        named = (path for path in place.iterdir() if path.suffix.lower() in KNOWN and path.name[0] not in "~.")
        return sorted(path for path in named if path.is_file())  # a pipe would be waited for without end
    except OSError:
        return []


def _sources(layout: Layout, seen: _Seen) -> Iterator[Source]:
    """The best pair of frames and sheet, and what else could have been read."""
    sheets = [sheet for path in seen.sheets if isinstance(sheet := _sheet(path, layout), Sheet)]
    unlisted: list[Sheet | None] = [None] if layout.walk else []
    pairs = [
        (count, place, sheet)
        for place in seen.frames[layout.name]
        for sheet in sheets or unlisted
        if (count := _matched(Source(layout, place, sheet)))
    ]
    if not pairs:
        return
    there = [part for part in layout.parts if any(layout.part(place) == part for _, place, _ in pairs)]
    pairs = [pair for pair in pairs if layout.part(pair[1]) == there[0]]
    most = max(count for count, _, _ in pairs)
    fitting = [(place, sheet) for count, place, sheet in pairs if count >= ENOUGH * most]
    sheet = _best_sheet(layout, [sheet for _, sheet in fitting])
    place = _best_place(layout, [place for place, other in fitting if other is sheet], sheet)
    said = [_copies(place, name) for name in sorted({other.name for _, other, _ in pairs if other != place})]
    said += [_cameras(layout, there)] if there[1:] else []
    older = sorted({other.path.name for _, other in fitting if other and sheet and other.path != sheet.path})
    said += [_sheets(sheet, older)] if sheet and older else []
    weighed = {other.path: other.path.name for _, _, other in pairs if other}
    fewer = sorted({name for path, name in weighed.items() if path.name not in older and sheet and path != sheet.path})
    said += [_fewer(sheet, fewer)] if sheet and fewer else []
    if sheet:
        said += [Remark(Quirk.SHEET, text, Row(sheet.path.name)) for text in sheet.said]
    yield Source(layout, place, sheet, tuple(said), frozenset(weighed))


def _best_sheet(layout: Layout, sheets: Sequence[Sheet | None]) -> Sheet | None:
    """The newest by its name; of copies that say the same, the one that is not called a copy."""
    known = list({sheet.path: sheet for sheet in sheets if sheet}.values())
    newest = [sheet for sheet in known if sheet.version == max(each.version for each in known)]
    if not newest:
        return None
    if any(_said(sheet) != _said(newest[0]) for sheet in newest):
        raise _asked(layout, "sheets that say different things", [sheet.path for sheet in newest])
    return min(newest, key=lambda sheet: (is_copy(sheet.path.stem), len(sheet.path.parts), sheet.path.name))


def _said(sheet: Sheet) -> list[Mapping[str, str]]:
    return [row.cells for row in sheet.rows]


def _best_place(layout: Layout, places: Sequence[Path], sheet: Sheet | None) -> Path:
    """Frames that lie in the same folder as the sheet, however deep; there cropped faces before whole pictures."""

    def rank(place: Path) -> tuple[int, bool, int]:
        shared = len(Path(os.path.commonpath((place.parent, sheet.path.parent))).parts) if sheet else 0
        return shared, "crop" in str(place).lower(), -len(place.parts)

    best = [place for place in places if rank(place) == max(map(rank, places))]
    if len(best) > 1:
        raise _asked(layout, "copies of the frames", best)
    return best[0]


def _asked(layout: Layout, what: str, places: Sequence[Path]) -> DataError:
    named = " and ".join(map(str, sorted(places)))
    return DataError(
        f"{layout.title} has {what}, and nothing tells which is meant: {named}",
        fix="move away what is not meant, or name the folder that is",
    )


def _cameras(layout: Layout, there: Sequence[str]) -> Remark:
    others = " and ".join(part.upper() for part in there[1:])
    text = f"{layout.title}: {there[0].upper()} is read; {others} show the same people: name their folder for them"
    return Remark(Quirk.FOLDER, text)


def _sheets(sheet: Sheet, older: Sequence[str]) -> Remark:
    others = ", ".join(older)
    return Remark(Quirk.FOLDER, f"the sheet is {sheet.path.name}; move it away to have {others} read instead")


def _fewer(sheet: Sheet, others: Sequence[str]) -> Remark:
    say = "has its columns, and names" if len(others) == 1 else "have its columns, and name"
    return Remark(Quirk.FOLDER, f"the sheet is {sheet.path.name}; {_some(others)} {say} fewer of the folders: not read")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SAID} more" if len(names) > SAID else ""
    return f"{', '.join(names[:SAID])}{more}"


def _passed_over(seen: _Seen, sources: Sequence[Source]) -> Iterator[Remark]:
    """What lies beside the data sets that were found, and gave nothing."""
    lone = _without_sheet(seen, {source.layout.name for source in sources})
    for each in lone:
        yield Remark(Quirk.FOLDER, f"{each.words}: left out")
    for text in _no_tables(seen, bool(lone)):
        yield Remark(Quirk.FOLDER, text)
    read = frozenset[Path]().union(*(source.weighed for source in sources))
    for path in seen.sheets:
        if path not in read and (like := [layout.title for layout in LAYOUTS if _is_sheet(path, layout)]):
            text = f"{path.name} has the columns of {' and '.join(like)}, and none of its folders is here: not read"
            yield Remark(Quirk.FOLDER, text)
    if not lone and (others := sorted(path.name for path in seen.sheets if _is_other(path))):
        text = f"no row of {_some(others)} names the columns of a data set: not read"
        yield Remark(Quirk.FOLDER, text)
    if seen.others:
        yield Remark(Quirk.FOLDER, f"{_elsewhere(seen)}: not read")


def _elsewhere(seen: _Seen) -> str:
    names = sorted(path.name for path in seen.others)
    return f"{_some(names)} may hold rows, and {'is no sheet' if len(names) == 1 else 'are no sheets'}"


def _is_other(path: Path) -> bool:
    """Whether a sheet is of something else; notes in text are no sheets."""
    return path.suffix.lower() != TEXT and all(_sheet(path, layout) is None for layout in LAYOUTS)


@dataclass(frozen=True)
class _Lone:
    """Frames without a sheet: folders beside each other, and the data sets whose frames lie so."""

    places: tuple[Path, ...]
    layouts: tuple[Layout, ...]

    @property
    def words(self) -> str:
        places = " and ".join((str(self.places[0]), *(place.name for place in self.places[1:])))
        like = " or ".join(layout.title for layout in self.layouts)
        look, their = ("looks", "its") if len(self.places) == 1 else ("look", "their")
        return f"{places} {look} like {like}, but no sheet names {their} clips"


def _without_sheet(seen: _Seen, found: set[str]) -> list[_Lone]:
    """Each folder is named once, whatever it may be: CASME's and CASME II's frames lie alike."""
    known = {place for name in found for place in seen.frames[name]}
    may: dict[Path, list[Layout]] = defaultdict(list)
    for layout in LAYOUTS:
        for place in seen.frames[layout.name]:
            if layout.name not in found and place not in known and layout.needed:
                may[place].append(layout)
    beside: dict[tuple[Path, tuple[str, ...]], list[Path]] = defaultdict(list)
    for place, layouts in may.items():
        beside[place.parent, tuple(layout.name for layout in layouts)].append(place)
    return [_Lone(tuple(places), tuple(may[places[0]])) for places in beside.values()]


def _no_tables(seen: _Seen, lacking: bool) -> Iterator[str]:
    """Sheets that cannot be read and, where one is `lacking`, those without any data set's columns."""
    for path, error in _broken(seen).items():
        yield f"{path.name} {error.what}: {error.fix}"
    for path in seen.sheets if lacking else ():
        if _is_other(path):
            yield f"{path.name} has no row that names the columns of a data set"


def _broken(seen: _Seen) -> dict[Path, DataError]:
    """Sheets that cannot be read."""
    found: dict[Path, DataError] = {}
    for path in seen.sheets:
        for layout in LAYOUTS:
            if path.suffix.lower() != TEXT and isinstance(error := _sheet(path, layout), DataError):
                found.setdefault(path, error)
    return found


def _copies(place: Path, other: str) -> Remark:
    return Remark(Quirk.FOLDER, f"frames are taken from {place.name}; name {other} to take those")


def _sheet(path: Path, layout: Layout) -> Sheet | DataError | None:
    """Its rows; None where it is another table, and what is wrong where it is none."""
    try:
        return read_sheet(path, layout.needed, layout.welcome) if layout.needed else None
    except DataError as error:
        return error


def _matched(source: Source) -> int:
    entries = islice(source.entries(), PROBED)
    return sum(isinstance(entry, Entry) and is_folder(entry.folder) for entry in entries)


def _refusal(folder: Path, seen: _Seen) -> DataError:
    if not folder.exists():
        return DataError("no such folder", where=str(folder), fix="check --data")
    lone = _without_sheet(seen, set())
    said = [each.words for each in lone] + list(_no_tables(seen, bool(lone)))
    fitting = {layout.name for each in lone for layout in each.layouts}
    if not lone:
        sheets = [(layout, path) for layout in LAYOUTS for path in seen.sheets if _is_sheet(path, layout)]
        said += [f"{path.name} looks like {layout.title}'s sheet, but no frames were found" for layout, path in sheets]
        fitting = {layout.name for layout, _ in sheets}
    said += [_elsewhere(seen)] if seen.others else []
    films = [] if fitting else _films(folder)
    looked = "\n".join(
        f"  {layout.title}: {layout.sought}" for layout in LAYOUTS if layout.name in fitting or not fitting
    )
    return DataError(
        "; ".join(["holds no manifest.csv and no data set that is known", *said[:SAID], *_in_words(films)]),
        where=str(folder),
        fix=("".join(map(_frames_of, films[:1])))
        + "write a manifest (docs/data.md; of folders that are called so: p2pme data manifest FOLDER --layout "
        f"subject/label/clip -o FOLDER/manifest.csv), or name a folder with one of\n{looked}",
    )


def _films(folder: Path) -> list[Path]:
    """Film files among the first of what lies in it, at any depth."""
    return sorted(each for each in islice(folder.rglob("*"), PROBED) if each.suffix.lower() in FILMS)


def _in_words(films: Sequence[Path]) -> Iterator[str]:
    if films:
        yield f"it holds films ({films[0].name}), and a clip is a folder of a film's frames"


def _frames_of(film: Path) -> str:
    return f"bring each film to its frames (mkdir {film.stem} && ffmpeg -i {film.name} {film.stem}/%04d.png), then "


def _is_sheet(path: Path, layout: Layout) -> bool:
    return isinstance(_sheet(path, layout), Sheet)
