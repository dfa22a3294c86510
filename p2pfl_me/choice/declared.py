"""Whether a kind is declared as its registry needs it: refused by name otherwise, never passed over in silence."""

from __future__ import annotations

import re
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_args

from p2pfl_me.errors import ContractError, P2pmeError

if TYPE_CHECKING:
    from p2pfl_me.choice.registry import Choice

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What contracts, files and commands can hold without quotes."""


def read_modules(package: str, what: str) -> list[ModuleType]:
    """Every module of `package`.

    Raises
    ------
    ContractError
        One of them cannot be imported: it holds a mistake of whoever wrote the kind, and names itself.
    """
    modules = []
    for each in iter_modules(import_module(package).__path__, f"{package}."):
        try:
            modules.append(import_module(each.name))
        except P2pmeError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise ContractError(
                f"this file, which declares a {what}, cannot be read: {why}",
                where=each.name,
                fix="mend it, or take it out of the folder",
            ) from error
    return modules


def named_kinds(modules: list[ModuleType], base: type[Choice]) -> dict[str, type[Choice]]:
    """The kinds that `modules` declare, by name.

    Raises
    ------
    ContractError
        One has no name and is no base of others, or is declared wrongly, or two have the same name.
    """
    kinds: dict[str, type[Choice]] = {}
    for module in modules:
        for value in vars(module).values():
            if not isinstance(value, type) or not issubclass(value, base) or value is base:
                continue
            if value.__module__ == module.__name__ and not (value.name() or value.__subclasses__()):
                raise _wrong(
                    value, "has no name of one text", f'write `kind: Literal["{_name_for(value)}"]` in the class'
                )
            if value.name():
                enter(kinds, value)
    return kinds


def enter(kinds: dict[str, Any], kind: type[Choice]) -> None:
    """Put a kind among the others, once it is seen to be declared well.

    Raises
    ------
    ContractError
        It is not, or another one has its name.
    """
    _require_declared(kind)
    other = kinds.setdefault(kind.name(), kind)
    if other is not kind:
        raise _wrong(
            kind, f"has the name of {other.__module__}.{other.__qualname__}, `{kind.name()}`", "give it another"
        )


def _require_declared(kind: type[Choice]) -> None:
    name, base = kind.name(), kind.__mro__[1:]
    if not NAME.fullmatch(name):
        raise _wrong(
            kind, f"is called `{name}`", "take small letters, digits and _, a letter first: it stands in contracts"
        )
    if len(get_args(kind.model_fields["kind"].annotation)) != 1:
        raise _wrong(kind, "has several names", "write one class for each")
    default = kind.model_fields["kind"].get_default()
    if not kind.model_fields["kind"].is_required() and default != name:
        raise _wrong(kind, f"is called `{name}`, and `{default}` where nothing is said", "write the same twice")
    known = {trait for each in base for trait in getattr(each, "__class_vars__", ())}
    for trait in sorted(kind.__class_vars__ - known):
        if trait.startswith("_") or any(hasattr(each, trait) for each in base):
            continue
        near = get_close_matches(trait, known, 1)
        raise _wrong(
            kind,
            f"says `{trait}`, which is no trait of a {kind.what}",
            f"write `{near[0]}`" if near else "take it out, or write it as a constant of the file",
        )
    for option, declared in kind.model_fields.items():
        if kind.by_name_alone and declared.is_required() and option != "kind":
            raise _wrong(kind, f"has an option `{option}` without a default", "give it one: its name alone is a choice")
        if option in known:
            raise _wrong(
                kind, f"has an option `{option}`, which is a trait of every {kind.what}", "annotate it as a ClassVar"
            )


def _wrong(kind: type[Choice], what: str, fix: str) -> ContractError:
    return ContractError(f"{kind.what} {kind.__qualname__} {what}", where=kind.__module__, fix=fix)


def _name_for(kind: type[Choice]) -> str:
    """What its class's name is in small letters: `TwoRings` -> two_rings."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
