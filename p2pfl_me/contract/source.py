"""YAML text with its line numbers kept, so that every complaint about a contract can name the line."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from p2pfl_me.errors import ContractError

MAX_LENGTH, MAX_DEPTH = 1 << 22, 16
"""Characters of a document (ten thousand peers take a third of them), and mappings and lists in one another."""

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
    node, values = _read(text, name)
    if not isinstance(node, yaml.MappingNode) or not isinstance(values, dict):
        raise ContractError(
            "a contract is a mapping of keys to values",
            where=name,
            fix="start from `p2pme topology new ring`",
        )
    return Source(name, values, dict(_walk(node, (), name)))


def read_yaml(text: str, where: str) -> Any:
    """The plain values of one YAML document: bounded in size and depth, without aliases and tags.

    Raises
    ------
    ContractError
        Anything else.
    """
    return _read(text, where)[1]


class _Plain(Composer, SafeConstructor, Resolver):
    """Nodes and values of the events of a document, so that its text, which takes longest, is gone through once."""

    def __init__(self, events: Iterable[yaml.Event]) -> None:
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self._events = deque(events)

    def check_event(self, *kinds: type[yaml.Event]) -> bool:
        return bool(self._events) and (not kinds or isinstance(self._events[0], kinds))

    def peek_event(self) -> yaml.Event:
        return self._events[0]

    def get_event(self) -> yaml.Event:
        return self._events.popleft()


def _read(text: str, where: str) -> tuple[yaml.Node | None, Any]:
    """The document's node, None of an empty one, and its plain values."""
    if len(text) > MAX_LENGTH:
        raise ContractError(f"{len(text)} characters (at most {MAX_LENGTH})", where=where, fix="name the right file")
    try:
        plain = _Plain(_plain_events(text, where))
        node = plain.get_single_node()
        return node, None if node is None else plain.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContractError(
            f"not valid YAML: {error.problem}", where=f"{where}:{line}", fix="check indentation and colons"
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ContractError(f"not valid YAML: {error}", where=where, fix="check the file") from error


def _plain_events(text: str, where: str) -> Iterator[yaml.Event]:
    """The events of a document, each looked at; nothing may be built of any of them before the last is found good."""
    depth, resolver = 0, yaml.SafeLoader("")
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = f"{where}:{event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.AliasEvent):
            raise ContractError(
                f"an alias (*{event.anchor}), with which a few lines can grow without end",
                where=line,
                fix="write the value out",
            )
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise ContractError(f"a tag ({event.tag})", where=line, fix="write the plain value")
        if isinstance(event, yaml.ScalarEvent) and event.style is None:
            tag: str = resolver.resolve(yaml.ScalarNode, event.value, (True, False))  # type: ignore[no-untyped-call]
            _refuse_surprise(event.value, tag, line)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ContractError(f"nested more than {MAX_DEPTH} deep", where=line, fix="check brackets and indentation")
        yield event


_MEANT = {
    "bool": re.compile("true|false", re.IGNORECASE),
    "int": re.compile("[-+]?(0|[1-9][0-9]*|[1-9][0-9]{0,2}(_[0-9]{3})+)"),
    "float": re.compile(
        r"[-+]?([0-9]*|[1-9][0-9]{0,2}(_[0-9]{3})+)\.[0-9]*([eE][-+]?[0-9]+)?|[-+]?\.(inf|nan)", re.IGNORECASE
    ),
}
"""What a plain word must look like to be taken for a truth value or a number; `_` parts thousands and nothing else."""


def _refuse_surprise(text: str, tag: str, line: str) -> None:
    """YAML 1.1 takes `yes` for true, `010` for 8, `1:30` for 90, `1_0` for 10, `2026-01-02` for a date: nobody would
    mean it."""
    kind = tag.rpartition(":")[2]
    meant = _MEANT.get(kind)
    if kind != "timestamp" and (meant is None or meant.fullmatch(text)):
        return
    taken = {"bool": "a truth value", "int": "a number", "float": "a number", "timestamp": "a date"}[kind]
    raise ContractError(
        f"`{text[:40]}` would be taken for {taken}",
        where=line,
        fix=f'write "{text[:40]}" in quotes if it is a word, true or false, or the number in plain digits',
    )


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
