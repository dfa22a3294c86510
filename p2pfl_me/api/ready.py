"""What every run begins with: the contract with the clips' classes and the user's network, and the clips, read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from p2pfl_me.api.clips import Clips, path_of
from p2pfl_me.api.given import given_path, given_texts
from p2pfl_me.contract import Contract
from p2pfl_me.contract.model import CASME2_CLASSES
from p2pfl_me.data.classes import read_with_classes
from p2pfl_me.data.clip import Manifest
from p2pfl_me.data.identity_rules import ASK, IdentityRules, rules_of
from p2pfl_me.errors import ContractError
from p2pfl_me.networks.code import Given
from p2pfl_me.networks.kinds.own import Own


@dataclass(frozen=True)
class Ready:
    """A contract that can run here, where its clips lie (None: drawn faces), and what was read there."""

    contract: Contract
    data: Path | None
    read: Manifest | None = field(repr=False)


def make_ready(
    contract: Contract,
    data: Clips | Path | str | None,
    *,
    rules: IdentityRules = ASK,
    network: Given | None = None,
    trained: Sequence[str] = (),
    chosen: bool = False,
    say: Callable[[str], None],
) -> Ready:
    """Read the clips, take their classes and bind the network. `chosen` classes stay, whatever the labels of the clips.

    Raises
    ------
    P2pmeError
        One of them cannot be used.
    """
    path = path_of(data)
    named = for_arrays(contract, data)
    agreed, read = read_with_classes(named, path, say, chosen=chosen or named is not contract, rules=rules)
    if agreed.model.classes != contract.model.classes and isinstance(contract.model.backbone, Own):
        from p2pfl_me.learning.own import for_classes

        agreed = for_classes(contract, agreed.model.classes)
    parts = given_texts(trained, "trained", "fc")
    if parts and network is None:
        raise ContractError("names parts of no network", where="trained", fix="give the network, too")
    if network is not None:  # after the classes, of which it needs the number
        from p2pfl_me.learning.own import with_network

        shape = data.x.shape[1:] if isinstance(data, Clips) and data.rows else None
        agreed = with_network(agreed, network, trained=parts, shape=shape)
    agreed.model.backbone.require()
    return Ready(agreed, path, read)


def for_arrays(contract: Contract, data: Clips | Path | str | None) -> Contract:
    """The contract with the classes that arrays bring, in their order; unchanged where it names its own."""
    if not isinstance(data, Clips) or contract.model.label_map or contract.model.classes != CASME2_CLASSES:
        return contract
    return contract.model_copy(update={"model": contract.model.model_copy(update={"classes": data.classes})})


def rules_from(same: Sequence[str], different: Sequence[str], subjects: Path | str | None) -> IdentityRules:
    """Who is who, as `--same`, `--different` and `--subjects` say it on the command line.

    Raises
    ------
    DataError
        A text that names no two, or a table that cannot be read.
    """
    one, two = given_texts(same, "same", "S1=S01"), given_texts(different, "different", "S1=S01")
    return rules_of(one, two, None if subjects is None else given_path(subjects, "subjects"))
