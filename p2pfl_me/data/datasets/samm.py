"""SAMM (Davison et al., IEEE TAFFC 2018): 200 frames/s, grey; `006/006_1_2/006_05562.jpg`.

Subject ids are text with leading zeros, which a spreadsheet may have turned into numbers. Thirteen rows of text stand
above the header.
"""

from __future__ import annotations

import re
from pathlib import Path

from p2pfl_me.data.clip import Row
from p2pfl_me.data.datasets.layout import Entry, Layout, folders, spelled_like
from p2pfl_me.data.datasets.sheet import SheetRow


def _holds(folder: Path) -> bool:
    subjects = [name for name in folders(folder) if re.fullmatch(r"[0-9]{3}", name)]
    clips = folders(folder / subjects[0]) if subjects else []
    return any(re.fullmatch(r"[0-9]{3}_[0-9]+_[0-9]+", name) for name in clips)


def _entry(row: SheetRow, frames: Path, at: Row) -> Entry:
    cells = row.cells
    subject = cells["subject"].zfill(3) if cells["subject"] else ""
    folder = spelled_like(frames / subject, cells["clip"])
    return Entry(at, subject, cells["clip"], cells["label"], folder, cells["onset"], cells["apex"], cells["offset"])


SAMM = Layout(
    name="samm",
    title="SAMM",
    fps=200,
    sought="SAMM_Micro_FACS_Codes_v2.xlsx beside a folder of 006/006_1_2/..",
    labels=frozenset(
        ("anger", "contempt", "disgust", "fear", "happiness", "others", "sadness", "surprise", "repression")
    ),
    holds=_holds,
    entry=_entry,
    needed={
        "subject": ("subject",),
        "clip": ("filename",),
        "onset": ("onsetframe",),
        "apex": ("apexframe",),
        "offset": ("offsetframe",),
        "label": ("estimatedemotion",),
    },
)
