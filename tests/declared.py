"""What the modules of a room declare: constants, defaults, traits, bounds of what a contract may say.

Each was measured, reckoned or agreed on with other labs, and half or double of most would break no test of behaviour.
So they are written down in `approved_declared.txt` of the room's tests. Whoever changes one means to, and says so by
`P2PME_APPROVE=1 pytest tests/ROOM/test_declared.py`. A name that is new or gone is no failure.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import os
import pkgutil
import re
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

TESTS = Path(__file__).parent


class Field(str):
    """Default and bounds of a field of a contract, as text: no words for people."""


def changed(room: str) -> list[str]:
    """Each declaration that is another than the approved one, as `name: approved -> now`."""
    path = TESTS / room / "approved_declared.txt"
    found = declared(room)
    if os.environ.get("P2PME_APPROVE"):
        path.write_text("".join(f"{name} = {value}\n" for name, value in sorted(found.items())), encoding="utf-8")
    approved = dict(line.split(" = ", 1) for line in path.read_text(encoding="utf-8").splitlines())
    known = found.keys() & approved.keys()
    assert 2 * len(known) >= len(found), "most of it is new: look at it, then give P2PME_APPROVE=1"
    return [f"{name}: {approved[name]} -> {found[name]}" for name in sorted(known) if found[name] != approved[name]]


def declared(room: str) -> dict[str, str]:
    """By dotted name, as text."""
    package = importlib.import_module(f"p2pfl_me.{room}")
    names = [package.__name__, *(each.name for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))]
    modules = [importlib.import_module(name) for name in names]
    return {
        f"{module.__name__.removeprefix('p2pfl_me.')}.{name}": text
        for module in modules
        for name, value in _of(module)
        if not _is_words(value) and (text := _text(value)) is not None
    }


def _of(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for node in ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for name in (each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)):
            if name != "__all__":
                yield name, getattr(module, name, None)
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) == module.__name__:
            if inspect.isclass(value):
                yield from ((f"{name}.{own}", said) for own, said in _of_class(value))
            elif inspect.isfunction(value):
                yield from _defaults(name, value)


def _of_class(kind: type) -> Iterator[tuple[str, Any]]:
    if issubclass(kind, BaseModel):
        yield from (
            (name, Field(f"{each.default!r} {each.metadata!r}"))
            for name, each in kind.model_fields.items()
            if " at 0x" not in f"{each.default!r} {each.metadata!r}"
        )
    if dataclasses.is_dataclass(kind):
        yield from ((each.name, each.default) for each in dataclasses.fields(kind))
    for name, value in vars(kind).items():
        if inspect.isfunction(value):
            yield from _defaults(name, value) if name != "__init__" or not dataclasses.is_dataclass(kind) else ()
        elif not re.match("__|_.*_$|_is_|_abc_", name):
            yield name, value.value if isinstance(value, Enum) else value


def _defaults(name: str, function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    for each in inspect.signature(function).parameters.values():
        if each.default is not inspect.Parameter.empty:
            yield f"{name}({each.name})", each.default


def _is_words(value: Any) -> bool:
    """Texts, and what holds nothing else: they are read by people, on approved pages."""
    if isinstance(value, dict):
        return all(map(_is_words, [*value, *value.values()]))
    if isinstance(value, Field):
        return False
    return isinstance(value, str) or (isinstance(value, tuple | list | set | frozenset) and all(map(_is_words, value)))


def _text(value: Any) -> str | None:
    """Of numbers, texts and what holds nothing else; None of others."""
    match value:
        case Field():
            return str(value)
        case Enum():
            return repr(value.value)
        case bool() | int() | float() | str() | bytes() | None:
            return repr(value)
        case tuple() | list():
            parts = [_text(each) for each in value]
            return None if None in parts else f"({', '.join(map(str, parts))})"
        case set() | frozenset():
            members = [_text(each) for each in value]
            return None if None in members else f"{{{', '.join(sorted(map(str, members)))}}}"
        case dict():
            pairs = [(_text(key), _text(each)) for key, each in value.items()]
            return None if any(None in pair for pair in pairs) else f"{{{', '.join(f'{a}: {b}' for a, b in pairs)}}}"
        case _:
            return None
