"""What a model's history depends on, and what of a contract may change while its run goes on.

A model is what network, preprocessing, labels, seed, data and the way of training and mixing have made of it: change
one of these, and what comes after is another experiment. Who takes part, where, under which key, along which graph, for
how long and how patiently may change, and the model stays what it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from p2pfl_me.contract.model import Contract

FREE: tuple[str, ...] = (
    "name",
    "topology",
    "peers.loopback",
    "peers.members",
    "peers.approve",
    "peers.relays",
    "training.rounds",
    "training.until",
    "gossip.weights",
    "gossip.deadline",
    "gossip.start",
    "gossip.alone",
    "gossip.hand_out",
    "gossip.patience",
)
"""Keys that may change. All others are the model's history."""


def history(contract: Contract) -> dict[str, Any]:
    """The keys that a model's history depends on, by their dotted names down to the second level."""
    return {key: value for key, value in _flat(contract).items() if key not in _free(contract)}


def history_digest(contract: Contract) -> str:
    """SHA-256 (hex): equal where a model of one contract may go on under the other."""
    text = json.dumps(history(contract), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def changes(old: Contract, new: Contract) -> tuple[str, ...]:
    """The keys in which two contracts differ, by their dotted names."""
    before, after = _flat(old), _flat(new)
    return tuple(key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key))


def breaks(old: Contract, new: Contract) -> tuple[str, ...]:
    """Those of the changes with which the model would have another history; none if it may go on."""
    free = _free(old) & _free(new)
    if new.privacy.exchange.parts_only and old.peers.present != new.peers.present:
        free -= {"peers.loopback", "peers.members"}
    return tuple(key for key in changes(old, new) if key not in free)


def _free(contract: Contract) -> frozenset[str]:
    """Less what this contract's own promises hang on."""
    free, gossip = set(FREE), contract.gossip
    if contract.privacy.spends:  # noise is laid out for so many rounds
        free -= {"training.rounds", "training.until"}
    if contract.privacy.exchange.parts_only:  # on another graph a neighbour would be dealt another part, and have both
        free -= {"topology"}
    if gossip.protocol.sends_sums or (gossip.compression and gossip.compression.remembers_edges):
        free -= {"topology", "gossip.weights"}  # both ends of an edge remember what has gone over it
    return frozenset(free)


def _flat(contract: Contract) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for section, value in contract.model_dump(mode="json").items():
        if isinstance(value, Mapping) and section != "topology":
            found |= {f"{section}.{key}": inner for key, inner in value.items()}
        else:
            found[section] = value
    network = found["model.backbone"]
    if isinstance(network, Mapping) and "answers" in network:  # equal layouts, and something else is computed
        found["model.backbone"] = {key: value for key, value in network.items() if key != "answers"}
        found["model.backbone.answers"] = network["answers"]
    return found
