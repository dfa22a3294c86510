"""Scores beside the peers' own: of the average of their models (average.json) and of the baselines (baselines.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from p2pfl_me.errors import RunError
from p2pfl_me.files import refusing, write_whole
from p2pfl_me.run.declare import LineError, adapter, validated
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


def plain(scores: Scores) -> dict[str, Any]:
    """As JSON has them."""
    found: dict[str, Any] = adapter(Scores).dump_python(scores, mode="json")
    return found


def scores_from(value: object) -> Scores | None:
    """Scores from their JSON form; None where there are none, or something else."""
    if not isinstance(value, Mapping) or not value:
        return None
    try:
        return validated(Scores, json.dumps(value), "scores")
    except (LineError, ValueError, TypeError):
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot be read: {error}", where=str(path), fix="remove it") from error
    if not isinstance(found, dict):
        raise RunError("holds no baseline", where=str(path), fix="remove it")
    return found


def _write(path: Path, values: Mapping[str, Any]) -> None:
    with refusing(RunError, path, FIX):
        write_whole(path, json.dumps(values))
