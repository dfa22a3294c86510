"""The twin of 4DME: grey films, flags for five emotions, clips with two of them."""

from __future__ import annotations

from collections.abc import Mapping

from p2pfl_me.data.clip import Fault, Quirk
from p2pfl_me.data.datasets.fourdme import FLAGS
from p2pfl_me.data.twins.plants import SHEET_FAULTS, apex_in_gap, count_anew, strange_label
from p2pfl_me.data.twins.recipe import Book, Cell, Recipe, Tree
from p2pfl_me.data.twins.take import Plant, Take


def two_flags(take: Take, _: Take) -> Take:
    other = "surprise" if take.label != "surprise" else "positive"
    return take.writing(Quirk.LABELS, "two emotions", **{other: "1"})


def strange_flags(take: Take, _: Take) -> Take:
    """No flag, and a word that is none of the five."""
    return take.writing(Fault.LABEL, "an unknown emotion", label="bored", **dict.fromkeys(FLAGS, "0"))


def _subject(take: Take) -> str:
    return f"{take.subject + 1:02d}"


def _clip(take: Take) -> str:
    return f"{_subject(take)}_{take.serial + 1}"


def _cells(take: Take) -> Mapping[str, Cell]:
    return {
        "subject": _subject(take),
        "clip": _clip(take),
        "onset": take.onset,
        "apex": take.apex,
        "offset": take.offset,
        "au": "AU4+AU7",
        "label": take.label.capitalize(),
        **{name: int(name == take.label) for name in FLAGS},
    }


_FAULTS: tuple[Plant, ...] = tuple(each for each in SHEET_FAULTS if each is not strange_label)

FOURDME = Recipe(
    dataset="4dme",
    size=(640, 480),
    drawing=0.9,
    grey=True,
    labels=FLAGS,
    trees=(Tree(lambda take, number: f"gray_micro/{_subject(take)}/{_clip(take)}/{number:04d}.jpg"),),
    book=Book(
        "4DME_Labelling_Micro_release v1.xlsx",
        (
            *("sub_ID", "fold_name", "Onset", "Apex", "Offset", "AUs", "Emotion"),
            *("Positive", "Negative", "Surprise", "Repression", "Others"),
        ),
        ("subject", "clip", "onset", "apex", "offset", "au", "label", *FLAGS),
        _cells,
    ),
    quirks=(two_flags, apex_in_gap, count_anew),
    faults=(*_FAULTS, strange_flags),
)
