"""Scores beside the peers' own: of the average of their models (average.json) and of the baselines (baselines.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict

from p2pfl_me.atomic import write_whole
from p2pfl_me.errors import RunError
from p2pfl_me.files import read_json, read_regular, refusing
from p2pfl_me.run.declare import STRICT, LineError, V, Whole, adapter, validated
from p2pfl_me.run.events import Scores
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.manifest import FIX


def write_average(run: Path, peers: Sequence[int], test: Scores | None) -> None:
    """Write average.json.

    Raises
    ------
    RunError
        The disk is full or the folder cannot be written.
    """
    _write(RunFolder(run).average, {"peers": list(peers), "test": test and plain(test)})


def write_baseline(run: Path, name: str, trained: Mapping[str, Any]) -> None:
    """Write what one baseline's child found; see `join_baselines`.

    Raises
    ------
    RunError
        The disk is full or the folder cannot be written.
    """
    _write(RunFolder(run).baseline(name), trained)


def join_baselines(run: Path) -> None:
    """baseline-NAME.json of each child -> baselines.json.

    Raises
    ------
    RunError
        A part cannot be read, or the whole cannot be written; then the parts stay.
    """
    folder = RunFolder(run)
    parts = folder.baseline_parts()
    if not parts:
        return
    trained = {name: _read(path) for name, path in parts.items()}
    steps = {name: values.pop("steps", None) for name, values in trained.items()}
    _write(folder.baselines, {**trained, "steps": steps})
    for path in parts.values():
        path.unlink()


Curve = tuple[tuple[Whole, Scores], ...]
"""Scores by round, from 0, in the order of rounds."""


@dataclass(frozen=True, slots=True)
class _Row:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    round: Whole
    test: Scores | None = None


@dataclass(frozen=True, slots=True)
class _Trained:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    rounds: tuple[_Row, ...] = ()
    peers: Mapping[Whole, tuple[_Row, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _BaselinesFile:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    isolated: _Trained = _Trained()
    pooled: _Trained = _Trained()
    fedavg: _Trained = _Trained()


@dataclass(frozen=True, slots=True)
class _AverageFile:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    test: Scores | None = None


@dataclass(frozen=True, slots=True)
class Baselines:
    """The same shards, seeds and steps trained in other ways: a curve, or one a peer. Empty where not run."""

    isolated: Mapping[Whole, Curve] = field(default_factory=dict)
    pooled: Curve = ()
    fedavg: Curve = ()

    def __bool__(self) -> bool:
        return bool(self.isolated or self.pooled or self.fedavg)


def read_baselines(run: Path) -> Baselines:
    """What baselines.json holds; nothing where it is absent, torn or something else."""
    told = _told(_BaselinesFile, RunFolder(run).baselines) or _BaselinesFile()
    peers = {peer: curve for peer, rows in sorted(told.isolated.peers.items()) if (curve := _curve(rows))}
    return Baselines(peers, _curve(told.pooled.rounds), _curve(told.fedavg.rounds))


def read_average(run: Path) -> Scores | None:
    """The average model's scores as average.json has them; None where there are none."""
    told = _told(_AverageFile, RunFolder(run).average)
    return told.test if told else None


def _curve(rows: Sequence[_Row]) -> Curve:
    return tuple(sorted(((row.round, row.test) for row in rows if row.test is not None), key=lambda point: point[0]))


def _told(kind: type[V], path: Path) -> V | None:
    try:
        return validated(kind, read_regular(path), path.name)
    except (OSError, LineError):
        return None


def plain(scores: Scores) -> dict[str, Any]:
    """As JSON has them."""
    found: dict[str, Any] = adapter(Scores).dump_python(scores, mode="json")
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        raise RunError(f"cannot be read: {error}", where=str(path), fix="remove it") from error
    if not isinstance(found, dict):
        raise RunError("holds no baseline", where=str(path), fix="remove it")
    return found


def _write(path: Path, values: Mapping[str, Any]) -> None:
    with refusing(RunError, path, FIX):
        write_whole(path, json.dumps(values))
