"""YAML text with its line numbers kept, so that every complaint about a contract can name the line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from p2pfl_me.errors import ContractError

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """Plain values of one YAML document and the line on which each path begins."""

    name: str
    values: dict[str, Any]
    lines: Mapping[Path, int]

    def where(self, path: Path) -> str:
        """`FILE:LINE` of the deepest part of `path` that stands in the file."""
        for end in range(len(path), 0, -1):
            if line := self.lines.get(path[:end]):
                return f"{self.name}:{line}"
        return self.name


def parse(text: str, name: str) -> Source:
    """Read one YAML mapping.

    Raises
    ------
    ContractError
        Not YAML, not a mapping, or a key that stands twice (YAML would silently keep the last).
    """
    try:
        if alias := next((each for each in yaml.parse(text) if isinstance(each, yaml.AliasEvent)), None):
            raise ContractError(
                f"an alias (*{alias.anchor}), with which a few lines can grow without end",
                where=f"{name}:{alias.start_mark.line + 1 if alias.start_mark else 1}",
                fix="write the value out",
            )
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContractError(
            f"not valid YAML: {error.problem}", where=f"{name}:{line}", fix="check indentation and colons"
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ContractError(f"not valid YAML: {error}", where=name, fix="check the file") from error
    if not isinstance(node, yaml.MappingNode) or not isinstance(values, dict):
        raise ContractError(
            "a contract is a mapping of keys to values",
            where=name,
            fix="start from `p2pme topology new ring`",
        )
    return Source(name, values, dict(_walk(node, (), name)))


def _walk(node: yaml.Node, path: Path, name: str) -> Iterator[tuple[Path, int]]:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            label, line = str(key.value), key.start_mark.line + 1
            if label in seen:
                raise ContractError(
                    f"`{label}` stands twice (first on line {seen[label]})",
                    where=f"{name}:{line}",
                    fix="remove one of the two",
                )
            seen[label] = line
            yield (*path, label), line
            yield from _walk(value, (*path, label), name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value.start_mark.line + 1
            yield from _walk(value, (*path, index), name)
