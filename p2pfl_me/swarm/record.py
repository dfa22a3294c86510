"""The files that describe a run as a whole: its contract, its manifest, its baselines."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2pfl_me import __version__, files
from p2pfl_me.contract import Contract, digest, dump_contract
from p2pfl_me.data.drawn import drawn_words
from p2pfl_me.errors import P2pmeError, RunError
from p2pfl_me.files import private_folder, refusing

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies


def write_whole(path: Path, text: str) -> None:
    """Put a text into a run's file: all of it, or else what stood there before.

    Raises
    ------
    RunError
        The disk is full or the folder cannot be written.
    """
    with refusing(RunError, path, "free some space, or name another folder with --run"):
        files.write_whole(path, text)


def new_folder(run: Path, contract: Contract) -> None:
    if (run / "contract.yaml").exists():
        raise RunError("this folder holds a run already", where=str(run), fix="name another with --run, or remove it")
    with refusing(RunError, run, "name another with --run"):
        private_folder(run)
    write_whole(run / "contract.yaml", dump_contract(contract))


OURS = ("contract.yaml", "manifest.json", "shards", "peer-*.jsonl", "egress-*.jsonl")
"""What a swarm may have written before its first round."""


@contextmanager
def undone_if_refused(run: Path, contract: Contract) -> Iterator[None]:
    """A `new_folder` that does not stay to block the corrected command when the block refuses the contract or its data.

    A folder that was there before keeps what is not the swarm's own, and what it held.
    """
    was_there = run.exists()
    before = set(run.iterdir()) if run.is_dir() else set[Path]()
    new_folder(run, contract)
    try:
        yield
    except P2pmeError:
        if not was_there:
            shutil.rmtree(run)
        for path in {path for name in OURS for path in run.glob(name)} - before:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


class Record:
    """RUN/manifest.json: what was run, with which versions, seeds and digests."""

    def __init__(
        self,
        run: Path,
        contract: Contract,
        command: str = "",
        engine: str = "processes",
        lies: Lies | None = None,
    ) -> None:
        self._path = run / "manifest.json"
        self._values: dict[str, Any] = {
            "p2pme": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("torch", "numpy", "cryptography", "networkx")},
            "platform": platform.platform(),
            "cpu_count": os.cpu_count(),
            "started": _now(),
            "finished": None,
            "command": command or " ".join(sys.argv),
            "engine": engine,
            "seed": contract.seed,
            "contract_digest": digest(contract).hex(),
            "peers": contract.peers.count,
            "lies": lies.to_json(contract) if lies else None,
            "data": None,
            "warnings": [],
            "exit": {},
        }
        self._write()

    def data(self, source: Path | None, digest_: str, shards: Any) -> None:
        own = [clip for clips in shards.peers for clip in clips]
        self._values["data"] = {
            "source": source.name if source else "synthetic",
            "digest": digest_,
            "train": sum(clip.split == "train" for clip in own),
            "validation": sum(clip.split == "validation" for clip in own),
            "test": len(shards.test),
            "subjects": len({clip.subject for clip in (*own, *shards.test)}),
            "drawn": sum(clip.drawn for clip in (*own, *shards.test)),
        }
        self.warn(drawn_words((*own, *shards.test)))

    def warn(self, words: str) -> None:
        """Keep words that must stand on every page of this run; nothing where they are empty."""
        if words and words not in self._values["warnings"]:
            self._values["warnings"].append(words)
        self._write()

    def finish(self, exits: Mapping[int, int | None], code: int) -> int:
        self._values["finished"] = _now()
        self._values["exit"] = {str(peer): exit_code for peer, exit_code in exits.items()}
        self._write()
        return code

    def _write(self) -> None:
        write_whole(self._path, json.dumps(self._values, indent=1))


def join_baselines(run: Path) -> None:
    """baseline-NAME.json of each child -> baselines.json."""
    found = (path for path in sorted(run.glob("baseline-*.json")) if path.is_file())
    parts = {path.stem.removeprefix("baseline-"): path for path in found}
    if parts:
        trained = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in parts.items()}
        steps = {name: values.pop("steps", None) for name, values in trained.items()}
        write_whole(run / "baselines.json", json.dumps({**trained, "steps": steps}))
        for path in parts.values():
            path.unlink()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
