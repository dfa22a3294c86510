"""Contracts without a file: any kind of graph by its name, with values changed as keywords."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from p2pfl_me.contract import Contract, contract_from_yaml, load_contract
from p2pfl_me.contract.template import contract_text
from p2pfl_me.errors import ContractError


def contract(kind: str | Path, *, peers: int | None = None, **overrides: Any) -> Contract:
    """The ready contract of a kind of graph, as `p2pme topology new` writes it, or the one in a file.

    Parameters
    ----------
    kind:
        "ring", "exponential", ... (`p2pme topology list`), "small" (for the small network), or a path.
    peers:
        Number of peers, all on this machine; the kind's own default when None.
    overrides:
        Values by `section__key` or, in a mapping, "section.key": `training__rounds=5`,
        `**{"model.classes": ["a", "b"]}`, `training={"rounds": 5, "local_epochs": 1}`.

    Raises
    ------
    ContractError
        There is no such kind or file, or a value is none that a contract can hold.
    """
    given = [f"{key}={_as_yaml(key, value)}" for key, value in _flat(overrides)]
    if isinstance(kind, Path) or "/" in kind or kind.endswith((".yaml", ".yml")):
        more = [] if peers is None else [f"peers.loopback.count={_as_yaml('peers', peers)}"]
        return load_contract(kind, [*given, *more])
    if peers is not None and (not isinstance(peers, int | np.integer) or isinstance(peers, bool) or peers < 1):
        raise ContractError(f"`{peers}` is no number of peers", where="peers", fix="give a whole number from 1 on")
    return contract_from_yaml(contract_text(kind, None if peers is None else int(peers)), kind, given)


def load(path: Path | str, **overrides: Any) -> Contract:
    """The contract at `path`, with `section.key` overrides: `load("ring.yaml", **{"training.rounds": 5})`.

    Raises
    ------
    ContractError
        The contract cannot be read or is invalid, or an override is nothing that a contract may hold.
    """
    return load_contract(path, [f"{key}={_as_yaml(key, value)}" for key, value in _flat(overrides)])


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """(section.key, value) pairs; a mapping with a `kind` is a value, any other a section."""
    for name, value in values.items():
        key = f"{path}{str(name).replace('__', '.')}"
        if isinstance(value, Mapping) and "kind" not in value and (not path or value):
            yield from _flat(value, f"{key}.")
        else:
            yield key, value


def _as_yaml(key: str, value: Any) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, np.generic | np.ndarray):
            return value.tolist()
        raise ContractError(
            f"a contract cannot hold a {type(value).__name__}", where=key, fix="give a number, a text, a list or a dict"
        )

    return json.dumps(value, default=plain)
