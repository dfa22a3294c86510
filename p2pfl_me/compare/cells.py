"""One cell of the grid as a run folder: whether it is finished, and how it is cleared to run again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2pfl_me.atomic import undrafted, write_whole
from p2pfl_me.contract import Contract, digest
from p2pfl_me.errors import RunError
from p2pfl_me.files import private_folder, read_json, refusing
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.manifest import Manifest, read_manifest_file, told_lies

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies

MARK = "comparison.json"
"""Lies in every folder that a comparison wrote; nothing is ever removed from a folder without it."""


def is_finished(run: Path, contract: Contract, data_digest: str, lies: Lies | None = None) -> bool:
    """Whether `run` holds a whole run of just this contract, these clips and these liars.

    All honest peers ended with exit code 0; how a liar ends says nothing.
    """
    manifest = read_manifest_file(RunFolder(run)) or Manifest()
    liars = lies.liars(contract) if lies else frozenset()
    honest = [peer for peer in range(contract.peers.count) if peer not in liars]
    return (
        bool(manifest.finished)
        and len(manifest.exit) == contract.peers.count
        and all(manifest.exit.get(peer) == 0 for peer in honest)
        and manifest.lies == (told_lies(lies.to_json(contract)) if lies else None)
        and manifest.contract_digest == digest(contract).hex()
        and manifest.clips.digest == data_digest
        and bool(json_object(RunFolder(run).average))
    )


def clear(run: Path) -> None:
    """Remove what an unfinished run left.

    Raises
    ------
    RunError
        It cannot be removed.
    """
    if not run.exists():
        return
    try:
        shutil.rmtree(run)
    except OSError as error:
        raise RunError(
            f"an unfinished run cannot be removed: {error.strerror}", where=str(run), fix="remove it, then try again"
        ) from error


def claim(out: Path, values: dict[str, Any]) -> None:
    """Make `out` the folder of a comparison, or go on with one that is; `values` are written into its mark.

    Raises
    ------
    RunError
        The folder holds something else, or cannot be written.
    """
    if out.exists() and not (out / MARK).is_file() and (not out.is_dir() or any(undrafted(out.iterdir()))):
        raise RunError(
            "this is not a comparison's folder, and it is not empty", where=str(out), fix="name another with --out"
        )
    with refusing(RunError, out, "name another with --out"):
        write_whole(private_folder(out) / MARK, json.dumps(values, indent=1) + "\n")


def has_begun(out: Path) -> bool:
    """Whether anything of a comparison has been trained."""
    return (out / "cells").exists() or any(out.glob("shared/*/*/baselines.json"))


def json_object(path: Path) -> dict[str, Any]:
    """What the file holds; nothing where it is missing, torn, or something else."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
