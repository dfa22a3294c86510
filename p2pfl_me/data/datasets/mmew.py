"""MMEW (Ben et al., IEEE TPAMI 2022): 90 frames/s; `Micro_Expression/<emotion>/<clip>/1.jpg`.

The subject stands in the sheet alone: whoever walks the folders loses it. The emotion's folder is not trusted as a
label, it only says where a clip lies.
"""

from __future__ import annotations

from pathlib import Path

from p2pfl_me.contract.label_maps import plain
from p2pfl_me.data.clip import Row
from p2pfl_me.data.datasets.layout import Entry, Layout, folders, spelled_like
from p2pfl_me.data.datasets.sheet import SheetRow

LABELS = frozenset(("happiness", "surprise", "anger", "disgust", "fear", "sadness", "others"))


def _holds(folder: Path) -> bool:
    emotions = [name for name in folders(folder) if plain(name) in LABELS]
    return len(emotions) > 1 and any(folders(folder / emotion) for emotion in emotions)


def _entry(row: SheetRow, frames: Path, at: Row) -> Entry:
    cells = row.cells
    subject, clip, label = cells["subject"], cells["clip"], cells["label"]
    emotions = folders(frames)
    own = next((name for name in emotions if plain(name) == plain(label)), label)
    places = [own, *(name for name in emotions if name != own)]
    found = next(
        (place for name in places if (place := spelled_like(frames / name, clip)).is_dir()), frames / own / clip
    )
    name = f"S{int(subject):02d}" if subject.isdigit() else subject
    return Entry(at, name, clip, label, found if clip else frames, cells["onset"], cells["apex"], cells["offset"])


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
