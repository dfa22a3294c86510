"""Folders of frames that no row names: rows that were lost are seen by what they leave on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from pathlib import Path

from p2pfl_me.data.clip import Quirk, Remark
from p2pfl_me.data.datasets.layout import Source, folders
from p2pfl_me.data.frames import has_frames

SHOWN = 6


def unlisted(source: Source, listed: Set[Path]) -> Iterator[Remark]:
    """One remark that names the folders beside those that are `listed`, as deep and with frames, that are not."""
    depths = {len(folder.relative_to(source.frames).parts) for folder in listed if folder.is_relative_to(source.frames)}
    known = {os.path.normcase(folder) for folder in listed}
    lone = [
        str(place.relative_to(source.frames))
        for depth in sorted(depths)
        for place in _at(source.frames, depth)
        if os.path.normcase(place) not in known and _is_clip(place, source) and has_frames(place)
    ]
    if lone:
        more = f" and {len(lone) - SHOWN} more" if len(lone) > SHOWN else ""
        count = "a folder of frames stands" if len(lone) == 1 else f"{len(lone)} folders of frames stand"
        where = f"in no row of {source.sheet.path.name}" if source.sheet else "under a name that is no clip's"
        text = f"{count} {where}: {', '.join(lone[:SHOWN])}{more}"
        yield Remark(Quirk.FOLDER, text)


def _at(place: Path, depth: int) -> Iterator[Path]:
    """The folders `depth` levels below."""
    if depth == 0:
        yield place
        return
    for name in folders(place):
        yield from _at(place / name, depth - 1)


def _is_clip(place: Path, source: Source) -> bool:
    """Of films, the colour pictures alone: depth lies beside them."""
    return not source.layout.film or place.name.lower() == "color"
