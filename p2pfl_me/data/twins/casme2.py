"""The twins of CASME II and CASME: raw pictures and cropped faces, clip names that break patterns, apexes that lack."""

from __future__ import annotations

from collections.abc import Mapping

from p2pfl_me.data.twins.plants import (
    SHEET_FAULTS,
    apex_in_gap,
    count_anew,
    early_offset,
    late_offset,
    no_apex,
)
from p2pfl_me.data.twins.recipe import Book, Cell, Recipe, Tree
from p2pfl_me.data.twins.take import Take

ODD_NAMES = ("EP06_02_01", "EP09f", "EP01_2")
AUS = ("4+7+L10", "12", "R12", "4", "15+17", "1+2")


def clip_name(take: Take) -> str:
    """Unique in the whole twin; the first three break the pattern, as some of the real ones do."""
    return (
        ODD_NAMES[take.serial] if take.serial < len(ODD_NAMES) else f"EP{2 + take.serial // 6:02d}_{take.serial:02d}f"
    )


def _raw(root: str) -> Tree:
    return Tree(lambda take, number: f"{root}/sub{take.subject + 1:02d}/{clip_name(take)}/img{number}.jpg")


def _cropped(root: str) -> Tree:
    """280 x 340 of 640 x 480."""
    return Tree(
        lambda take, number: f"{root}/sub{take.subject + 1:02d}/{clip_name(take)}/reg_img{number}.jpg", (0.58, 0.71)
    )


def _cells(take: Take) -> Mapping[str, Cell]:
    return {
        "subject": take.subject + 1,
        "clip": clip_name(take),
        "onset": take.onset,
        "apex": take.apex,
        "offset": take.offset,
        "au": AUS[take.serial % len(AUS)],
        "label": take.label,
    }


CASME2 = Recipe(
    dataset="casme2",
    size=(640, 480),
    drawing=0.9,
    grey=False,
    labels=("happiness", "disgust", "surprise", "repression", "others", "others", "fear", "sadness"),
    trees=(_raw("CASME2_RAW_selected"), _cropped("Cropped")),
    book=Book(
        "CASME2-coding-20140508.xlsx",
        (
            *("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame"),
            *(None, "Action Units", "Estimated Emotion"),
        ),
        ("subject", "clip", "", "onset", "apex", "offset", "", "au", "label"),
        _cells,
    ),
    quirks=(no_apex("/"), early_offset, apex_in_gap, no_apex("/"), late_offset),
    faults=SHEET_FAULTS,
)
CASME = Recipe(
    dataset="casme",
    size=(640, 480),
    drawing=0.9,
    grey=False,
    labels=("happiness", "disgust", "surprise", "repression", "tense", "sadness", "fear", "contempt"),
    trees=(_raw("CASME_raw_selected"), _cropped("Cropped")),
    book=Book(
        "CASME_coding.xlsx",
        ("Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AU", "Emotion"),
        ("subject", "clip", "", "onset", "apex", "apex2", "offset", "", "au", "label"),
        _cells,
    ),
    quirks=(no_apex(""), apex_in_gap, count_anew),
    faults=SHEET_FAULTS,
)
