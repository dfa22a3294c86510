"""Where each file of a run lies. Every path below a run folder is made here, and docs/run-folder.md is made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class File:
    """A kind of file: its name, K for a peer's id, and what is in it."""

    name: str
    says: str


FILES: list[File] = []


@dataclass(frozen=True, slots=True)
class PerPeer:
    """One file for each peer."""

    folder: Path
    pattern: str

    def __call__(self, peer: int) -> Path:
        return self.folder / self.pattern.replace("K", str(peer))

    def all(self) -> dict[int, Path]:
        """Those that are there, by peer."""
        before, after = (re.escape(part) for part in Path(self.pattern).name.split("K"))
        where = (self.folder / self.pattern).parent
        names = ((re.fullmatch(f"{before}([0-9]+){after}", path.name), path) for path in _listed(where))
        return dict(sorted((int(match[1]), path) for match, path in names if match))


class _One:
    def __init__(self, name: str, says: str) -> None:
        self._name = name
        FILES.append(File(name, says))

    def __get__(self, folder: RunFolder, owner: Any = None) -> Path:
        return folder.path / self._name


class _Each:
    def __init__(self, pattern: str, says: str) -> None:
        self._pattern = pattern
        FILES.append(File(pattern, says))

    def __get__(self, folder: RunFolder, owner: Any = None) -> PerPeer:
        return PerPeer(folder.path, self._pattern)


EARLIER = File("contract-N.yaml", "contracts under which this run went on before contract.yaml; the oldest is 1")
FILES.append(EARLIER)
VIEW = File("view-N.json", "the N-th change of the contract on which its members have agreed, with their approvals")
FILES.append(VIEW)
OFFER = File("view-offered.json", "a change that `p2pme adopt` has laid there for the running peer to look at")
FILES.append(OFFER)
APPROVED = File(
    "approved-N.txt", "which change this lab has approved as the N-th (`p2pme approve`, or by itself): only one may be"
)
FILES.append(APPROVED)
APPROVING = File("approving.lock", "empty; held while this lab decides of which change it approves")
FILES.append(APPROVING)
LEAVING = File("leaving.json", "that this lab leaves, as its peer says it to the others until they go on without it")
FILES.append(LEAVING)
BEFORE = File("before-N/", "what a peer had left here when it began again with --fresh for the N-th time")
FILES.append(BEFORE)
TICKET = File("ticket.json", "of a peer that joined a run on its way: with what it was invited")
FILES.append(TICKET)


@dataclass(frozen=True)
class RunFolder:
    """The files of one run. `K` in a name is a peer's id."""

    path: Path

    contract = _One("contract.yaml", "what all peers agreed on; a folder without it is no run")
    manifest = _One("manifest.json", "what ran, where, with which versions; written by swarm and simulators")
    log = _Each("peer-K.jsonl", "the event log of peer K, see below")
    ledger = _Each("egress-K.jsonl", "the egress ledger of peer K, see below")
    privacy = _Each(
        "privacy-K.jsonl", "with a privacy budget: the privacy ledger of peer K, see docs/privacy.md; keep it"
    )
    pledges = _Each(
        "pledges-K.bin",
        "under masks and ciphertexts: in which sums peer K is, so that no later life of it is in a second of one round",
    )
    checkpoint = _Each("checkpoint-K.safetensors", "peer K's model and the state to resume from")
    clips = _Each(
        "clips-K.json",
        "marks of peer K's clips under a secret of its user, so that no later life goes on with others unnoticed",
    )
    unlogged = _Each(
        "unlogged-K.txt", "while peer K runs: the line of its last round, so that a kill cannot keep it from the log"
    )
    inputs = _Each("inputs-K.jsonl", "with --record: what peer K's core was fed and answered (docs/replay.md)")
    blobs = _One("contents", "with --record: the models of all records, by SHA-256")
    shard = _Each("shards/peer-K.csv", "the clips that a swarm dealt to peer K")
    test = _One("shards/test.csv", "the clips of people that nobody trains on")
    average = _One("average.json", "scores of the average of all final models")
    baselines = _One("baselines.json", "scores of isolated, pooled and star FedAvg training, by round")

    def is_run(self) -> bool:
        return self.contract.is_file()

    @property
    def shards(self) -> Path:
        return self.test.parent

    def older_logs(self, peer: int) -> list[Path]:
        """Earlier parts of a log that grew too long, the oldest first."""
        log = self.log(peer)
        found = (
            (re.fullmatch(rf"{re.escape(log.stem)}\.([0-9]+)\.jsonl", path.name), path) for path in _listed(self.path)
        )
        return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]

    def earlier_contracts(self) -> list[Path]:
        """`contract-N.yaml`: under which the run went on before, the oldest first."""
        found = ((re.fullmatch(r"contract-([0-9]+)\.yaml", path.name), path) for path in _listed(self.path))
        return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]

    def before(self, number: int) -> RunFolder:
        """Where lies what a peer put aside when it began anew for the `number`-th time."""
        return RunFolder(self.path / f"before-{number}")

    def all_before(self) -> list[RunFolder]:
        """Those that are there, the oldest first."""
        found = ((re.fullmatch(r"before-([0-9]+)", path.name), path) for path in _listed(self.path))
        return [RunFolder(path) for _, path in sorted((int(match[1]), path) for match, path in found if match)]

    def view(self, number: int) -> Path:
        """Where the `number`-th change lies, if the members have agreed on it in a running federation."""
        return self.path / f"view-{number}.json"

    def approved(self, number: int) -> Path:
        """What this lab has approved as the `number`-th change."""
        return self.path / f"approved-{number}.txt"

    @property
    def approving(self) -> Path:
        return self.path / APPROVING.name

    @property
    def offer(self) -> Path:
        return self.path / OFFER.name

    @property
    def leaving(self) -> Path:
        return self.path / LEAVING.name

    @property
    def ticket(self) -> Path:
        return self.path / TICKET.name

    def earlier_contract(self, number: int) -> Path:
        """Where the contract lies that the `number`-th change has replaced."""
        return self.path / f"contract-{number}.yaml"

    def baseline(self, name: str) -> Path:
        """The part of `baselines` that one child trains."""
        return self.path / f"baseline-{name}.json"

    def baseline_parts(self) -> dict[str, Path]:
        """The parts that are there, by name."""
        found = (path for path in sorted(self.path.glob("baseline-*.json")) if path.is_file())
        return {path.stem.removeprefix("baseline-"): path for path in found}


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
