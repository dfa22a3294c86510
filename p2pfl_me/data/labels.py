"""What a label may be, and which class it becomes."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from p2pfl_me.contract import Contract, LabelMap
from p2pfl_me.contract.label_maps import LABEL_MAPS, plain


@dataclass(frozen=True)
class Labels:
    """The classes that a run takes (None: any label is a class), and the label map, if there is one."""

    classes: tuple[str, ...] | None = None
    label_map: LabelMap | None = None

    def complaint(self, label: str) -> str | None:
        """What is wrong with a label, in words; None if nothing is."""
        if self.label_map:
            if self.label_map.knows(label):
                return None
            known = ", ".join(self.label_map.table)
            return f"label {label!r} is unknown to label map {self.label_map.name}; it knows {known}"
        if self.classes is None or label in self.classes:
            return None
        near = next((name for name in self.classes if plain(name) == plain(label)), None)
        hint = f"did you mean {near!r}?" if near else f"the contract's classes are {', '.join(self.classes)}"
        return f"unknown label {label!r}; {hint}"

    def of(self, label: str, dataset: str) -> str | None:
        """The class of a label without complaint, of a clip of `dataset`; None: the label map leaves it out."""
        return self.label_map.of(label, dataset) if self.label_map else label


def labels_of(contract: Contract) -> Labels:
    """The labels that a contract takes."""
    given = contract.model.label_map
    return Labels(contract.model.classes, given.table if given else None)


def as_labels(classes: Sequence[str] | Labels | None) -> Labels:
    """`classes` alone are labels without a map."""
    if isinstance(classes, Labels):
        return classes
    return Labels(None if classes is None else tuple(classes))


def alike_words(labels: Iterable[str]) -> str:
    """What to say of labels that differ in case, blanks, signs or accents alone, each of which would be a class."""
    ways: dict[str, list[str]] = defaultdict(list)
    for label in sorted(set(labels)):
        ways[_bare(label)].append(label)
    several = [f"{' and '.join(map(repr, ways))} may be one class" for ways in ways.values() if len(ways) > 1]
    return f"labels {'; '.join(several)}: spell it in one way, or name the classes" if several else ""


def _bare(label: str) -> str:
    """A label's letters and figures, in one spelling."""
    letters = "".join(
        each for each in unicodedata.normalize("NFKD", label).casefold() if each.isalnum() or each in " +-"
    )
    return plain(letters) or label


def map_of(labels: Collection[str]) -> LabelMap | None:
    """The first label map that knows all of these; None if none does."""
    return next((each for each in LABEL_MAPS.values() if all(map(each.knows, labels))), None)
