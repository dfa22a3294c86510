"""The twin of SMIC: three cameras, no sheet, no apex; `s1` on the disk. VIS and NIR show some of the people of HS."""

from __future__ import annotations

from p2pfl_me.data.clip import Fault
from p2pfl_me.data.twins.plants import folder_empty, same_images, torn_frame
from p2pfl_me.data.twins.recipe import Recipe, Tree
from p2pfl_me.data.twins.take import Take

CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}


def other_emotion(take: Take, _: Take) -> Take:
    """A clip under another emotion than its name says."""
    wrong = "positive" if take.label == "negative" else "negative"
    return take.writing(Fault.LABEL, "under the wrong emotion", label=wrong)


def other_subject(take: Take, _: Take) -> Take:
    """A clip under another subject than its name says."""
    return take.writing(Fault.CELL, "under the wrong subject", subject=str(take.subject + 2))


def _path(camera: str, take: Take, number: int) -> str:
    subject = take.cells.get("subject") or str(take.subject + 1)
    emotion = take.cells.get("label") or take.label
    # MEGC's lists write s01, the folders s1; both are met.
    name = f"s{take.subject + 1:0{1 + take.serial % 2}d}_{CODES[take.label]}_{take.serial + 1:02d}"
    return f"SMIC_all_cropped/{camera}/s{subject}/micro/{emotion}/{name}/reg_image{number:06d}.bmp"


def _camera(name: str, share: float) -> Recipe:
    return Recipe(
        dataset="smic",
        size=(640, 480),
        drawing=1.0,
        grey=name == "NIR",
        labels=("negative", "positive", "surprise"),
        trees=(Tree(lambda take, number: _path(name, take, number), (0.75, 0.85)),),
        book=None,
        quirks=(),
        faults=(torn_frame, folder_empty, other_emotion, other_subject, same_images) if name == "HS" else (),
        first=120,
        margin=0,
        share=share,
        camera=name,
    )


SMIC = (_camera("HS", 1.0), _camera("VIS", 0.5), _camera("NIR", 0.5))
