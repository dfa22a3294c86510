"""The twin of SAMM: grey pictures, thirteen rows of text above the header, subjects as text with leading zeros."""

from __future__ import annotations

from collections.abc import Mapping

from p2pfl_me.data.twins.plants import SHEET_FAULTS, apex_in_gap, early_offset, no_apex
from p2pfl_me.data.twins.recipe import Book, Cell, Recipe, Tree
from p2pfl_me.data.twins.take import Take

INDUCED = ("Anger", "Contempt", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")


def _subject(take: Take) -> str:
    return f"{6 + take.subject:03d}"


def _clip(take: Take) -> str:
    return f"{_subject(take)}_{1 + take.serial % 7}_{1 + take.serial}"


def _cells(take: Take) -> Mapping[str, Cell]:
    return {
        "subject": _subject(take),
        "clip": _clip(take),
        "induced": INDUCED[take.serial % len(INDUCED)],
        "onset": take.onset,
        "apex": take.apex,
        "offset": take.offset,
        "duration": take.offset - take.onset + 1,
        "micro": "Micro - 1/2",
        "au": "R12A or 14" if take.serial % 5 == 0 else "4+7",
        "label": take.label,
        "class": "VII" if take.label == "Other" else "II",
    }


SAMM = Recipe(
    dataset="samm",
    size=(2040, 1088),
    drawing=0.9,
    grey=True,
    labels=("Anger", "Contempt", "Happiness", "Surprise", "Other", "Anger", "Fear", "Sadness", "Disgust"),
    trees=(Tree(lambda take, number: f"SAMM/{_subject(take)}/{_clip(take)}/{_subject(take)}_{number:05d}.jpg"),),
    book=Book(
        "SAMM_Micro_FACS_Codes_v2.xlsx",
        (
            *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration"),
            *("Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
        ),
        (
            *("subject", "clip", "induced", "onset", "apex", "offset", "duration"),
            *("micro", "au", "label", "class", "notes"),
        ),
        _cells,
        above=(
            "A synthetic twin of the SAMM annotation",
            "Drawn faces; nobody's data",
            *("",) * 10,
            "Codes below",
        ),
    ),
    quirks=(no_apex("-"), early_offset, apex_in_gap),
    faults=SHEET_FAULTS,
    first=5560,
)
