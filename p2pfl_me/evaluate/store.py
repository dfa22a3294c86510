"""The folder of an evaluation: finished units, under the digest of what they were computed from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from p2pfl_me.atomic import undrafted, write_whole
from p2pfl_me.errors import RunError
from p2pfl_me.evaluate.outcome import AGAIN, Outcome, outcome_from
from p2pfl_me.evaluate.units import Unit
from p2pfl_me.files import read_json, read_text, refusing

MARK, SPLIT = "evaluation.json", "split.json"
"""What tells of what the results are, and who is held out: the second alone is an evaluation that had only begun."""


class Store:
    """DIR/evaluation.json holds the digest, DIR/units/seed-S/*.json one finished unit each.

    Raises
    ------
    RunError
        The folder holds something else, or the results of another contract, other clips or other folds.
    """

    def __init__(self, out: Path, digest: str) -> None:
        self._out = out
        mark = out / MARK
        if mark.is_file():
            if (found := _digest_in(mark)) != digest:
                raise RunError(
                    f"holds an evaluation of another contract, other clips or other folds ({str(found)[:12]})",
                    where=str(out),
                    fix="name another folder with --out, or give the same options as before",
                )
            return
        _require_free(out)
        _write(mark, json.dumps({"digest": digest}))

    def has(self, unit: Unit) -> bool:
        return self._path(unit).is_file()

    def keep(self, unit: Unit, outcome: Outcome) -> None:
        _write(self._path(unit), outcome.to_text())

    def read(self, units: Iterable[Unit]) -> dict[Unit, Outcome]:
        """Finished units.

        Raises
        ------
        RunError
            One of them is none.
        """
        return {unit: _outcome_in(self._path(unit)) for unit in units}

    def write(self, name: str, text: str) -> None:
        """A file that is known from the beginning."""
        _write(self._out / name, text)

    def _path(self, unit: Unit) -> Path:
        return self._out / "units" / f"{unit.name}.json"


def write_split(out: Path, text: str) -> None:
    """Say who is held out before it is known of what: features may take hours. What an evaluation has stays as it is.

    Raises
    ------
    RunError
        The folder holds something else.
    """
    if not (out / MARK).is_file():
        _require_free(out)
        _write(out / SPLIT, text)


def _require_free(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(path.name != SPLIT for path in undrafted(out.iterdir()))):
        raise RunError(
            "this is not an evaluation's folder, and it is not empty", where=str(out), fix="name another with --out"
        )


def _write(path: Path, text: str) -> None:
    with refusing(RunError, path, "name another folder with --out, or free some space"):
        write_whole(path, text)


def _outcome_in(path: Path) -> Outcome:
    with refusing(RunError, path, AGAIN, "cannot be read"):
        try:
            return outcome_from(read_text(path), str(path))
        except UnicodeDecodeError as error:
            raise RunError("is not a finished fold", where=str(path), fix=AGAIN) from error


def _digest_in(mark: Path) -> Any:
    try:
        found = read_json(mark)
    except (OSError, ValueError):
        return None
    return found.get("digest") if isinstance(found, dict) else None
