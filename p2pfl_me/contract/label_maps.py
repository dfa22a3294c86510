"""Label maps: how the labels of a data set become the classes of a protocol. A name stands for exactly one table.

Protocols differ: CASME II's `repression` is negative for MEGC 2019 and `others` for the founding paper. A peer with
another table would poison its neighbours in silence, so the contract holds the table's digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from p2pfl_me.errors import ContractError

SYNONYMS: Mapping[str, str] = {
    "angry": "anger",
    "fearful": "fear",
    "happy": "happiness",
    "other": "others",
    "sad": "sadness",
    "surprised": "surprise",
}
"""Spellings of one label in the sheets of different data sets."""


def plain(label: str) -> str:
    """A sheet's label in lower case, in one spelling: `Other` and `others` are one."""
    small = " ".join(label.lower().split())
    return SYNONYMS.get(small, small)


@dataclass(frozen=True)
class LabelMap:
    """`table` gives each known label its class, or None where the protocol leaves such clips out.

    Every class is also a label of its own, so that clips that are mapped already stay what they are. `without` names
    labels, by data set, that the protocol leaves out of that data set alone.
    """

    name: str
    about: str
    table: Mapping[str, str | None]
    without: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the network's outputs."""
        return tuple(sorted({name for name in self.table.values() if name is not None}))

    @property
    def sha256(self) -> str:
        """Of classes and table (hex): equal digests mean equal labels, whatever the name."""
        without = {name: sorted(labels) for name, labels in self.without.items()}
        agreed = [self.classes, dict(self.table), *([without] if without else [])]
        text = json.dumps(agreed, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def knows(self, label: str) -> bool:
        return plain(label) in self.table

    def of(self, label: str, dataset: str = "") -> str | None:
        """The class of a known label of a clip of `dataset`; None: left out."""
        if plain(label) in self.without.get(dataset.lower(), ()):
            return None
        return self.table[plain(label)]


def _table(dropped: str = "", **classes: str) -> Mapping[str, str | None]:
    table: dict[str, str | None] = {label: name for name, labels in classes.items() for label in labels.split()}
    return table | dict.fromkeys(dropped.split())


_MEGC = _table(
    negative="negative anger contempt disgust fear repression sadness",
    positive="positive happiness",
    surprise="surprise",
    dropped="others tense",
)

LABEL_MAPS: Mapping[str, LabelMap] = {
    each.name: each
    for each in (
        LabelMap("megc3", "MEGC 2019, 3 classes: repression is negative, others are left out", _MEGC),
        LabelMap(
            "megc2019",
            "the same, and CASME II's fear and sadness are left out, as in the challenge's own list",
            _MEGC,
            {"casme2": frozenset({"fear", "sadness"})},
        ),
        LabelMap(
            "paper4",
            "the founding paper, 4 classes: repression is among the others",
            _table(
                negative="negative anger contempt disgust fear sadness",
                positive="positive happiness",
                surprise="surprise",
                others="others repression tense",
            ),
        ),
        LabelMap(
            "paper7",
            "the founding paper, CASME II's 7 classes; anger and contempt are left out",
            _table(
                **{name: name for name in ("disgust", "fear", "happiness", "repression", "sadness", "surprise")},
                others="others tense",
                dropped="anger contempt",
            ),
        ),
        LabelMap(
            "casme2_5",
            "CASME II, the usual 5 classes: fear and sadness, of 9 clips, are left out",
            _table(
                **{name: name for name in ("disgust", "happiness", "repression", "surprise")},
                others="others tense",
                dropped="anger contempt fear sadness",
            ),
        ),
    )
}
"""All label maps by name."""


def label_map_named(name: str) -> LabelMap:
    """A label map by its name.

    Raises
    ------
    ContractError
        There is none of that name.
    """
    if name not in LABEL_MAPS:
        raise ContractError(f"unknown label map `{name}`", fix=f"known: {', '.join(LABEL_MAPS)}")
    return LABEL_MAPS[name]
