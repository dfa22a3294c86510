"""Folders of numbered frames: which picture is which frame. What could be read in two ways is asked about.

A frame's number is the number that changes from name to name: the last one of `img46.jpg`, `006_05562.jpg` and
`frame_det_00_000046.bmp`, the first one of `46_cam2.png`.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from p2pfl_me.data.images import BESIDE, IMAGES, UNREAD
from p2pfl_me.errors import DataError

NUMBER = re.compile(r"[0-9]+")
DECIMAL = re.compile(r"(?P<whole>[0-9]+)[.,](?P<rest>[0-9]+)[^0-9]*$")
FIGURE = re.compile(r"(?![0-9])\d")
"""A figure of another script than ours."""
COPY = re.compile(r" ?\(#\)$|( - |_| )(copy|kopie|copie|copia)( ?\(?#\)?)?$|~#?$")
"""What programs append to the name of a copy; `#` stands for a number."""
COPIED = re.compile(COPY.pattern.replace("#", "[0-9]+"))
COPY_OF = re.compile(r"^(copy|kopie|copie|copia) (\([0-9]+\) )?(of|von|de|di) ")
MIRRORS = frozenset(("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"))
"""Folders in which systems keep copies, thumbnails and what was thrown away; in lower case."""
FACES = 4
"""So many pictures whose last number is the same may be the faces of one frame, numbered before it."""
CLOCKS = ((24, 1), (60, 1), (2400, 100), (6000, 100), (240000, 10000))
"""Where hours, minutes or seconds, HHMM, MMSS and HHMMSS begin anew, and the unit of their first and last part."""
MOVE = "save such frames as PNG or JPEG under the same numbers, or move them elsewhere"
FIX = "leave one picture of each frame in the folder, numbered in the order of time"
LISTINGS = 16
"""Folders whose listing is kept: the clips of one long film stand together."""

Listing = Callable[[Path], Mapping[int, Path]]
"""A folder's frames by number, sorted."""


@dataclass(frozen=True, slots=True)
class _Named:
    """A picture's name, its numbers, what stands around them, and whether the last may be the end of a decimal."""

    name: str
    around: str
    numbers: tuple[int, ...]
    decimal: re.Match[str] | None = None


def is_mirror(name: str) -> bool:
    """Whether a file or folder is a system's own: hidden, or a copy of what lies beside it."""
    return name.startswith(".") or name.casefold() in MIRRORS


def without_copy(stem: str) -> str:
    """A file's name, in lower case and without its ending, without what programs add when they copy it."""
    return COPIED.sub("", COPY_OF.sub("", stem.casefold()))


def is_copy(stem: str) -> bool:
    """Whether a file is called a copy of another."""
    return without_copy(stem) != stem.casefold()


def frame_files(folder: Path) -> dict[int, Path]:
    """Frames of a clip by number; sorted as numbers, never as text.

    Pictures without a number, and hidden files such as the `._img1.jpg` that some systems leave behind, are no frames.

    Raises
    ------
    DataError
        The folder cannot be read, or names do not tell which picture is which frame.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(folder), fix="correct the path") from error
    require_read(names, folder)
    pictures = [named for name in names if (named := _named(name)) is not None]
    try:
        found = _numbered(pictures)
    except ValueError as error:
        raise DataError(str(error), where=str(folder), fix=FIX) from error
    lost = _unread_frames(names, pictures, found)
    if others := [name for name in lost if not os.path.isdir(folder / name)]:  # noqa: PTH112 - it never raises
        raise DataError(
            f"holds {_some(others)}, numbered as its frames are and of none of their numbers: a frame of a kind that "
            "is not read?",
            where=str(folder),
            fix=MOVE,
        )
    return {number: folder / found[number] for number in sorted(found)}


def kept_listing() -> Listing:
    """`frame_files` for one pass over many clips, which lists a long film once and not once a clip."""
    return lru_cache(LISTINGS)(frame_files)


def require_read(names: Sequence[str], folder: Path) -> None:
    """See that no frame is a picture of a kind that is not read: it would be missing among the others, or all would.

    Raises
    ------
    DataError
        One is.
    """
    if others := [name for name in names if _is_unread(name)]:
        raise DataError(f"holds {_some(others)}, of a kind of pictures that is not read", where=str(folder), fix=MOVE)


def is_clip_folder(place: Path) -> bool:
    """Whether a clip is a folder of frames.

    Raises
    ------
    DataError
        Nobody may look, or its name is not UTF-8, so that no list of clips can hold it.
    """
    try:
        str(place).encode()
        return stat.S_ISDIR(place.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except UnicodeEncodeError as error:
        raise DataError(f"has a name that is not UTF-8: {place.name!a}", fix="rename it") from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(place), fix="see who may read it") from error


def place_on_disk(folder: Path) -> str:
    """One word for a folder however a list leads to it: by `..`, a link, or other case where the disk does not mind."""
    try:
        info = folder.stat()
    except (OSError, ValueError):
        return str(folder)
    return f"{info.st_dev}:{info.st_ino}" if info.st_ino else str(folder)


def frame_numbers(folder: Path) -> list[int]:
    """The numbers of `frame_files` alone; empty where there is no folder.

    Raises
    ------
    DataError
        As there.
    """
    return list(frame_files(folder)) if is_clip_folder(folder) else []


def has_frames(folder: Path) -> bool:
    """Whether a folder holds a frame, of a kind that is read or not; not all of its files are looked at."""
    try:
        with os.scandir(folder) as entries:
            return any(_named(entry.name) is not None or _is_unread(entry.name) for entry in entries)
    except OSError:
        return False


def _is_unread(name: str) -> bool:
    """Whether it is called as a frame is, and is a picture that is not read."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - it is a name, thousands of them
    return suffix.lower() in UNREAD and not is_mirror(name) and any(map(str.isdecimal, stem))


def _unread_frames(names: Sequence[str], pictures: Sequence[_Named], found: Mapping[int, str]) -> list[str]:
    """Files of endings that nobody knows which are called as the frames are and bear a number that those lack, or bear
    one in a gap whatever they are called: as frames they would be missing in silence."""
    others = [name for name in names if _is_unknown(name)]
    if not others or not pictures:
        return []
    place, around, first, last = _place(pictures), pictures[0].around, min(found), max(found)
    lost = []
    for name in others:
        stem = _with_our_figures(name)
        called, numbers = NUMBER.sub("#", stem).casefold(), tuple(map(int, NUMBER.findall(stem)))
        if called == around or called.startswith(f"{around}."):
            strays = numbers[place] not in found
        else:
            ends = NUMBER.findall(os.path.splitext(stem)[0])  # noqa: PTH122 - it is a name
            strays = bool(ends) and int(ends[-1]) not in found and first < int(ends[-1]) < last
        if strays:
            lost.append(name)
    return lost


def _is_unknown(name: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - it is a name, thousands of them
    return suffix not in IMAGES and suffix not in BESIDE and not is_mirror(name) and any(map(str.isdecimal, name))


def _some(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def _with_our_figures(stem: str) -> str:
    stem = stem if stem.isascii() else unicodedata.normalize("NFKC", stem)  # figures of another width are figures
    return FIGURE.sub(lambda found: str(unicodedata.decimal(found[0])), stem)


def _named(name: str) -> _Named | None:
    stem, dot, suffix = name.rpartition(".")
    if not stem or is_mirror(name) or dot + suffix.lower() not in IMAGES:
        return None
    stem = _with_our_figures(stem)
    numbers = tuple(map(int, NUMBER.findall(stem)))
    return _Named(name, NUMBER.sub("#", stem).casefold(), numbers, DECIMAL.search(stem)) if numbers else None


def _numbered(pictures: Sequence[_Named]) -> dict[int, str]:
    """Names by frame; a ValueError in the user's words where they tell it in two ways."""
    kinds: dict[str, list[_Named]] = defaultdict(list)
    for each in pictures:
        kinds[each.around].append(each)
    if len(kinds) > 1:
        raise ValueError(_several_kinds(kinds))
    _require_whole_numbers(pictures)
    found: dict[int, str] = {}
    place = _place(pictures) if pictures else 0
    for each in pictures:
        number = each.numbers[place]
        if number in found:
            raise ValueError(f"has two pictures of frame {number}, {found[number]} and {each.name}")
        found[number] = each.name
    return found


def _require_whole_numbers(pictures: Sequence[_Named]) -> None:
    """See that names do not end in seconds: as whole numbers, `0.1` would come before `0.066`.

    `sub1.9.png` and `sub1.10.png` are numbered; what stands behind `0.`, or begins with a zero that shorter ones lack,
    is in doubt.
    """
    ends = sorted((len(each.decimal["rest"]), each.name, each.decimal) for each in pictures if each.decimal)
    if not ends or ends[0][0] == ends[-1][0]:
        return
    zeros = (name for length, name, end in ends if length > ends[0][0] and end["rest"].startswith("0"))
    nothings = (name for length, name, end in ends if length > ends[0][0] and end["whole"] == "0")
    if longer := next(zeros, None) or next(nothings, None):
        raise ValueError(f"has names that may end in seconds, as {ends[0][1]} and {longer}: which is earlier?")


def _several_kinds(kinds: dict[str, list[_Named]]) -> str:
    for around, pictures in kinds.items():
        base = COPY.sub("", around)
        if base != around and base in kinds:
            return f"holds {pictures[0].name}, which looks like a copy of another frame"
    for named, *_ in kinds.values():
        for other in kinds.values():
            same = next((each for each in other if each.numbers[-1] == named.numbers[-1] and each is not named), None)
            if same:
                one, two = sorted((named.name, same.name))
                return f"has two pictures of frame {named.numbers[-1]}, {one} and {two}"
    shown = [f"{pictures[0].name} ({len(pictures)})" for pictures in kinds.values()]
    return f"holds pictures of {len(kinds)} kinds, {' and '.join(sorted(shown)[:3])}: which of them are the frames?"


def _begins_anew(numbers: Sequence[int]) -> bool:
    """Whether they may be of a clock that passed its end: the times before it would be taken for the later ones."""
    for end, unit in CLOCKS:
        if min(numbers) < unit and end - unit <= max(numbers) < end:
            return not any(unit <= each < end - unit for each in numbers)
    return False


def _place(pictures: Sequence[_Named]) -> int:
    """Which of a name's numbers is the frame's: the one that changes, or the last such if all tell one order."""
    columns = list(zip(*(each.numbers for each in pictures), strict=True))
    changing = [place for place, column in enumerate(columns) if len(set(column)) > 1]
    if not changing:
        return len(columns) - 1
    last = changing[-1]
    rows = sorted(pictures, key=lambda each: [each.numbers[place] for place in changing])
    begins_anew = any(_begins_anew(columns[place]) for place in changing[:-1])
    for one, other in pairwise(rows):
        if begins_anew or (one.numbers[last] >= other.numbers[last] and one.numbers != other.numbers):
            said = f"has several numbers that change in its names, as in {one.name} and {other.name}"
            raise ValueError(f"{said} (two faces, or times of day?): which is the frame's?")
    if last < len(columns) - 1 and len(set(columns[last])) <= FACES:
        said = f"has names that differ in a number before the last, as {rows[0].name} and {rows[1].name}"
        raise ValueError(f"{said} (two faces of one frame?): which is the frame's?")
    return last
