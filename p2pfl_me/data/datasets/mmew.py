"""MMEW (Ben et al., IEEE TPAMI 2022): 90 frames/s; `Micro_Expression/<emotion>/<clip>/1.jpg`, or `S01/<emotion>/..`.

The subject stands in the sheet alone: whoever walks the folders loses it. The emotion's folder is not trusted as a
label, it only says where a clip lies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from p2pfl_me.contract.label_maps import plain
from p2pfl_me.data.clip import Row
from p2pfl_me.data.datasets.layout import Entry, Layout, folders, is_folder, spelled_like
from p2pfl_me.data.datasets.sheet import SheetRow
from p2pfl_me.data.spelling import is_whole

LABELS = frozenset(("happiness", "surprise", "anger", "disgust", "fear", "sadness", "others"))


def _emotions(folder: Path) -> list[str]:
    return [name for name in folders(folder) if plain(name) in LABELS]


def _subjects(folder: Path) -> list[str]:
    """Some copies have a folder a subject above the emotions."""
    return [name for name in folders(folder) if re.fullmatch(r"S[0-9]+", name, re.IGNORECASE)]


def _holds(folder: Path) -> bool:
    """Clips have folders of their own; the macro-expressions beside them are single pictures."""
    for place in (folder, *(folder / name for name in _subjects(folder)[:3])):
        emotions = _emotions(place)
        if len(emotions) > 1 - (place != folder) and any(folders(place / emotion) for emotion in emotions):
            return True
    return False


def _entry(row: SheetRow, frames: Path, at: Row) -> Entry:
    cells = row.cells
    subject, clip, label = cells["subject"], cells["clip"], cells["label"]
    name = f"S{int(subject):02d}" if is_whole(subject) else subject
    found = next(_places(frames, name, label, clip), frames / label / clip) if clip else frames
    return Entry(at, name, clip, label, found, cells["onset"], cells["apex"], cells["offset"])


def _places(frames: Path, subject: str, label: str, clip: str) -> Iterator[Path]:
    """Where the clip lies: under its own emotion first, but a folder's name is not believed."""
    for place in (frames, spelled_like(frames, subject)):
        for emotion in sorted(_emotions(place), key=lambda name: plain(name) != plain(label)):
            if is_folder(folder := spelled_like(place / emotion, clip)):
                yield folder


MMEW = Layout(
    name="mmew",
    title="MMEW",
    fps=90,
    sought="MMEW_Micro_Exp.xlsx beside Micro_Expression/happiness/..",
    labels=LABELS,
    holds=_holds,
    entry=_entry,
    needed={
        "subject": ("subject",),
        "clip": ("filename",),
        "onset": ("onsetframe", "onset"),
        "apex": ("apexframe", "apex"),
        "offset": ("offsetframe", "offset"),
        "label": ("estimatedemotion", "emotion"),
    },
)
