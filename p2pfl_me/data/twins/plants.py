"""What is planted in twins: quirks that published data sets are known for, and faults that nobody should train on."""

from __future__ import annotations

from p2pfl_me.data.clip import Fault, Quirk
from p2pfl_me.data.twins.take import Folder, Plant, Take


def no_apex(mark: str) -> Plant:
    """CASME II writes `/`."""
    return lambda take, _: take.writing(Quirk.APEX, "no apex", apex=mark)


def early_offset(take: Take, _: Take) -> Take:
    return take.writing(Quirk.OFFSET, "offset before the apex", offset=str(take.apex - 1))


def no_offset(take: Take, _: Take) -> Take:
    """CAS(ME)^2 and CAS(ME)^3 write 0."""
    return take.writing(Quirk.OFFSET, "offset 0", offset="0")


def early_apex(take: Take, _: Take) -> Take:
    return take.writing(Quirk.APEX, "apex before the onset", apex=str(take.onset - 2))


def apex_in_gap(take: Take, _: Take) -> Take:
    return take.saying(Quirk.NEAREST, "a gap where the apex was", lacking=frozenset((take.apex,)))


def late_offset(take: Take, _: Take) -> Take:
    """Beyond the last frame of the clip's folder."""
    return take.writing(Quirk.NEAREST, "offset beyond the last frame", offset=str(take.offset + 5))


def count_anew(take: Take, _: Take) -> Take:
    """The folder counts its frames from 1."""
    return take.saying(Quirk.SHIFTED, "frames counted from 1", count_from=1)


def too_long(frames: int) -> Plant:
    return lambda take, _: take.saying(Quirk.LONG, "lasts too long", offset=take.onset + frames)


def folder_gone(take: Take, _: Take) -> Take:
    return take.saying(Fault.MISSING, "no folder", folder=Folder.GONE)


def folder_empty(take: Take, _: Take) -> Take:
    return take.saying(Fault.FRAMES, "no frames", folder=Folder.EMPTY)


def torn_frame(take: Take, _: Take) -> Take:
    return take.saying(Fault.UNREADABLE, "a frame that is no image", torn=frozenset((take.apex,)))


def strange_label(take: Take, _: Take) -> Take:
    return take.writing(Fault.LABEL, "an unknown emotion", label="bored")


def onset_in_words(take: Take, _: Take) -> Take:
    return take.writing(Fault.CELL, "an onset in words", onset="early")


def late_onset(take: Take, _: Take) -> Take:
    return take.writing(Fault.ORDER, "onset after offset", onset=str(take.offset + 3))


def no_subject(take: Take, _: Take) -> Take:
    return take.writing(Fault.CELL, "no subject", subject=None)


def elsewhere(take: Take, _: Take) -> Take:
    """Frames of another clip: none of those in the sheet is there."""
    cells = {name: str(value + 5000) for name, value in zip(("onset", "apex"), (take.onset, take.apex), strict=True)}
    return take.writing(Fault.FRAMES, "frames that are not there", **cells, offset=str(take.offset + 5001))


def same_images(take: Take, other: Take) -> Take:
    """Those of an earlier clip, in a folder of its own."""
    times = {"onset": other.onset, "apex": other.apex, "offset": other.offset}
    return take.saying(Fault.DUPLICATE, "the images of another clip", copies=other.serial, **times)


def row_twice(take: Take, other: Take) -> Take:
    """An earlier row once more."""
    return take.saying(Fault.DUPLICATE, "a row that stands there already", repeats=other.serial)


def no_film(take: Take, _: Take) -> Take:
    return take.writing(Fault.MISSING, "a film that is not there", clip="z")


SHEET_FAULTS: tuple[Plant, ...] = (
    folder_gone,
    folder_empty,
    torn_frame,
    strange_label,
    onset_in_words,
    late_onset,
    no_subject,
    elsewhere,
    same_images,
)
"""What can be wrong with any data set that has a sheet."""

FILM_FAULTS: tuple[Plant, ...] = (
    no_film,
    torn_frame,
    strange_label,
    onset_in_words,
    late_onset,
    no_subject,
    elsewhere,
    row_twice,
)
"""The same where several clips lie in one film."""
