"""CASME II (Yan et al., PLoS ONE 2014): 200 frames/s; `sub01/EP02_01f/img46.jpg`, cropped `reg_img46.jpg`.

The subject is a number in the sheet, `sub01` on the disk. About twenty apexes are `/`, one offset is before its apex.
Two versions of the sheet go around, 20140508 and 20190701; some copies write `Onset Frame`.
"""

from __future__ import annotations

import re
from pathlib import Path

from p2pfl_me.data.clip import Row
from p2pfl_me.data.datasets.layout import Entry, Layout, folders, spelled_like
from p2pfl_me.data.datasets.sheet import SheetRow
from p2pfl_me.data.spelling import is_whole


def holds(folder: Path) -> bool:
    """`sub01/EP..`: CASME has it too; the sheet tells the two apart."""
    subjects = [name for name in folders(folder) if re.fullmatch(r"sub[0-9]+", name, re.IGNORECASE)]
    return any(name.upper().startswith("EP") for name in (folders(folder / subjects[0]) if subjects else ()))


def entry(row: SheetRow, frames: Path, at: Row) -> Entry:
    cells = row.cells
    subject = f"sub{int(cells['subject']):02d}" if is_whole(cells["subject"]) else cells["subject"].lower()
    return Entry(
        at,
        subject,
        cells["clip"],
        cells["label"],
        spelled_like(spelled_like(frames, subject), cells["clip"]),
        cells["onset"],
        cells["apex"],
        cells["offset"],
    )


CASME2 = Layout(
    name="casme2",
    title="CASME II",
    fps=200,
    sought="CASME2-coding-*.xlsx beside CASME2_RAW_selected/sub01/EP.. or Cropped/sub01/EP..",
    labels=frozenset(("happiness", "disgust", "surprise", "repression", "others", "fear", "sadness")),
    holds=holds,
    entry=entry,
    needed={
        "subject": ("subject",),
        "clip": ("filename",),
        "onset": ("onsetframe", "onset"),
        "apex": ("apexframe", "apex"),
        "offset": ("offsetframe", "offset"),
        "label": ("estimatedemotion", "emotion"),
    },
)
