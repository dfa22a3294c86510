"""A run folder as one frozen value: contract, manifest, event logs, egress ledgers, average and baselines.

Only the contract must be there; anything else may be missing or cut short. Nothing here computes a result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from p2pfl_me.atomic import undrafted
from p2pfl_me.contract import Contract, digest, load_contract
from p2pfl_me.errors import RunError
from p2pfl_me.report.events import PeerLog, read_peer_log
from p2pfl_me.run.events import Scores
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.ledger import read_ledger
from p2pfl_me.run.manifest import Manifest, read_manifest_file
from p2pfl_me.run.results import Baselines, read_average, read_baselines


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
    before: frozenset[str] = frozenset()
    """Digests (hex) of the contracts under which it went on before this one."""

    @property
    def agreed(self) -> frozenset[str]:
        """Digests (hex) of the contracts on which its members have agreed, as far as the logs say."""
        return frozenset().union(*(log.agreed for log in self.peers))

    @property
    def contracts(self) -> frozenset[str]:
        """Digests (hex) of all contracts of which it is known that it went on, or was to go on, under them."""
        return frozenset({digest(self.contract).hex()}) | self.before | self.agreed

    @property
    def seed(self) -> int:
        return self.contract.seed

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why its results are no measure of recognition; of peers that ran elsewhere, by their logs."""
        by_logs = dict.fromkeys(words for log in self.peers for start in log.starts for words in start.data.warnings)
        return self.manifest.said_warnings or tuple(by_logs)

    @property
    def network(self) -> str:
        """Where the weights come from that nobody trained; of peers that ran elsewhere, by their logs."""
        by_logs = dict.fromkeys(start.data.network for log in self.peers for start in log.starts if start.data.network)
        return self.manifest.network or " ".join(by_logs)

    @property
    def sole(self) -> str:
        """Whose model is the only one that is known here, in words; empty where there are several, or none.

        A contract may have one peer, and the folder that a laboratory keeps of a run holds its own alone.
        """
        if self.contract.peers.count == 1:
            return "the only peer"
        return "this lab's peer" if len(self.peers) == 1 and self.manifest == Manifest() else ""

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
        if RunFolder(path).is_run():
            found.append(path)
            continue
        inside = sorted((child for child in undrafted(path.glob("*")) if RunFolder(child).is_run()), key=_natural)
        if not inside:
            what = "not a run folder: it holds no contract.yaml" if path.is_dir() else "no such run folder"
            raise RunError(
                what,
                where=str(path),
                fix="name the folder that `p2pme swarm` or `p2pme peer` was given with --out",
            )
        found.extend(inside)
    unique = dict.fromkeys(path.resolve() for path in found)
    return tuple(unique)


def read_runs(folders: Sequence[Path]) -> tuple[Run, ...]:
    """The runs of several folders; those that laboratories kept of one and the same run are read as one.

    Each laboratory has its own folder of a run: the same contract, other peers. Whoever left, or ended before the
    members changed it, has an earlier contract of the others', and who joined none of before. Folders of the same
    contract that share a peer are runs of their own.

    Raises
    ------
    RunError, ContractError
        As `read_run`.
    """
    found: list[Run] = []
    for run in map(read_run, folders):
        place, whole = len(found), run
        for at in reversed(range(len(found))):  # it may be what shows that two of them are parts of one
            if _parts_of_one(found[at], whole):
                place, whole = at, _joined(found.pop(at), whole)
        found.insert(place, whole)
    return tuple(found)


def _joined(one: Run, other: Run) -> Run:
    """Two parts of a run, under the later one's contract."""
    peers = sorted((*one.peers, *other.peers), key=lambda log: log.peer)
    earlier, later = (one, other) if _goes_beyond(other, one) else (other, one)
    return replace(
        one,
        contract=later.contract,
        before=(one.before | other.before | {digest(earlier.contract).hex()}) - {digest(later.contract).hex()},
        peers=tuple(peers),
        egress={**one.egress, **other.egress},
    )


def _goes_beyond(one: Run, other: Run) -> bool:
    """Whether the other's contract, or one that was agreed on and that it never had, is behind this one's."""
    mine, theirs = (digest(run.contract).hex() for run in (one, other))
    ahead = {theirs} | (other.agreed - other.before)
    return mine != theirs and mine not in other.before and bool(ahead & (one.before | {mine}))


def _parts_of_one(one: Run, other: Run) -> bool:
    """A swarm's folder has a manifest and holds all of its peers; a laboratory's has none."""
    if one.manifest != Manifest() or other.manifest != Manifest():
        return False
    a, b = ({digest(run.contract).hex()} | run.agreed for run in (one, other))
    if not (a & other.contracts or b & one.contracts):
        return False
    mine, theirs = ({log.peer for log in run.peers} for run in (one, other))
    return bool(mine and theirs) and not mine & theirs


def read_run(folder: Path) -> Run:
    """Read one run folder.

    Raises
    ------
    RunError
        There is no contract in it.
    ContractError
        Its contract cannot be read.
    """
    files = RunFolder(folder)
    if not files.is_run():
        raise RunError(
            "not a run folder: it holds no contract.yaml",
            where=str(folder),
            fix="name the folder that `p2pme swarm` or `p2pme peer` was given with --out",
        )
    contract = load_contract(files.contract)
    before = (digest(load_contract(path)).hex() for path in files.earlier_contracts())
    manifest = read_manifest_file(files) or Manifest()
    baselines = read_baselines(folder)
    liars = manifest.liars
    return Run(
        folder=folder,
        contract=contract,
        manifest=manifest,
        peers=tuple(read_peer_log(files, peer) for peer in files.log.all() if peer not in liars),
        egress={peer: _traffic(path) for peer, path in files.ledger.all().items() if peer not in liars},
        average=read_average(folder),
        baselines=replace(
            baselines, isolated={peer: curve for peer, curve in baselines.isolated.items() if peer not in liars}
        ),
        before=frozenset(before),
    )


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part or 0), rest) for rest, part in re.findall(r"(\D*)(\d*)", path.name, re.ASCII)]


def _traffic(path: Path) -> tuple[Traffic, ...]:
    sums: dict[tuple[str, int | None], list[int]] = {}
    for sent in read_ledger(path):
        total = sums.setdefault((sent.kind, None if sent.round is None else sent.round + 1), [0, 0, 0])
        total[0] += 1 if sent.count is None else sent.count
        total[1] += sent.bytes
        total[2] += sent.wire
    return tuple(
        Traffic(kind, messages, payload, wire, index) for (kind, index), (messages, payload, wire) in sums.items()
    )
