"""Whose classes a local run takes: the contract's where the user chose them, else those of the clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from p2pfl_me.contract import Contract
from p2pfl_me.contract.model import CASME2_CLASSES, Model
from p2pfl_me.data.clip import Manifest
from p2pfl_me.data.describe import what_is_read
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.labels import Labels, alike_words, labels_of, map_of
from p2pfl_me.data.reading import read_clips, with_labels
from p2pfl_me.data.source import require_consistent
from p2pfl_me.data.vectors import is_vectors
from p2pfl_me.errors import DataError


def read_with_classes(
    contract: Contract,
    data: Path | None,
    say: Callable[[str], None],
    *,
    chosen: bool = False,
    rules: IdentityRules = ASK,
) -> tuple[Contract, Manifest | None]:
    """The contract with the classes of the user's clips, and those with these classes, None where there is no `data`.

    A ready contract names CASME II's seven classes; clips labelled in another way should run all the same. A label that
    looks like a slip of the pen for one of the contract's is refused when the manifest is read. Other classes than the
    seven, or `chosen` ones, stay as they are: the user named them, and `p2pme peer` will refuse any other label.

    Raises
    ------
    DataError
        The clips cannot be used.
    """
    return read_for_all([contract], data, say, chosen=chosen, rules=rules)[0]


def read_for_all(
    contracts: Sequence[Contract],
    data: Path | None,
    say: Callable[[str], None],
    *,
    chosen: bool = False,
    rules: IdentityRules = ASK,
) -> list[tuple[Contract, Manifest | None]]:
    """The same for each of several contracts; the clips are read once for all of them.

    Raises
    ------
    DataError
        As above.
    """
    if data is None:
        return [(contract, None) for contract in contracts]
    changing = [_may_change(contract, data, chosen=chosen) for contract in contracts]
    wanted = [Labels() if may else labels_of(contract) for contract, may in zip(contracts, changing, strict=True)]
    distinct = [labels for place, labels in enumerate(wanted) if labels not in wanted[:place]]
    taken = Labels() if len(distinct) > 1 and not is_vectors(data) else distinct[0]
    read = read_clips(data, taken, rules)
    for other in distinct[1:] if is_vectors(data) else ():
        read_clips(data, other, rules)  # such a file names its classes, and any other list of them is refused
    for words in what_is_read(read):
        say(words)
    labels = sorted({clip.label for clip in read.clips})
    done: dict[Model, tuple[Model, Manifest]] = {}
    for contract, may in zip(contracts, changing, strict=True):
        if (model := contract.model) not in done:
            agreed = _of_labels(contract, labels, data, say) if may else contract
            clips = read if labels_of(agreed) == taken else with_labels(read, labels_of(agreed))
            require_consistent(clips, data)
            done[model] = agreed.model, clips
    return [
        (contract.model_copy(update={"model": done[contract.model][0]}), done[contract.model][1])
        for contract in contracts
    ]


def _may_change(contract: Contract, data: Path, *, chosen: bool) -> bool:
    """Whether nobody has said which classes there are."""
    named = chosen or contract.model.label_map or contract.model.classes != CASME2_CLASSES
    return not (named or is_vectors(data))


def _of_labels(contract: Contract, labels: Sequence[str], data: Path, say: Callable[[str], None]) -> Contract:
    if words := alike_words(labels):
        raise DataError(words, where=str(data), fix="correct the rows, or --set model.classes=[A,B,...]")
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
    if (known_by := map_of(labels)) and len({known_by.of(label) for label in labels}) < len(labels):
        say(f"several of them are one class elsewhere: --set model.label_map={known_by.name} makes them one here")
    return contract.model_copy(update={"model": contract.model.model_copy(update={"classes": tuple(labels)})})


def names_classes(overrides: Iterable[str]) -> bool:
    """Whether one of the `section.key=value` texts names the classes: then the user chose them."""
    return any(text.partition("=")[0].strip() == "model.classes" for text in overrides)
