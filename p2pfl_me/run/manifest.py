"""RUN/manifest.json: what was run, where, with which versions, seeds and digests, and how it ended."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict

from p2pfl_me import __version__
from p2pfl_me.atomic import write_whole
from p2pfl_me.contract import Contract, digest
from p2pfl_me.errors import RunError
from p2pfl_me.files import read_regular, refusing
from p2pfl_me.machine import cores
from p2pfl_me.run.declare import STRICT, LineError, Says, Whole, adapter, validated
from p2pfl_me.run.folder import RunFolder

FIX = "free some space, or name another folder with --out"


NO_LAYERS = "no image and no frozen layer was used"
"""What is said of clips that come as feature vectors."""


@dataclass(frozen=True, slots=True)
class Clips:
    """The clips of a run, in counts."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    source: Annotated[str, Says("name of the folder or file, without its path; or synthetic")] = ""
    digest: Annotated[str, Says("SHA-256 of the rows, whatever their split", "hex")] = ""
    train: Annotated[Whole | None, Says("clips that peers train on")] = None
    validation: Annotated[Whole | None, Says("clips that peers stop by")] = None
    test: Annotated[Whole | None, Says("clips that nobody trains on")] = None
    subjects: Annotated[Whole | None, Says("people")] = None
    images: Annotated[str, Says("what was done to the clips before the network saw them, in words")] = ""
    drawn: Annotated[Whole | None, Says("clips of drawn faces; null in runs from before they were marked")] = None
    untested: Annotated[tuple[str, ...], Says("data sets of which nobody is held out, where others are tested")] = ()

    @property
    def untested_words(self) -> str:
        """What must be said of data sets that no test clip is of; empty where there are none."""
        return untested_words(self.untested)

    @property
    def vectors_alone(self) -> bool:
        """Whether all of them are feature vectors, so that no frozen layer had a part in the run."""
        return NO_LAYERS in self.images and ";" not in self.images


def untested_words(datasets: Sequence[str]) -> str:
    """What must be said of data sets of which nobody is held out; empty where there are none."""
    names = " or ".join(datasets)
    return f"nobody of {names} is held out: no score says anything of {names}" if datasets else ""


@dataclass(frozen=True, slots=True)
class ToldLies:
    """Who of the peers lied, to see how the others stand it, and how."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    liars: Annotated[tuple[Whole, ...], Says("ids of the peers that lied")] = ()
    attack: Annotated[Mapping[str, Any], Says("kind and options of the attack")] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What ran. Older runs say less: what is empty or null here was not said."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    p2pme: Annotated[str, Says("version")] = ""
    python: Annotated[str, Says("version")] = ""
    torch: Annotated[str, Says("version")] = ""
    numpy: Annotated[str, Says("version")] = ""
    pyzmq: Annotated[str, Says("version")] = ""
    cryptography: Annotated[str, Says("version")] = ""
    networkx: Annotated[str, Says("version")] = ""
    platform: Annotated[str, Says("of the machine")] = ""
    cpu_count: Annotated[Whole | None, Says("cores that it might use")] = None
    started: Annotated[str, Says("when, in ISO 8601")] = ""
    finished: Annotated[str | None, Says("when, in ISO 8601; null while it runs, or where it was killed")] = None
    command: Annotated[str, Says("as it was typed")] = ""
    engine: Annotated[str, Says("processes, simulate or lockstep")] = ""
    seed: Annotated[int | None, Says("of the contract")] = None
    contract_digest: Annotated[str, Says("SHA-256 of the contract", "hex")] = ""
    peers: Annotated[Whole | None, Says("how many")] = None
    lies: Annotated[ToldLies | None, Says("who lied and how, see below; null where nobody did")] = None
    warnings: Annotated[tuple[str, ...], Says("what must stand on every page of this run")] = ()
    network: Annotated[str, Says("where the weights come from that nobody trained here, in words")] = ""
    data: Annotated[Clips | None, Says("the clips, see below")] = None
    exit: Annotated[Mapping[Whole, Whole | None], Says("exit code of each peer's process, by id")] = field(
        default_factory=dict
    )

    @property
    def rehearsed(self) -> bool:
        """Whether its peers were played in one process: nothing travelled, and nothing was encrypted."""
        return self.engine not in ("", "processes")

    @property
    def clips(self) -> Clips:
        """What it says of the clips; nothing where they were not dealt."""
        return self.data or Clips()

    @property
    def said_warnings(self) -> tuple[str, ...]:
        """What must stand on every page; runs from before there were marks say by their source that they are drawn."""
        return self.warnings or (("drawn faces",) if self.clips.source == "synthetic" else ())

    @property
    def liars(self) -> tuple[int, ...]:
        """The peers that lied."""
        return self.lies.liars if self.lies else ()

    @property
    def attack(self) -> str:
        """How they lied, in words."""
        fields = dict(self.lies.attack) if self.lies else {}
        kind = fields.pop("kind", "")
        options = ", ".join(f"{key} {value}" for key, value in fields.items() if value is not None)
        return f"{kind}{f' ({options})' if options else ''}"


class ManifestFile:
    """The manifest of a run that goes on; each call brings the file up to date.

    Raises
    ------
    RunError
        The disk is full or the folder cannot be written.
    """

    def __init__(
        self,
        run: Path,
        contract: Contract,
        command: str = "",
        engine: str = "processes",
        lies: ToldLies | None = None,
    ) -> None:
        self._path = RunFolder(run).manifest
        self._values = Manifest(
            p2pme=__version__,
            python=platform.python_version(),
            torch=metadata.version("torch"),
            numpy=metadata.version("numpy"),
            pyzmq=metadata.version("pyzmq"),
            cryptography=metadata.version("cryptography"),
            networkx=metadata.version("networkx"),
            platform=platform.platform(),
            cpu_count=cores(),
            started=_now(),
            command=command or " ".join(sys.argv),
            engine=engine,
            seed=contract.seed,
            contract_digest=digest(contract).hex(),
            peers=contract.peers.count,
            lies=lies,
        )
        self._write()

    def data(self, clips: Clips) -> None:
        """The clips have been dealt."""
        self._values = replace(self._values, data=clips)
        self._write()

    def warn(self, words: str) -> None:
        """Keep words that must stand on every page of this run; nothing where they are empty."""
        if words and words not in self._values.warnings:
            self._values = replace(self._values, warnings=(*self._values.warnings, words))
            self._write()

    def network(self, words: str) -> None:
        """Where the weights come from that nobody trains in this run."""
        self._values = replace(self._values, network=words)
        self._write()

    def finish(self, exits: Mapping[int, int | None], code: int) -> int:
        """The run has ended; gives `code` back."""
        self._values = replace(self._values, finished=_now(), exit=dict(exits))
        self._write()
        return code

    def _write(self) -> None:
        with refusing(RunError, self._path, FIX):
            write_whole(self._path, json.dumps(adapter(Manifest).dump_python(self._values, mode="json"), indent=1))


def told_lies(values: Mapping[str, Any]) -> ToldLies:
    """Lies from their JSON form."""
    return validated(ToldLies, json.dumps(values), "lies")


def read_manifest_file(folder: RunFolder) -> Manifest | None:
    """What a run's manifest says; None where there is none, or something else under its name."""
    try:
        return validated(Manifest, read_regular(folder.manifest), "manifest")
    except (OSError, LineError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
