"""What `--json` prints is declared (`cli/objects.py`, which mypy holds the commands to): docs/json.md names each key,
and nothing that is none."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from p2pfl_me.cli.objects import OBJECTS
from p2pfl_me.report.summary import RunObject
from tests.cli.test_grammar import with_json

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
ROWS = {
    name: row
    for row in PAGE.partition("## A run")[0].splitlines()
    if row.startswith("| `")
    for name in re.findall(r"`([a-z -]+)`", row.split(" | ")[0])
}


def keys_of(declared: Any) -> Iterator[str]:
    """Every key of a declared object, those of the objects in it too."""
    if declared is RunObject:  # under a heading of its own
        return
    if is_typeddict(declared) or dataclasses.is_dataclass(declared):
        hints = get_type_hints(declared)
        names = (
            hints if is_typeddict(declared) else {each.name: hints[each.name] for each in dataclasses.fields(declared)}
        )
        for name, hint in names.items():
            yield name
            yield from keys_of(hint)
    else:
        for inner in () if get_origin(declared) is Literal else get_args(declared):
            yield from keys_of(inner)


def values_of(declared: Any) -> Iterator[str]:
    """The words that a value is one of."""
    if is_typeddict(declared) or dataclasses.is_dataclass(declared):
        for hint in get_type_hints(declared).values():
            yield from values_of(hint)
    elif get_origin(declared) is Literal:
        yield from get_args(declared)
    elif isinstance(declared, type) and issubclass(declared, StrEnum):
        yield from declared
    else:
        for inner in get_args(declared):
            yield from values_of(inner)


def test_every_command_with_json_declares_what_it_prints() -> None:
    assert set(OBJECTS) == with_json() == set(ROWS)


@pytest.mark.parametrize("command", OBJECTS)
def test_the_page_names_each_key_of_an_object_and_no_other(command: str) -> None:
    keys = {key for each in OBJECTS[command] for key in keys_of(each)}
    words = {word for each in OBJECTS[command] for word in values_of(each)}
    named = set(re.findall(r"`([a-z]\w*)`", ROWS[command].partition(" | ")[2]))
    assert keys <= named, f"docs/json.md does not say what these are: {sorted(keys - named)}"
    assert named <= keys | words, f"docs/json.md names keys that there are not: {sorted(named - keys - words)}"


def test_the_page_names_each_key_of_a_run() -> None:
    table = PAGE.partition("## A run\n")[2].partition("\n## ")[0]
    firsts = {
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split(" | ")[0])
    }
    assert firsts == set(RunObject.__annotations__)
