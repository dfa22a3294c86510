"""A run folder as one frozen value: contract, manifest, event logs, egress ledgers, average and baselines.

Only the contract must be there; anything else may be missing or cut short. Nothing here computes a result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from p2pfl_me.contract import Contract, load_contract
from p2pfl_me.errors import RunError
from p2pfl_me.report.events import PeerLog, Scores, read_peer_log, scores_of
from p2pfl_me.report.reading import Json, by_peer, json_file, json_lines, mapping, number, text, whole

Curve = tuple[tuple[int, Scores], ...]
"""Scores by round, in the order of rounds."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What ran where. Empty text or None: the manifest does not say."""

    version: str = ""
    python: str = ""
    torch: str = ""
    numpy: str = ""
    platform: str = ""
    cpu_count: int | None = None
    started: str = ""
    finished: str = ""
    command: str = ""
    engine: str = ""
    contract_digest: str = ""
    data_source: str = ""
    data_digest: str = ""
    train: int | None = None
    validation: int | None = None
    test: int | None = None
    subjects: int | None = None
    exits: Mapping[int, int] = field(default_factory=dict)
    liars: tuple[int, ...] = ()
    attack: str = ""
    warnings: tuple[str, ...] = ()
    present: bool = False


@dataclass(frozen=True, slots=True)
class Traffic:
    """What left one peer in messages of one kind: how many, bytes of payload, bytes on the wire.

    `round` counts from 1, as the report does; None where a kind belongs to no round, or for all of them.
    """

    kind: str
    messages: int
    payload: int
    wire: int
    round: int | None = None


@dataclass(frozen=True, slots=True)
class Baselines:
    """The same shards, seeds and steps trained in other ways. Empty where not run."""

    isolated: Mapping[int, Curve] = field(default_factory=dict)
    pooled: Curve = ()
    fedavg: Curve = ()

    def __bool__(self) -> bool:
        return bool(self.isolated or self.pooled or self.fedavg)


@dataclass(frozen=True, slots=True)
class Run:
    """One run folder. `peers` holds every honest peer that left a log, in the order of ids.

    Of peers that lied, to see how the others stand it, nothing is read but that they did.
    """

    folder: Path
    contract: Contract
    manifest: Manifest
    peers: tuple[PeerLog, ...]
    egress: Mapping[int, tuple[Traffic, ...]]
    average: Scores | None
    baselines: Baselines

    @property
    def seed(self) -> int:
        return self.contract.seed

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why its results are no measure of recognition; of peers that ran elsewhere, by their logs."""
        drawn = any(start.drawn for log in self.peers for start in log.starts)
        return self.manifest.warnings or (("drawn faces",) if drawn else ())

    @property
    def silent(self) -> tuple[int, ...]:
        """Peers that the contract names and that left no log: they never started, or ran elsewhere."""
        logged = {log.peer for log in self.peers} | set(self.manifest.liars)
        return tuple(peer for peer in range(self.contract.peers.count) if peer not in logged)


def find_runs(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The run folders that `paths` mean: themselves, or, for the folder of a command with --seeds, those in it.

    Raises
    ------
    RunError
        A path is neither.
    """
    found: list[Path] = []
    for path in paths:
        if (path / "contract.yaml").is_file():
            found.append(path)
            continue
        inside = sorted((child for child in path.glob("*") if (child / "contract.yaml").is_file()), key=_natural)
        if not inside:
            what = "not a run folder: it holds no contract.yaml" if path.is_dir() else "no such run folder"
            raise RunError(
                what,
                where=str(path),
                fix="name the folder that `p2pme swarm` or `p2pme peer` was given with --run",
            )
        found.extend(inside)
    unique = dict.fromkeys(path.resolve() for path in found)
    return tuple(unique)


def read_run(folder: Path) -> Run:
    """Read one run folder.

    Raises
    ------
    RunError
        There is no contract in it.
    ContractError
        Its contract cannot be read.
    """
    if not (folder / "contract.yaml").is_file():
        raise RunError(
            "not a run folder: it holds no contract.yaml",
            where=str(folder),
            fix="name the folder that `p2pme swarm` or `p2pme peer` was given with --run",
        )
    contract = load_contract(folder / "contract.yaml")
    logs = _numbered(folder, r"peer-(\d+)\.jsonl")
    ledgers = _numbered(folder, r"egress-(\d+)\.jsonl")
    manifest = _manifest(json_file(folder / "manifest.json"))
    baselines = _baselines(json_file(folder / "baselines.json"))
    isolated = {peer: curve for peer, curve in baselines.isolated.items() if peer not in manifest.liars}
    return Run(
        folder=folder,
        contract=contract,
        manifest=manifest,
        peers=tuple(read_peer_log(path, peer) for peer, path in logs.items() if peer not in manifest.liars),
        egress={peer: _traffic(path) for peer, path in ledgers.items() if peer not in manifest.liars},
        average=scores_of(json_file(folder / "average.json").get("test")),
        baselines=replace(baselines, isolated=isolated),
    )


def _numbered(folder: Path, pattern: str) -> dict[int, Path]:
    matches = ((re.fullmatch(pattern, path.name, re.ASCII), path) for path in folder.iterdir())
    return dict(sorted((int(match[1]), path) for match, path in matches if match))


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part or 0), rest) for rest, part in re.findall(r"(\D*)(\d*)", path.name, re.ASCII)]


def _manifest(fields: Json) -> Manifest:
    data, lies = mapping(fields.get("data")), mapping(fields.get("lies"))
    liars = lies.get("liars")
    return Manifest(
        version=text(fields.get("p2pme")),
        python=text(fields.get("python")),
        torch=text(fields.get("torch")),
        numpy=text(fields.get("numpy")),
        platform=text(fields.get("platform")),
        cpu_count=whole(fields.get("cpu_count")),
        started=text(fields.get("started")),
        finished=text(fields.get("finished")),
        command=text(fields.get("command")),
        engine=text(fields.get("engine")),
        contract_digest=text(fields.get("contract_digest")),
        data_source=text(data.get("source")),
        data_digest=text(data.get("digest")),
        train=whole(data.get("train")),
        validation=whole(data.get("validation")),
        test=whole(data.get("test")),
        subjects=whole(data.get("subjects")),
        exits={peer: code for peer, value in by_peer(fields.get("exit")) if (code := whole(value)) is not None},
        liars=tuple(peer for each in (liars if isinstance(liars, list) else ()) if (peer := whole(each)) is not None),
        attack=_attack(mapping(lies.get("attack"))),
        warnings=_warnings(fields, data),
        present=bool(fields),
    )


def _warnings(fields: Json, data: Json) -> tuple[str, ...]:
    """What must stand on every page; runs from before there were marks say by their source that they are drawn."""
    said = fields.get("warnings")
    words = tuple(text(each) for each in said if text(each)) if isinstance(said, list) else ()
    return words or (("drawn faces",) if text(data.get("source")) == "synthetic" else ())


def _attack(fields: Json) -> str:
    options = ", ".join(f"{key} {value}" for key, value in fields.items() if key != "kind" and value is not None)
    return f"{text(fields.get('kind'))}{f' ({options})' if options else ''}"


def _traffic(path: Path) -> tuple[Traffic, ...]:
    sums: dict[tuple[str, int | None], list[int]] = {}
    for line in json_lines(path)[0]:
        kind = text(line.get("kind")) or "?"
        count = whole(line.get("count"))
        index = whole(line.get("round"))
        total = sums.setdefault((kind, None if index is None else index + 1), [0, 0, 0])
        total[0] += 1 if count is None else count
        total[1] += int(number(line.get("bytes")) or 0)
        total[2] += int(number(line.get("wire")) or 0)
    return tuple(
        Traffic(kind, messages, payload, wire, index) for (kind, index), (messages, payload, wire) in sums.items()
    )


def _baselines(fields: Json) -> Baselines:
    isolated = mapping(fields.get("isolated"))
    return Baselines(
        isolated={peer: curve for peer, rows in sorted(by_peer(isolated.get("peers"))) if (curve := _curve(rows))},
        pooled=_curve(mapping(fields.get("pooled")).get("rounds")),
        fedavg=_curve(mapping(fields.get("fedavg")).get("rounds")),
    )


def _curve(rows: object) -> Curve:
    points: dict[int, Scores] = {}
    for row in rows if isinstance(rows, list) else ():
        fields = mapping(row)
        index, scores = whole(fields.get("round")), scores_of(fields.get("test"))
        if index is not None and scores is not None:
            points[index] = scores
    # The report counts rounds from 1, whatever the file does.
    shift = 1 - min(points, default=1)
    return tuple((index + shift, scores) for index, scores in sorted(points.items()))
