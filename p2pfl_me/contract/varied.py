"""`key=value1,value2`: one key of a contract with the values that are tried in turn, and their names."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from p2pfl_me.contract.source import read_yaml
from p2pfl_me.errors import ContractError

FIXED = {
    "peers": "write --peers 8,16",
    "seed": "--seeds repeats all",
    "name": "a contract's file names it",
    "version": "a contract's file names it",
}
"""What cannot be varied by its key, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a varied key: as an override `key=value`, in words, and as a part of a folder's name."""

    override: str
    words: str
    slug: str


Variant = tuple[Value, ...]
"""One value of every varied key."""


def values_of(text: str) -> tuple[Value, ...]:
    """Read `section.key=value,value`.

    Raises
    ------
    ContractError
        It cannot be read, or the key is one that cannot be varied.
    """
    key, equals, listed = text.partition("=")
    key = key.strip()
    values = None
    if equals and key:
        try:
            values = read_yaml(f"[{listed}]", "--vary")
        except ContractError as error:
            raise ContractError(f"cannot read `{text}`: {error.what}", where="--vary", fix=error.fix) from error
    if not values:
        raise ContractError(
            f"cannot read `{text}`", where="--vary", fix="write section.key=value,value, as training.local_epochs=1,2,4"
        )
    if (section := key.split(".")[0]) in FIXED:
        raise ContractError(f"`{key}` cannot be varied", where="--vary", fix=FIXED[section])
    last = key.rpartition(".")[2]
    return tuple(
        Value(f"{key}={json.dumps(value)}", f"{last} {_word(value)}", slug_of(f"{last}-{_word(value)}"))
        for value in values
    )


def key_of(text: str) -> str:
    """The key of `key=value`."""
    return text.partition("=")[0].strip()


def slug_of(words: str) -> str:
    """`words` as a part of a folder's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", words).strip("-.").lower() or "x"


def _word(value: Any) -> str:
    """`topk fraction 0.1` for {kind: topk, fraction: 0.1}, `none` for null."""
    if isinstance(value, dict):
        return " ".join(_word(inner) if key == "kind" else f"{key} {_word(inner)}" for key, inner in value.items())
    return "none" if value is None else json.dumps(value) if isinstance(value, list) else str(value)
