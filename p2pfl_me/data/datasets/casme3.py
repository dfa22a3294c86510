"""CAS(ME)^3 (Li et al., IEEE TPAMI 2023), parts A and C: 30 frames/s, RGB in `color/`, depth beside it.

In part A a file name is a long film, so one (subject, film) has several clips and the clip's id needs the onset. Part C
publishes no apex; its sheet counts the clips of each subject, and its folders go by the two numbers.
"""

from __future__ import annotations

import re
from pathlib import Path

from p2pfl_me.data.clip import Row
from p2pfl_me.data.datasets.layout import Entry, Layout, folders, is_folder, spelled_like
from p2pfl_me.data.datasets.sheet import SheetRow
from p2pfl_me.data.spelling import is_whole

LABELS = frozenset(
    (
        *("disgust", "surprise", "others", "fear", "anger", "sadness", "happiness"),
        *("negative", "positive"),
    )
)


def _holds_a(folder: Path) -> bool:
    subjects = [name for name in folders(folder) if re.fullmatch(r"spNO\.?[0-9]+", name, re.IGNORECASE)]
    return (
        any("color" in folders(folder / subjects[0] / film) for film in folders(folder / subjects[0]))
        if subjects
        else False
    )


def _entry_a(row: SheetRow, frames: Path, at: Row) -> Entry:
    cells = row.cells
    subject, film = cells["subject"], cells["clip"]
    folder = spelled_like(spelled_like(frames, subject), film) / "color"
    clip = f"{film}-{cells['onset']}" if film else ""
    return Entry(at, subject, clip, cells["label"], folder, cells["onset"], cells["apex"], cells["offset"])


def _holds_c(folder: Path) -> bool:
    subjects = [name for name in folders(folder) if is_whole(name)]
    if not subjects:
        return False
    inside = folders(folder / subjects[0])
    return "color" in inside or any(
        is_whole(name) and "color" in folders(folder / subjects[0] / name) for name in inside
    )


def _entry_c(row: SheetRow, frames: Path, at: Row) -> Entry:
    """The clip's own folder, or the subject's film where the frames are not cut into clips."""
    cells = row.cells
    subject = spelled_like(frames, cells["subject"])
    cut = spelled_like(subject, cells["clip"]) / "color"
    folder = cut if is_folder(cut) else subject / "color"
    clip = f"{cells['clip']}-{cells['onset']}" if cells["clip"] else ""
    return Entry(at, cells["subject"], clip, cells["label"], folder, cells["onset"], "", cells["offset"])


CASME3_A = Layout(
    name="casme3-a",
    title="CAS(ME)^3 A",
    fps=30,
    sought="cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx beside a folder of spNO.1/a/color/..",
    labels=LABELS,
    holds=_holds_a,
    entry=_entry_a,
    needed={
        "subject": ("subject",),
        "clip": ("filename",),
        "onset": ("onset",),
        "apex": ("apex",),
        "offset": ("offset",),
        "label": ("emotion",),
    },
    film=True,
)
CASME3_C = Layout(
    name="casme3-c",
    title="CAS(ME)^3 C",
    fps=30,
    sought="CAS(ME)3_part_C_ME.xlsx beside a folder of 1/1/color/..",
    labels=LABELS,
    holds=_holds_c,
    entry=_entry_c,
    needed={
        "subject": ("sub", "subject"),
        "clip": ("count",),
        "onset": ("onset",),
        "offset": ("offset",),
        "label": ("emotion",),
    },
    film=True,
    apex_known=False,
)
