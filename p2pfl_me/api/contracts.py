"""Contracts without a file: any kind of graph by its name, with values changed as keywords."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from p2pfl_me.api.given import given_number, given_path
from p2pfl_me.contract import Contract, contract_from_yaml, load_contract
from p2pfl_me.contract.ready import ready_names
from p2pfl_me.contract.template import contract_text
from p2pfl_me.errors import ContractError
from p2pfl_me.networks.code import Given


def contract(
    kind: str | Path,
    *,
    peers: int | None = None,
    network: Given | None = None,
    trained: Sequence[str] = (),
    **overrides: Any,
) -> Contract:
    """The ready contract of a kind of graph, as `p2pme topology new` writes it, or the one in a file.

    Parameters
    ----------
    kind:
        "ring", "exponential", ... (`p2pme topology list`), another name that `p2pme swarm` takes ("small",
        "base3"), or a path.
    peers:
        Number of peers, all on this machine; the kind's own default when None.
    network, trained:
        Your own network in place of the contract's, and the parts of it to train and send, as in `run`.
    overrides:
        Values by `section__key` or, in a mapping, "section.key": `training__rounds=5`,
        `**{"model.classes": ["a", "b"]}`, `training={"rounds": 5, "local_epochs": 1}`.

    Raises
    ------
    ContractError
        There is no such kind or file, or a value is none that a contract can hold.
    NetworkError
        The network cannot be trained by gossip.
    """
    agreed = _contract(kind, peers, overrides, another_network=network is not None)
    if network is None:
        return agreed
    from p2pfl_me.learning.own import with_network

    return with_network(agreed, network, trained=trained)


def _contract(kind: str | Path, peers: int | None, overrides: Mapping[str, Any], *, another_network: bool) -> Contract:
    given = [f"{key}={_as_yaml(key, value)}" for key, value in _flat(overrides)]
    kind = kind if isinstance(kind, str) else given_path(kind, "kind")
    if isinstance(kind, Path) or "/" in kind or kind.endswith((".yaml", ".yml")):
        more = [] if peers is None else [f"peers.loopback.count={_as_yaml('peers', peers)}"]
        return load_contract(kind, [*given, *more], another_network=another_network)
    text = contract_text(ready_names().get(kind, kind), None if peers is None else given_number(peers, "peers"))
    return contract_from_yaml(text, kind, given, another_network=another_network)


def load(path: Path | str, **overrides: Any) -> Contract:
    """The contract at `path`, with `section.key` overrides: `load("ring.yaml", **{"training.rounds": 5})`.

    Raises
    ------
    ContractError
        The contract cannot be read or is invalid, or an override is nothing that a contract may hold.
    """
    return load_contract(given_path(path, "path"), [f"{key}={_as_yaml(key, value)}" for key, value in _flat(overrides)])


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
