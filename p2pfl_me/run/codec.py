"""An event as a line of a log, and back.

A line is one JSON object: `t` (Unix seconds), `event` (the name), `v` (the version, where it is not 1), and the fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

import pydantic_core

from p2pfl_me.run import events
from p2pfl_me.run.declare import REGISTRY, LineError, UnknownEvent, adapter, validated
from p2pfl_me.run.events import AnyEvent

__all__ = ["Logged", "decode", "encode", "events"]


LAST = 1e11
"""Unix seconds of the last time that a clock may tell, in the year 5138."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A line as it was read: when it was written (Unix seconds, by the writer's clock) and what it says."""

    t: float
    event: AnyEvent


def encode(t: float, said: AnyEvent) -> str:
    """The line of an event, without its newline. A number that is none (NaN, infinite) is written as null."""
    version = f'"v":{said.VERSION},' if said.VERSION > 1 else ""
    head = f'{{"t":{round(t, 6)!r},"event":{json.dumps(said.NAME)},{version}'
    body = adapter(type(said)).dump_json(said, warnings="error").decode()[1:]
    return head + body if body != "}" else head.rstrip(",") + body


def decode(line: bytes | str) -> Logged:
    """What a line says.

    Raises
    ------
    UnknownEvent
        A newer version of this program wrote it.
    LineError
        It is damaged, or no line of a peer's log.
    """
    try:
        values = pydantic_core.from_json(line)
    except ValueError as error:  # what is no text, and what is nested too deeply, included
        raise LineError("is no JSON") from error
    if not isinstance(values, dict) or not isinstance(name := values.get("event"), str):
        raise LineError("names no event")
    kind, version, t = REGISTRY.get(name), values.get("v", 1), values.get("t")
    if kind is None or (isinstance(version, int) and version > kind.VERSION):
        which = f"`{name[:40]}`" if kind is None else f"`{name}` in version {version}"
        raise UnknownEvent(f"holds the event {which}", fix="read it with the version of p2pme that wrote it")
    if isinstance(t, bool) or not isinstance(t, int | float) or not abs(t) < LAST:  # NaN, too
        raise LineError(f"{name}: `t` is no time")
    return Logged(float(t), cast(AnyEvent, validated(kind, line, name)))
