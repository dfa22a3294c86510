"""The house's one rule: a room imports only from rooms on lower floors (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import p2pfl_me

ROOT = Path(p2pfl_me.__file__).parent
FLOORS = {
    "exits": 0,
    "counting": 0,
    "digits": 0,
    "errors": 0,
    "files": 0,
    "parsed": 0,
    "atomic": 0,
    "output": 0,
    "machine": 0,
    "message": 0,
    "tensors": 0,
    "home": 0,
    "progress": 0,
    "unswept": 0,
    "swept": 0,
    "workers": 0,
    "children": 0,
    "choice": 0,
    "keyring": 0,
    "passphrase": 0,
    "sealing": 0,
    "cluster": 1,
    "widths": 0,
    "aggregation": 0,
    "networks": 0,
    "topology": 1,
    "compression": 1,
    "spotting": 1,
    "gossip": 2,
    "privacy": 2,
    "contract": 3,
    "run": 4,
    "membership": 4,
    "console": 5,
    "wire": 5,
    "data": 5,
    "learning": 6,
    "deploy": 7,
    "federation": 7,
    "adversary": 7,
    "baselines": 7,
    "peer": 7,
    "options": 8,
    "doctor": 10,
    "live": 9,
    "swarm": 9,
    "report": 9,
    "watch": 10,
    "simulation": 10,
    "engines": 11,
    "compare": 12,
    "evaluate": 12,
    "privacy_audit": 11,
    "api": 13,
    "cli": 14,
    "__main__": 15,
}
FORBIDDEN = {
    "topology": {"torch", "zmq", "asyncio", "threading", "time", "socket"},
    "aggregation": {"torch", "zmq", "asyncio", "threading", "time", "socket", "pathlib", "random"},
    "gossip": {"torch", "zmq", "asyncio", "threading", "time", "socket", "pathlib", "random"},
    "privacy": {"torch", "zmq", "asyncio", "socket"},
    "report": {"torch"},
    "spotting": {"torch", "zmq", "asyncio", "threading", "time", "socket", "pathlib", "random"},
}


def modules() -> dict[str, list[Path]]:
    """The files of each room."""
    found: dict[str, list[Path]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room != "__init__":
            found.setdefault(room, []).append(path)
    return found


def imported(path: Path) -> Iterator[str]:
    """What a file imports to run; for a type alone (`if TYPE_CHECKING`) it may look up at the contract."""
    every = list(ast.walk(ast.parse(path.read_text())))
    for_types = {
        inner
        for node in every
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for each in node.body
        for inner in ast.walk(each)
        if isinstance(inner, ast.ImportFrom) and (inner.module or "").startswith("p2pfl_me.contract")
    }
    for node in every:
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


MODULES = modules()


@pytest.mark.parametrize("room", MODULES)
def test_a_room_imports_only_from_below(room: str) -> None:
    for path, name in ((each, name) for each in MODULES[room] for name in imported(each)):
        package, _, rest = name.partition(".")
        assert package not in FORBIDDEN.get(room, set()), f"{path.name} imports {name}"
        if package == "p2pfl_me" and rest:
            other = rest.split(".")[0]
            below = FLOORS[other] < FLOORS[room] or (FLOORS[other] == 0 and FLOORS[room] == 0)
            assert other == room or below, f"{path.name} ({room}) imports {name}"


PAGE = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_page_of_the_house_has_every_room_on_its_floor() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", PAGE, re.MULTILINE)
    shown = {room: int(floor) for floor, rooms in rows for room in re.findall(r"`(\w+)(?:/|\.py)`", rooms)}
    assert shown == FLOORS


def test_every_file_and_every_class_that_the_page_names_is_there() -> None:
    paths = re.findall(r"`((?:\w+/)+\w+\.py)`", PAGE)
    assert [path for path in paths if not (ROOT / path).exists() and not (ROOT.parent / path).exists()] == [
        "report/NAME_picture.py"
    ]
    code = "\n".join(path.read_text(encoding="utf-8") for paths in MODULES.values() for path in paths)
    words = set(re.findall(r"\w+", code))
    assert {name for name in re.findall(r"`([A-Z][a-z]+[A-Za-z]*)`", PAGE) if name not in words} == set()
