"""4DME (Li et al., IEEE TAFFC 2023), the grey films: 60 frames/s; `gray_micro/<sub_ID>/<fold_name>/..`.

Clips carry flags for five emotions; those with more than one are left out, for a clip here has one label.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from p2pfl_me.data.clip import Quirk, Remark, Row
from p2pfl_me.data.datasets.layout import Entry, Layout, folders, spelled_like
from p2pfl_me.data.datasets.sheet import SheetRow

FLAGS = ("positive", "negative", "surprise", "repression", "others")


def _holds(folder: Path) -> bool:
    named = re.match(r"gr[ae]y[ _]micro", folder.name, re.IGNORECASE)
    return named is not None and any(folders(folder / name) for name in folders(folder))


def _entry(row: SheetRow, frames: Path, at: Row) -> Entry:
    cells = row.cells
    flagged = [name for name in FLAGS if cells.get(name, "") not in {"", "0"}]
    label = flagged[0] if flagged else cells.get("label", "")
    folder = spelled_like(spelled_like(frames, cells["subject"]), cells["clip"])
    entry = Entry(at, cells["subject"], cells["clip"], label, folder, cells["onset"], cells["apex"], cells["offset"])
    if len(flagged) > 1:
        return replace(entry, aside=Remark(Quirk.LABELS, f"flagged {' and '.join(flagged)}: it is left out", at))
    return entry


FOURDME = Layout(
    name="4dme",
    title="4DME",
    fps=60,
    sought="4DME_Labelling_Micro_release *.xlsx (sub_ID, fold_name, ..) beside gray_micro/<sub_ID>/<fold_name>/..",
    labels=frozenset(FLAGS),
    holds=_holds,
    entry=_entry,
    needed={
        "subject": ("subid", "subject"),
        "clip": ("foldname",),
        "onset": ("onset",),
        "apex": ("apex",),
        "offset": ("offset",),
    },
    welcome={"label": ("emotion",), **{name: (name, name.removesuffix("s")) for name in FLAGS}},
)
