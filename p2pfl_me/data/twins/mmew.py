"""The twin of MMEW: folders by emotion, the subject in the sheet alone."""

from __future__ import annotations

from collections.abc import Mapping

from p2pfl_me.data.twins.plants import SHEET_FAULTS, apex_in_gap, no_apex
from p2pfl_me.data.twins.recipe import Book, Cell, Recipe, Tree
from p2pfl_me.data.twins.take import Take


def _clip(take: Take) -> str:
    """The real names hold the subject's number; whoever trusts them would not notice if these did."""
    return f"M{take.serial + 1:03d}"


def _cells(take: Take) -> Mapping[str, Cell]:
    return {
        "subject": take.subject + 1,
        "clip": _clip(take),
        "onset": take.onset,
        "apex": take.apex,
        "offset": take.offset,
        "au": "4+7",
        "label": take.label,
    }


MMEW = Recipe(
    dataset="mmew",
    size=(1920, 1080),
    drawing=0.8,
    grey=False,
    labels=("happiness", "surprise", "anger", "disgust", "fear", "sadness", "others"),
    trees=(Tree(lambda take, number: f"Micro_Expression/{take.label}/{_clip(take)}/{number}.jpg"),),
    book=Book(
        "MMEW_Micro_Exp.xlsx",
        (
            *("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"),
            *("Action Units", "Estimated Emotion", "remarks"),
        ),
        ("subject", "clip", "onset", "apex", "offset", "au", "label", "remarks"),
        _cells,
    ),
    quirks=(no_apex("/"), apex_in_gap),
    faults=SHEET_FAULTS,
    first=1,
)
