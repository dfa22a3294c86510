"""How a line of a log is declared: a frozen dataclass, a name, a version. Writing and reading follow from it.

A field that a later version adds has a default, so that older lines still read; a field that changes its meaning
raises the version, and a line of a version that this program does not know is refused by number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar, cast, dataclass_transform, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from p2pfl_me.errors import RunError

STRICT = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")
"""How a declared value is read: a number is no text, a count no fraction; undeclared fields are passed over."""

Whole = Annotated[int, Field(ge=-(1 << 53), le=1 << 53)]
"""A whole number that any reader of JSON and any array holds: a folder may be damaged, or another lab's."""


@dataclass(frozen=True, slots=True)
class Says:
    """What a field means, and its unit; for readers of docs/run-folder.md."""

    meaning: str
    unit: str = ""


class Event:
    """Base of all that a peer's log may say."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    NAME: ClassVar[str]
    VERSION: ClassVar[int]


class LineError(RunError):
    """A line that is not what this program writes."""


class UnknownEvent(LineError):
    """A whole line of a kind or version that this program does not know: a newer one wrote it."""


REGISTRY: dict[str, type[Event]] = {}
"""All events by name, once `run.events` is imported."""
T = TypeVar("T", bound=Event)


@dataclass_transform(frozen_default=True)
def event(name: str, version: int = 1) -> Callable[[type[T]], type[T]]:
    """Declare the class below as the event `name`; its annotations say what its fields mean."""

    def declare(cls: type[T]) -> type[T]:
        if name in REGISTRY:
            raise ValueError(f"two events are called {name}")
        made = dataclass(frozen=True, slots=True)(cls)
        made.NAME, made.VERSION = name, version
        REGISTRY[name] = made
        return made

    return declare


V = TypeVar("V")


def adapter(kind: type[V]) -> TypeAdapter[V]:
    """Reader and writer of a declared value."""
    return cast(TypeAdapter[V], _adapter(cast(Any, kind)))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def validated(kind: type[V], line: bytes | str, name: str) -> V:
    """The fields of a JSON object as a declared value.

    Raises
    ------
    LineError
        A field is missing or is something else; the error names it.
    """
    try:
        return adapter(kind).validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"] if part != "[key]")
        said = f"{first['msg'][0].lower()}{first['msg'][1:]}"
        raise LineError(f"{name}: `{place}`: {said}" if place else f"{name}: {said}") from error


def described(kind: type[Any]) -> list[tuple[str, str, Says]]:
    """(field, type, what it means) of a declared value, in order."""
    hints = get_type_hints(kind, include_extras=True)
    rows = []
    for each in fields(kind):
        hint = hints[each.name]
        says = next((note for note in getattr(hint, "__metadata__", ()) if isinstance(note, Says)), None)
        if says is None:
            raise TypeError(f"{kind.__name__}.{each.name} does not say what it means")
        rows.append((each.name, _type_name(hint.__origin__), says))
    return rows


def _type_name(hint: Any) -> str:
    """As JSON has it."""
    name = hint.__name__ if isinstance(hint, type) and not getattr(hint, "__args__", ()) else str(hint)
    for before, after in _NAMES.items():
        name = name.replace(before, after)
    return name


_NAMES = {
    str(Whole): "int",
    "typing.Optional[int]": "int or null",
    "collections.abc.": "",
    "p2pfl_me.run.events.": "",
    "tuple[tuple[int, ...], ...]": "list of lists",
    "Mapping": "object",
    "None": "null",
    "LinkState": "text",
    "Reason": "text",
    "str": "text",
    "int": "whole",
    "float": "number",
    " | ": " or ",
}
