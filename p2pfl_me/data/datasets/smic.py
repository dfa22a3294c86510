"""SMIC (Li et al., FG 2013), cameras HS (100 frames/s), VIS and NIR (25): `HS/s1/micro/negative/s1_ne_01/..`.

There is no sheet: the emotion is the folder's, and the clip's name must agree with it. Subjects are `s1` on the disk
and `s01` in lists of clips: both are s01 here. VIS and NIR show eight people whom HS shows too: where all three lie, HS
is read, as protocols do, and the others if they are named. The camera is part of the clip's name and not of the
subject's. No apex is published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from p2pfl_me.data.clip import Fault, Problem, Row
from p2pfl_me.data.datasets.layout import Aside, Entry, Layout, folders
from p2pfl_me.data.datasets.sheet import SheetRow

CODES = {"ne": "negative", "po": "positive", "sur": "surprise", "su": "surprise"}
CLIP = re.compile(r"s0*([0-9]+)_([a-z]+)_0*([0-9]+)", re.IGNORECASE)
SUBJECT = re.compile(r"s0*([0-9]+)", re.IGNORECASE)
CAMERAS = {"hs": 100.0, "vis": 25.0, "nir": 25.0}


def camera_of(folder: Path) -> str:
    """Of a camera's folder, from its own name or its parent's; HS where neither says."""
    for name in (folder.name, folder.parent.name):
        for camera in CAMERAS:
            if camera in re.split(r"[^a-z]+", name.lower()):
                return camera
    return "hs"


def _holds(folder: Path) -> bool:
    subjects = [name for name in folders(folder) if SUBJECT.fullmatch(name)]
    return any(next(_clips(folder / name), None) is not None for name in subjects[:3])


def _clips(subject: Path) -> Iterator[tuple[Path, str]]:
    """The clips' folders of a subject, with the emotion's folder that they lie in."""
    micro = subject / "micro" if (subject / "micro").is_dir() else subject
    for name in folders(micro):
        if CLIP.fullmatch(name):
            yield micro / name, ""
        else:
            yield from ((micro / name / clip, name) for clip in folders(micro / name) if CLIP.fullmatch(clip))


def _walk(frames: Path) -> Iterator[Entry | Aside]:
    camera = camera_of(frames)
    for subject in folders(frames):
        if not SUBJECT.fullmatch(subject):
            continue
        for folder, emotion in _clips(frames / subject):
            row = Row(str(folder.relative_to(frames.parent)))
            yield _clip(folder, subject, emotion, camera, row)


def _clip(folder: Path, subject: str, emotion: str, camera: str, row: Row) -> Entry | Problem:
    found = CLIP.fullmatch(folder.name)
    assert found is not None
    number, code, serial = found.groups()
    label = CODES.get(code.lower(), code)
    if emotion and emotion.lower() != label:
        return Problem(0, Fault.LABEL, f"it lies under {emotion}, and its name says {label}", row)
    person = SUBJECT.fullmatch(subject)
    if person is None or person[1] != number:
        return Problem(0, Fault.CELL, f"it lies under {subject}, and its name says s{number}", row)
    name = f"s{int(number):02d}"
    clip = f"{camera}/{name}_{code.lower()}_{int(serial):02d}"
    return Entry(row, name, clip, label, folder, fps=CAMERAS[camera])


def _entry(row: SheetRow, frames: Path, at: Row) -> Entry:
    """The long version has a sheet: onset and offset lie within a film that begins earlier."""
    cells, camera = row.cells, camera_of(frames)
    found = CLIP.fullmatch(cells["clip"])
    number = re.sub(r"[^0-9]", "", cells["subject"])
    subject = f"s{int(number):02d}" if number else ""
    places = [place for name in folders(frames) if _same(name, number) for place, _ in _clips(frames / name)]
    folder = next((place for place in places if _same_clip(place.name, found)), frames / subject / cells["clip"])
    clip = f"{camera}/{subject}_{found[2].lower()}_{int(found[3]):02d}" if found else cells["clip"]
    label = CODES.get(cells["label"].lower(), cells["label"])
    return Entry(at, subject, clip, label, folder, cells["onset"], "", cells["offset"], fps=CAMERAS[camera])


def _same(name: str, number: str) -> bool:
    found = SUBJECT.fullmatch(name)
    return found is not None and found[1] == number.lstrip("0")


def _same_clip(name: str, wanted: re.Match[str] | None) -> bool:
    found = CLIP.fullmatch(name)
    return found is not None and wanted is not None and found.groups() == wanted.groups()


SMIC = Layout(
    name="smic",
    title="SMIC",
    fps=100,
    sought="HS, VIS or NIR with s1/micro/negative/s1_ne_01/.. (SMIC_all_cropped and SMIC_all_raw have them)",
    labels=frozenset(("negative", "positive", "surprise")),
    holds=_holds,
    entry=_entry,
    walk=_walk,
    needed={
        "subject": ("subject",),
        "clip": ("filename",),
        "first": ("firstf",),
        "onset": ("onsetf",),
        "offset": ("offsetf",),
        "label": ("emotion",),
    },
    part=camera_of,
    parts=tuple(CAMERAS),
    apex_known=False,
)
