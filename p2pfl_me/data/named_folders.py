"""Clips whose folders say what they are, as FOLDER/subject/label/clip: rows like those of a manifest, by a layout.

A layout names what the folders of each depth are called by: `subject`, `label` and `clip`, each once, `dataset` where
there are several, and `*` for a depth that says nothing. Only names are read here, and no picture is opened.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from p2pfl_me.data.clip import Clip, Dropped, Fault, Problem, Quirk, Remark, Row
from p2pfl_me.data.frames import frame_files, is_mirror
from p2pfl_me.data.images import BESIDE, FILMS, IMAGES, UNREAD
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.manifest import row_of
from p2pfl_me.errors import DataError

NEEDED = ("subject", "label", "clip")
KNOWN = (*NEEDED, "dataset", "*")


def parts_of(layout: str) -> tuple[str, ...]:
    """What the folders of each depth are called by.

    Raises
    ------
    DataError
        A word that is none of these, one that is missing, or one that stands there twice.
    """
    parts = tuple(part.strip() for part in layout.strip("/").split("/"))
    counted = Counter(part for part in parts if part != "*")
    wrong = [f"{part!r} is none of {', '.join(KNOWN)}" for part in counted if part not in KNOWN]
    wrong += [f"`{part}` is missing" for part in NEEDED if part not in counted]
    wrong += [f"`{part}` stands there twice" for part, times in counted.items() if times > 1]
    if wrong:
        raise DataError("; ".join(wrong), where=f"--layout {layout}", fix="for example subject/label/clip")
    return parts


def named_rows(folder: Path, layout: str, labels: Labels) -> Iterator[Clip | Dropped | Problem | Remark]:
    """A row for each folder of frames, or picture, at the layout's last depth, sorted by path.

    Raises
    ------
    DataError
        The layout is none, or the folder cannot be read.
    """
    parts = parts_of(layout)
    beside: Counter[str] = Counter()
    above: list[str] = []
    strange: list[str] = []
    for place, wrong in _places(folder, len(parts)):
        names = place.relative_to(folder).parts
        said = "/".join(names)
        if (shown := said.encode("utf-8", "backslashreplace").decode()) != said:
            yield Problem(
                0, Fault.MISSING, "has a name that is not UTF-8, which no list can hold: rename it", Row(shown)
            )
        elif wrong:
            yield Problem(0, Fault.MISSING, wrong, Row(said))
        elif len(names) < len(parts):
            above.append(said)
        elif os.path.isdir(place):  # noqa: PTH112 - it never raises
            yield from _frames_problem(place, Row(said)) or _row(folder, parts, names, said, labels)
        elif place.suffix.lower() in FILMS:
            made = place.with_suffix("").name
            fix = f"mkdir {made} && ffmpeg -i {place.name} {made}/%04d.png"
            yield Problem(0, Fault.MISSING, f"is a film; a clip is a folder of its frames: {fix}", Row(said))
        elif place.suffix.lower() not in IMAGES:
            strange.append(said)
        else:
            beside["/".join(names[:-1])] += 1
            clip = place.stem if parts[-1] == "clip" else names[-1]
            yield from _row(folder, parts, (*names[:-1], clip), said, labels)
    if above:
        yield Remark(Quirk.FOLDER, f"{_some(above)} above where the layout has clips: left out")
    if strange:
        yield Remark(Quirk.FOLDER, f"{_some(strange)} where the layout has clips, of a kind that is not read: left out")
    if several := [f"{count} in {where}" for where, count in beside.items() if count > 1]:
        text = f"pictures that lie side by side ({_some(several)}) are taken for a clip each; of frames of one clip "
        yield Remark(Quirk.FOLDER, f"{text}the layout names the folder")


def _row(
    folder: Path, parts: Sequence[str], names: Sequence[str], said: str, labels: Labels
) -> Iterator[Clip | Dropped | Problem | Remark]:
    cells: dict[str | None, str | list[str] | None] = {"dataset": folder.resolve().name}
    cells.update(pair for pair in zip(parts, names, strict=True) if pair[0] != "*")
    return row_of(folder, 0, cells | {"path": said, "source": said}, labels)


def _frames_problem(place: Path, row: Row) -> list[Problem]:
    """Why a folder is no clip, if it is none."""
    try:
        if frame_files(place):
            return []
    except DataError as error:
        return [Problem(0, Fault.FRAMES, error.what, row)]
    deeper = any(map(os.path.isdir, place.iterdir()))
    why = "holds folders and no frames: the layout is not deep enough" if deeper else "holds no frames"
    return [Problem(0, Fault.MISSING, why, row)]


def _some(names: Sequence[str]) -> str:
    """Three, and how many more."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _places(folder: Path, depth: int) -> Iterator[tuple[Path, str]]:
    """Folders that lie so deep, and pictures and films, those above, too, with what keeps each from being looked at;
    so deep other files, too, but for those that are surely no pictures."""
    for name in _names(folder):
        place = folder / name
        try:
            below = stat.S_ISDIR(place.stat().st_mode)
            inside = list(_places(place, depth - 1)) if below and depth > 1 else []
        except FileNotFoundError:  # a link that leads nowhere: who opens it says so
            below, inside = False, []
        except OSError as error:
            yield place, f"cannot be read: {error.strerror}: see who may read it"
            continue
        except DataError as error:
            yield place, f"{error.what}: {error.fix}"
            continue
        if below and depth > 1:
            yield from inside
        elif not below and place.suffix.lower() in UNREAD:
            yield place, "is of a kind of pictures that is not read: save it as PNG or JPEG, or move it elsewhere"
        elif below or place.suffix.lower() in IMAGES | FILMS or (depth == 1 and _is_strange(place)):
            yield place, ""


def _is_strange(place: Path) -> bool:
    """Whether a file is neither what is read nor what surely lies beside it, as notes do."""
    return place.suffix.lower() not in BESIDE


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not is_mirror(entry.name))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(folder), fix="see who may read it") from error
