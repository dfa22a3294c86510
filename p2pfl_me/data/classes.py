"""Whose classes a local run takes: the contract's where the user chose them, else those of the clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from p2pfl_me.contract import Contract
from p2pfl_me.contract.model import CASME2_CLASSES
from p2pfl_me.data.clip import Manifest
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.labels import Labels, labels_of
from p2pfl_me.data.reading import read_clips, with_labels
from p2pfl_me.data.vectors import is_vectors


def with_classes_of(
    contract: Contract,
    data: Path | None,
    say: Callable[[str], None],
    *,
    chosen: bool = False,
    rules: IdentityRules = ASK,
) -> Contract:
    """The contract, with the classes of the user's manifest where that has labels of its own."""
    if data is None or not _may_change(contract, data, chosen=chosen):
        return contract
    return _of_labels(contract, _labels(read_clips(data, Labels(), rules)), data, say)


def read_with_classes(
    contract: Contract,
    data: Path | None,
    say: Callable[[str], None],
    *,
    chosen: bool = False,
    rules: IdentityRules = ASK,
) -> tuple[Contract, Manifest | None]:
    """The same, and the clips with those classes, read once for all runs on them; None where there is no `data`.

    A ready contract names CASME II's seven classes; clips labelled in another way should run all the same. A label that
    looks like a slip of the pen for one of the contract's is refused when the manifest is read. Other classes than the
    seven, or `chosen` ones, stay as they are: the user named them, and `p2pme peer` will refuse any other label.

    Raises
    ------
    DataError
        The clips cannot be used.
    """
    if data is None:
        return contract, None
    if not _may_change(contract, data, chosen=chosen):
        return contract, read_clips(data, labels_of(contract), rules)
    read = read_clips(data, Labels(), rules)
    contract = _of_labels(contract, _labels(read), data, say)
    return contract, with_labels(read, labels_of(contract))


def _may_change(contract: Contract, data: Path, *, chosen: bool) -> bool:
    """Whether nobody has said which classes there are."""
    named = chosen or contract.model.label_map or contract.model.classes != CASME2_CLASSES
    return not (named or is_vectors(data))


def _labels(read: Manifest) -> list[str]:
    return sorted({clip.label for clip in read.clips})


def _of_labels(contract: Contract, labels: Sequence[str], data: Path, say: Callable[[str], None]) -> Contract:
    known = contract.model.classes
    unknown = [label for label in labels if label not in known]
    if not unknown or len(labels) < 2 or any(get_close_matches(label, known, cutoff=0.75) for label in unknown):
        return contract
    say(f"classes taken from {data}: {', '.join(labels)}")
    are = "are" if len(unknown) > 1 else "is"
    say(
        f"{', '.join(unknown)} {are} none of the contract's; to have a slip refused, name the classes that there are: "
        "--set model.classes=[A,B,...]"
    )
    return contract.model_copy(update={"model": contract.model.model_copy(update={"classes": tuple(labels)})})


def names_classes(overrides: Iterable[str]) -> bool:
    """Whether one of the `section.key=value` texts names the classes: then the user chose them."""
    return any(text.partition("=")[0].strip() == "model.classes" for text in overrides)
