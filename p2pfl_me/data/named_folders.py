"""Clips whose folders say what they are, as FOLDER/subject/label/clip: rows like those of a manifest, by a layout.

A layout names what the folders of each depth are called by: `subject`, `label` and `clip`, each once, `dataset` where
there are several, and `*` for a depth that says nothing. Only names are read here, and no picture is opened.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from p2pfl_me.data.clip import Clip, Dropped, Fault, Problem, Remark, Row
from p2pfl_me.data.frames import frame_files, is_mirror
from p2pfl_me.data.images import FILMS, IMAGES
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
    for place in _places(folder, len(parts)):
        said = place.relative_to(folder).as_posix()
        cells: dict[str | None, str | list[str] | None] = {"dataset": folder.resolve().name}
        cells.update(pair for pair in zip(parts, place.relative_to(folder).parts, strict=True) if pair[0] != "*")
        if place.is_dir() and not frame_files(place):
            deeper = any(each.is_dir() for each in place.iterdir())
            why = "holds folders and no frames: the layout is not deep enough" if deeper else "holds no frames"
            yield Problem(0, Fault.MISSING, why, Row(said))
        elif place.suffix.lower() in FILMS:
            made = place.with_suffix("").name
            fix = f"mkdir {made} && ffmpeg -i {place.name} {made}/%04d.png"
            yield Problem(0, Fault.MISSING, f"is a film; a clip is a folder of its frames: {fix}", Row(said))
        else:
            if not place.is_dir() and parts[-1] == "clip":
                cells["clip"] = place.stem
            yield from row_of(folder, 0, cells | {"path": said, "source": said}, labels)


def _places(folder: Path, depth: int) -> Iterator[Path]:
    """What lies so deep: folders, and at the last depth pictures and films, too; other files are passed over."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not is_mirror(entry.name))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(folder), fix="correct the path") from error
    for name in names:
        place = folder / name
        if depth > 1 and place.is_dir():
            yield from _places(place, depth - 1)
        elif depth == 1 and (place.is_dir() or place.suffix.lower() in IMAGES | FILMS):
            yield place
