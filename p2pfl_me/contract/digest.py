"""The canonical digest of a contract: equal digests mean equal agreements, however the YAML is written."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import yaml

from p2pfl_me.contract.model import Contract


def digest(contract: Contract) -> bytes:
    """SHA-256 (32 bytes) over the contract's canonical JSON: all keys with their defaults, sorted."""
    return _sha256(contract.model_dump(mode="json"))


def section_digests(contract: Contract) -> dict[str, bytes]:
    """SHA-256 (32 bytes) of each top-level key, so that two peers can say which part differs.

    Label map and network stand apart from their section, and what an own network computes from how it is laid out: who
    reads the word learns at once what is at odds.
    """
    values = contract.model_dump(mode="json")
    label_map, network = values["model"].pop("label_map"), values["model"].pop("backbone")
    if label_map:
        values["model"].pop("classes")  # they follow from it
    parts = {**values, "model.label_map": label_map, "model.backbone": network}
    if isinstance(network, dict) and "answers" in network:
        parts["model.backbone.answers"] = network.pop("answers")
    return {key: _sha256(value) for key, value in parts.items()}


def dump_contract(contract: Contract) -> str:
    """The contract as YAML text that loads to the same digest."""
    values = contract.model_dump(mode="json", exclude_none=True)
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100))


def _sha256(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).digest()
