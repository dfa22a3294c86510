"""The twin of CAS(ME)^3: part A, several clips in one long film with depth beside it, and its first sheet, an old .xls,
beside the corrected one; part C, no apex."""

from __future__ import annotations

from collections.abc import Mapping

from p2pfl_me.data.twins.plants import FILM_FAULTS, apex_in_gap, early_apex, no_offset, too_long
from p2pfl_me.data.twins.recipe import Book, Cell, Recipe, Tree
from p2pfl_me.data.twins.take import Take

FILMS = "abcdefghijklm"


def _subject(take: Take) -> str:
    return f"spNO.{take.subject + 1}"


def _film(take: Take) -> str:
    """Two clips in a film."""
    return FILMS[take.serial // 2 % len(FILMS)]


def _cells_a(take: Take) -> Mapping[str, Cell]:
    """Its sheet writes every number as text."""
    return {
        "subject": _subject(take),
        "clip": _film(take),
        "onset": str(take.onset),
        "apex": str(take.apex),
        "offset": str(take.offset),
        "au": "R12" if take.serial % 3 else "4",
        "class": "VII",
        "label": take.label,
    }


def _cells_c(take: Take) -> Mapping[str, Cell]:
    return {
        "subject": take.subject + 1,
        "clip": take.serial + 1,
        "onset": take.onset,
        "offset": take.offset,
        "au": "R4,5" if take.serial % 3 else 4,
        "label": take.label,
    }


PART_A = Recipe(
    dataset="casme3-a",
    size=(1280, 720),
    drawing=0.8,
    grey=False,
    labels=("disgust", "surprise", "others", "Others", "fear", "anger", "sad", "happy"),
    trees=(
        Tree(lambda take, number: f"part_A_split/part_A/{_subject(take)}/{_film(take)}/color/{number}.jpg"),
        Tree(lambda take, number: f"part_A_split/part_A/{_subject(take)}/{_film(take)}/depth/{number}.png", (0.1, 0.1)),
    ),
    book=Book(
        "annotation/cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"),
        ("subject", "clip", "onset", "apex", "offset", "au", "class", "label"),
        _cells_a,
        older="annotation/cas(me)3_part_A_ME_label_JpgIndex_v1.xls",
    ),
    quirks=(early_apex, no_offset, apex_in_gap, too_long(70)),
    faults=FILM_FAULTS,
    first=5,
    films=True,
)
PART_C = Recipe(
    dataset="casme3-c",
    size=(1280, 720),
    drawing=0.8,
    grey=False,
    labels=("negative", "negative", "surprise", "others", "positive"),
    trees=(Tree(lambda take, number: f"ME_C/{take.subject + 1}/{take.serial + 1}/color/{number}.jpg"),),
    book=Book(
        "annotation/CAS(ME)3_part_C_ME.xlsx",
        ("sub", "count", "onset", "offset", "au", "emotion"),
        ("subject", "clip", "onset", "offset", "au", "label"),
        _cells_c,
    ),
    quirks=(too_long(70),),
    faults=(),
    first=370,
    films=True,
)
