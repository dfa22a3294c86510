"""`--json` of commands that work for long: one object on standard output, whatever is said meanwhile on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from typing import Any

import click

short_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object (docs/json.md).")
"""Of commands that say nothing on the way."""
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object (docs/json.md); the rest goes to stderr."
)


@contextmanager
def set_aside(as_json: bool) -> Iterator[Callable[[Mapping[str, object]], None]]:
    """With `as_json` all output in the block goes to standard error, that of child processes too.

    What the block calls with an object is printed after it, on standard output; without `as_json` it is not.
    """
    objects: list[Mapping[str, object]] = []
    if not as_json:
        yield objects.append
        return
    told, sys.stdout = sys.stdout, sys.stderr
    told.flush()
    kept = None
    with suppress(OSError):  # no such descriptor: nothing of children to turn aside
        kept = os.dup(1)
        os.dup2(2, 1)
    try:
        yield objects.append
    finally:
        sys.stderr.flush()
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)
        sys.stdout = told
    for each in objects:
        say_object(each)


def say_object(values: Mapping[str, object]) -> None:
    """Print `values`, of a type that `objects.py` declares, as one object."""
    click.echo(object_text(values))


def object_text(values: Mapping[str, object]) -> str:
    """One line of JSON, of format 1."""
    return json.dumps({"format": 1, **_known(values)}, ensure_ascii=False, allow_nan=False)


def _known(value: Any) -> Any:
    """The value with null for what is no number (JSON has neither NaN nor infinity, and other readers refuse them), and
    an object for each that is declared by its fields."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if is_dataclass(value):
        return {field.name: _known(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _known(each) for key, each in value.items()}
    return [_known(each) for each in value] if isinstance(value, list | tuple) else value
