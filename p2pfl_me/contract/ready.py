"""A contract by its file, or a ready one by its name: `topologies/ring.yaml` of a checkout, `ring` from anywhere.

The ready ones are written by `contract.template`, so they are the same text in a checkout, a wheel and a notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from p2pfl_me.contract.load import contract_from_yaml, load_contract
from p2pfl_me.contract.model import Contract
from p2pfl_me.contract.template import RECIPES, contract_text
from p2pfl_me.topology.kind import TOPOLOGIES


def ready_names() -> dict[str, str]:
    """Kinds of `contract_text` by the names of their ready contracts and by their own: `base3` and `base`, `small`,
    `masks`, `submodels`."""
    files = {about.ready_file or kind: kind for kind, about in TOPOLOGIES.items()}
    return {**files, **{kind: kind for kind in TOPOLOGIES}, **{name: name for name in RECIPES}}


def read_contract(named: Path | str, overrides: Sequence[str] = (), *, another_network: bool = False) -> Contract:
    """The contract in the file `named`, or the ready one of that name where no such file is; else as `load_contract`.

    Raises
    ------
    ContractError
        There is neither, or it cannot be read or says something that a contract cannot say.
    """
    path, names = Path(named), ready_names()
    if str(named) in names and (path.is_dir() or not path.exists()):
        text = contract_text(names[str(named)])
        return contract_from_yaml(text, path.name, overrides, another_network=another_network)
    return load_contract(path, overrides, another_network=another_network)
