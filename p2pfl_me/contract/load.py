"""From a YAML file to a `Contract`, with every complaint in the user's words: file, line, key, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from p2pfl_me.choice import Choice, Conflict
from p2pfl_me.contract.model import Contract
from p2pfl_me.contract.network import ANOTHER_NETWORK
from p2pfl_me.contract.source import MAX_LENGTH, Source, parse, read_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.files import open_text
from p2pfl_me.topology.graph import build_graph


def load_contract(path: Path | str, overrides: Sequence[str] = (), *, another_network: bool = False) -> Contract:
    """Read the contract at `path`; `overrides` are `section.key=value` texts for local runs.

    With `another_network` the user's own will take the place of the one that it names (`learning.own.with_network`),
    and what the network decides is asked then.

    Raises
    ------
    ContractError
        The file is missing, not YAML, or says something a contract cannot say.
    """
    path = Path(path)
    try:
        with open_text(path, encoding="utf-8") as file:
            text = file.read(MAX_LENGTH + 1)
    except FileNotFoundError as error:
        raise ContractError(
            "no such contract",
            where=str(path),
            fix="name a file, or a ready one as `ring` (`p2pme topology list`); `p2pme topology new` writes one",
        ) from error
    except UnicodeDecodeError as error:
        raise ContractError("is no text in UTF-8", where=str(path), fix="save it as UTF-8") from error
    except OSError as error:
        raise ContractError(f"cannot be read: {error.strerror}", where=str(path), fix="check the file") from error
    return contract_from_yaml(text, name=str(path), overrides=overrides, another_network=another_network)


def contract_from_yaml(
    text: str, name: str = "contract", overrides: Sequence[str] = (), *, another_network: bool = False
) -> Contract:
    """Like `load_contract`, from text."""
    return _contract_of(text, name, tuple(overrides), another_network)


@lru_cache(maxsize=4)
def _contract_of(text: str, name: str, overrides: tuple[str, ...], another_network: bool) -> Contract:
    """A peer that begins reads its run's contract twice, and a long one takes longer than all else before its links."""
    return apply_overrides(parse(text, name), overrides, another_network=another_network)


def contract_from_values(values: dict[str, Any], name: str = "contract", overrides: Sequence[str] = ()) -> Contract:
    """Like `contract_from_yaml`, from what such a text says."""
    return apply_overrides(Source(name, values, {}), overrides)


def apply_overrides(source: Source, overrides: Sequence[str], *, another_network: bool = False) -> Contract:
    """Validate `source` with `section.key=value` overrides put in place; the values are YAML scalars."""
    values = source.values
    for override in overrides:
        dotted, equals, text = override.partition("=")
        keys = dotted.strip().split(".")
        if not equals or not all(keys):
            raise ContractError(
                f"cannot read the override `{override}`",
                fix="write --set section.key=value, as training.rounds=5",
            )
        try:
            value = read_yaml(text, f"--set {dotted}")
        except ContractError as error:
            raise ContractError(
                f"`{text[:80]}` is not a value: {error.what}", where=f"--set {dotted}", fix=error.fix
            ) from error
        values = _with(values, keys, value, override)
    given = {override.partition("=")[0].strip() for override in overrides}
    if "model.label_map" in given and "model.classes" not in given:
        # The classes that the file names are those of before; with a map they follow from it.
        values = {**values, "model": _without(values["model"], "classes")}
    if "model.backbone" in given:
        # What the file says of another network's input and trained part; those of this one are its own.
        stale = {key for key in ("input_size", "trainable") if f"model.{key}" not in given}
        values = {**values, "model": _without(values["model"], *stale)}
    overridden = {override.partition("=")[0] for override in overrides}
    return _validate(Source(source.name, values, source.lines), overridden, {ANOTHER_NETWORK: another_network})


def _without(section: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key not in keys}


def _with(values: dict[str, Any], keys: Sequence[str], value: Any, override: str) -> dict[str, Any]:
    head, *rest = keys
    if not rest:
        return {**values, head: value}
    inner = values.get(head)
    if inner is not None and not isinstance(inner, dict):
        raise ContractError(f"`{head}` has no keys of its own", where=f"--set {override}", fix="shorten the key")
    return {**values, head: _with(inner or {}, rest, value, override)}


def _validate(source: Source, overridden: set[str], context: dict[str, Any]) -> Contract:
    match source.values:
        case {"version": int(version)} if version > 1:  # whatever else is wrong with it is right where it was written
            raise ContractError(
                f"is a contract of version {version}, and this p2pme reads version 1",
                where=_where(source, ("version",), overridden),
                fix="read it with the version of p2pme that wrote it",
            )
    try:
        return _settled(Contract.model_validate(source.values, context=context))
    except ValidationError as error:
        details = error.errors(include_url=False)
        complaints = [_complaint(source, detail, overridden) for detail in details]
        first = complaints[0]
        if len(complaints) == 1:
            raise first from None
        rest = "\n".join(str(complaint) for complaint in complaints[1:])
        raise ContractError(first.what, where=first.where, fix=f"{first.fix}\n{rest}") from None


def _settled(contract: Contract) -> Contract:
    """The contract with its mixing weights solved, where that takes long and must come out the same for all."""
    present = contract.peers.present
    if contract.topology.one_way or contract.topology.own_weights or contract.gossip.weights.settled_at_once:
        return contract
    weights = contract.gossip.weights.settled(build_graph(contract.topology.among(present), len(present)))
    return contract.model_copy(update={"gossip": contract.gossip.model_copy(update={"weights": weights})})


def _complaint(source: Source, detail: ErrorDetails, overridden: set[str]) -> ContractError:
    path = _path_in_file(source.values, detail["loc"])
    dotted = ".".join(str(part) for part in path) or "the contract"
    where = _where(source, path, overridden)
    kind, message = detail["type"], detail["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        parent, key = path[:-1], str(path[-1])
        known = _known_keys(source.values, parent)
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        fix = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return ContractError(f"unknown key `{dotted}`", where=where, fix=fix)
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        known = _kinds(path)
        given = str(detail.get("ctx", {}).get("tag", ""))
        near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
        fix = f"did you mean `{near[0]}`? " if near else ""
        what = f"unknown {path[-1]} kind `{given}`" if given else f"the {path[-1]} has no `kind`"
        return ContractError(
            what, where=_where(source, (*path, "kind"), overridden), fix=f"{fix}known: {', '.join(known)}"
        )
    if kind == "missing":
        return ContractError(f"`{dotted}` is missing", where=where, fix="add it")
    given = detail.get("input")
    shown = f" (found {given!r})" if isinstance(given, str | int | float | bool | None) else ""
    if kind in {"model_type", "model_attributes_type"} and path:
        keys = _known_keys(source.values, path)
        fix = f"give `{dotted}.kind`: {', '.join(_kinds(path))}" if "kind" in keys else f"its keys: {', '.join(keys)}"
        return ContractError(f"`{dotted}` is a section, not one value{shown}", where=where, fix=fix)
    reason = detail.get("ctx", {}).get("error")
    fix = reason.fix if isinstance(reason, Conflict) else "correct the value"
    return ContractError(f"`{dotted}`: {message}{shown}", where=where, fix=fix)


def _where(source: Source, path: tuple[str | int, ...], overridden: set[str]) -> str:
    """The override that set `path`, set what holds it, or brought it in; else its line in the file."""
    dotted = ".".join(str(part) for part in path) + "."
    for each in sorted(overridden, key=len, reverse=True):
        set_here = dotted.startswith(f"{each}.")
        brought_in = path not in source.lines and f"{each}.".startswith(dotted)
        if set_here or brought_in:
            return f"--set {each}"
    return source.where(path)


def _path_in_file(values: Any, loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """Drop the parts of a pydantic location that name a union member and not a key of the file."""
    path: list[str | int] = []
    member = None
    for index, part in enumerate(loc):
        if part == member and not (isinstance(values, dict) and part in values):
            member = None
            continue
        inside = isinstance(values, dict) and part in values
        inside = inside or (isinstance(values, list) and isinstance(part, int) and part < len(values))
        if inside:
            path.append(part)
            values = values[part]
            member = values.get("kind") if isinstance(values, dict) else None
        elif index == len(loc) - 1:
            path.append(part)
    return tuple(path)


def _known_keys(values: Any, parent: tuple[str | int, ...]) -> list[str]:
    """The keys of a section; of one that may be of several kinds, those of the kind that `values` name."""
    model: type[BaseModel] = Contract
    for part in parent:
        if isinstance(part, int):
            continue
        values = values.get(part) if isinstance(values, dict) else None
        kind = values.get("kind") if isinstance(values, dict) else None
        models = _models_in(model.model_fields[str(part)].annotation)
        model = next((each for each in models if kind is not None and _kind_of(each) == kind), models[0])
    return list(model.model_fields)


def _kinds(path: Sequence[str | int]) -> list[str]:
    """The kinds that a key such as `topology` or `training.loss` may take."""
    model: Any = Contract
    for part in path[:-1]:
        model = next(iter(_models_in(model.model_fields[str(part)].annotation)))
    models = _models_in(model.model_fields[str(path[-1])].annotation)
    return [_kind_of(each) for each in models]


def _kind_of(model: type[BaseModel]) -> str:
    """The name by which the contract chooses this model, empty where there is no choice."""
    field = model.model_fields.get("kind")
    names = get_args(field.annotation) if field else ()
    return str(names[0]) if names else ""


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, Choice) and not annotation.name():
        return list(annotation.registry.values())
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
