"""What was done to one clip, for the record: how its apex is known and how its face was found."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from p2pfl_me.data.clip import ApexSource


class FaceSource(StrEnum):
    """What a clip is aligned by."""

    EYES = "eyes"
    """Face and eyes were found in the onset."""
    BOX = "box"
    """The face was found; its eyes are taken to lie where eyes usually do."""
    WHOLE = "whole"
    """No face was found: the frame is taken whole."""
    LARGEST = "largest"
    """Several faces of about one size were found: the largest is taken."""


_APEX, _FACE = (None, *ApexSource), (None, *FaceSource)
_LAYOUT = struct.Struct("<iBBxx")
NOTE_BYTES = _LAYOUT.size


@dataclass(frozen=True, slots=True)
class ClipNote:
    """`apex` is the number of the apex frame; None stands for what this input does not need."""

    apex: int | None = None
    apex_source: ApexSource | None = None
    face: FaceSource | None = None

    def to_bytes(self) -> bytes:
        number = -1 if self.apex is None else self.apex
        return _LAYOUT.pack(number, _APEX.index(self.apex_source), _FACE.index(self.face))

    @classmethod
    def from_bytes(cls, data: bytes) -> ClipNote:
        number, apex, face = _LAYOUT.unpack(data)
        return cls(None if number < 0 else number, _APEX[apex], _FACE[face])


def counts(notes: Iterable[ClipNote]) -> dict[str, dict[str, int]]:
    """How many clips have each source: {"apex": {"given": 12, ...}, "face": {...}}, without what is not used."""
    notes = tuple(notes)
    sources = {
        "apex": Counter(str(note.apex_source) for note in notes if note.apex_source),
        "face": Counter(str(note.face) for note in notes if note.face),
    }
    return {name: dict(sorted(found.items())) for name, found in sources.items() if found}


def in_words(notes: Iterable[ClipNote]) -> tuple[str, ...]:
    """What a user should know before trusting the images."""
    found = counts(notes)
    face, apex = found.get("face", {}), found.get("apex", {})
    total = sum(face.values())
    said = []
    if whole := face.get(FaceSource.WHOLE):
        said.append(f"no face is found in {whole} of {total} clips: their frames are taken whole")
    if box := face.get(FaceSource.BOX):
        said.append(f"no eyes are found in {box} of {total} clips: they are aligned by the face's box")
    if largest := face.get(FaceSource.LARGEST):
        said.append(f"two faces as large are found in {largest} of {total} clips: the larger is taken, crop the others")
    for source, way in ((ApexSource.MIDDLE, "the middle frame"), (ApexSource.FLOW, "the frame of greatest flow")):
        if number := apex.get(source):
            said.append(f"the apex of {number} of {sum(apex.values())} clips is {way}")
    return tuple(said)
