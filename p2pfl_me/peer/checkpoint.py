"""The state a peer needs to go on after any kind of stop: one safetensors file, replaced every round (`slots`).

Adam's moments start anew each round and every random stream is derived from the contract's seed and the round, so
parameters, round and the stop rule's memory are all there is to keep. A checksum tells what a power cut left
unfinished: then the version before it is taken.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from p2pfl_me.errors import PeerError, WeightsError
from p2pfl_me.files import NOT_YOURS
from p2pfl_me.gossip.protocol import NOTHING, Memory
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.message import Vector
from p2pfl_me.passphrase import known_passphrase
from p2pfl_me.peer.slots import replace_file, versions
from p2pfl_me.peer.tensorfile import safetensors_parts
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.sealing import Seal
from p2pfl_me.tensors import Passphrase, asked_once, checksum, open_tensors, tensor

MEMORY = "memory."
NO_SPACE = "free some space, then give the same command again"
MOVED = "the run folder was moved or removed: go on with --resume --out and the name that it has now"
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), NO_SPACE),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), MOVED),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), NOT_YOURS),
}
"""What to do where a checkpoint cannot be written, by the system's number."""
FORMAT = 1
"""Of what stands here. A number that says another meaning is written as `format`; where none stands it is 1."""


@dataclass(frozen=True)
class Course:
    """What became of the rounds of all lives: how many were trained, of how many a neighbour's model was mixed in, and
    in how many somebody was due and nobody came. Rounds that were left out to catch up are none of these, nor those
    that were behind the model with which it `joined` the run on its way."""

    trained: int = 0
    shared: int = 0
    alone: int = 0
    joined: int = 0

    def after(self, *, shared: bool, due: bool) -> Course:
        """One round later."""
        alone = self.alone + (due and not shared)
        return replace(self, trained=self.trained + 1, shared=self.shared + shared, alone=alone)

    def shortfall(self, rounds: int) -> str:
        """What is missing of `rounds` that should have been trained and shared; empty if nothing is."""
        parts = []
        if not (self.trained or rounds):
            parts.append("trained nothing")
        elif self.trained < rounds:
            parts.append(f"trained {self.trained} of {rounds} rounds")
        if self.alone and not self.shared:
            parts.append("shared none of them with anybody")
        elif self.alone:
            parts.append(f"was alone in {self.alone} of them")
        return " and ".join(parts)


@dataclass(frozen=True)
class Checkpoint:
    """`completed` rounds are behind these parameters, float32 (P,); `memory` is the protocol's state beside them."""

    peer: int
    completed: int
    params: Vector = field(repr=False)
    progress: Progress
    contract_digest: str
    layout_digest: str
    memory: Memory = field(default_factory=lambda: NOTHING, repr=False)
    course: Course = field(default_factory=lambda: Course())
    payments: int = 0
    """Lines of the privacy ledger when it was written."""


def checkpoint_path(run: Path, peer: int) -> Path:
    return RunFolder(run).checkpoint(peer)


def save_checkpoint(run: Path, checkpoint: Checkpoint, seal: Seal | None = None) -> Path:
    """Replace the peer's checkpoint and return its path: a reader sees the old one or the new one, never half of one.

    With a `seal`, what lies there is under its passphrase.

    Raises
    ------
    PeerError
        The disk is full or the folder cannot be written; the last checkpoint stays whole.
    """
    path = checkpoint_path(run, checkpoint.peer)
    tensors = {"params": checkpoint.params, **{f"{MEMORY}{name}": values for name, values in checkpoint.memory.items()}}
    metadata = {
        "peer": str(checkpoint.peer),
        "round": str(checkpoint.completed),
        "contract_digest": checkpoint.contract_digest,
        "layout_digest": checkpoint.layout_digest,
        "best_loss": repr(checkpoint.progress.best_loss),
        "stale_rounds": str(checkpoint.progress.stale_rounds),
        **{name: str(count) for name, count in asdict(checkpoint.course).items() if count or name != "joined"},
        **({"payments": str(checkpoint.payments)} if checkpoint.payments else {}),
        "checksum": str(checksum(tensors.values())),
    }
    try:
        parts = safetensors_parts(tensors, metadata)
        replace_file(path, seal.parts(parts) if seal else parts)
    except OSError as error:
        raise PeerError(
            f"cannot write the checkpoint of round {checkpoint.completed}: {error.strerror or error}",
            where=str(path),
            fix=REMEDIES.get(error.errno or 0, "mend that, then give the same command again"),
        ) from error
    return path


def load_checkpoint(
    run: Path,
    peer: int,
    *,
    contract_digest: str,
    layout_digest: str,
    earlier: Collection[str] = (),
    passphrase: Passphrase = known_passphrase,
) -> Checkpoint:
    """Read a peer's newest whole checkpoint and see that it belongs to this contract.

    One of an `earlier` contract, under which the same run went on, is taken for one of this.

    Raises
    ------
    WeightsError
        There is none, it is damaged, or it was written under another contract or model shape.
    """
    path = checkpoint_path(run, peer)
    if not any(each.exists() for each in versions(path)):
        raise WeightsError(
            "no checkpoint to resume from", where=str(path), fix="leave --resume out, or name the run with --out"
        )
    first: WeightsError | None = None
    asked = asked_once(passphrase)
    for each in versions(path):
        if each.exists():
            try:
                found = _read(each, peer, (contract_digest, *earlier), layout_digest, asked)
                return replace(found, contract_digest=contract_digest)
            except WeightsError as error:
                first = first or error
    assert first is not None
    raise first


def _course(metadata: Mapping[str, str]) -> Course:
    """Of a checkpoint from before these were counted: as if every round had been trained and shared."""
    done = _count(metadata, "round")
    found = Course(
        _count(metadata, "trained", done),
        _count(metadata, "shared", done),
        _count(metadata, "alone", 0),
        _count(metadata, "joined", 0),
    )
    if max(found.trained, found.shared, found.alone, found.joined) > done:
        raise ValueError(f"{done} rounds cannot be so many of one kind: {found}")
    return found


def _count(metadata: Mapping[str, str], name: str, otherwise: int | None = None) -> int:
    """A number of things; its sum does not cover these words, and what is none would be gone on with."""
    text = metadata[name] if otherwise is None else metadata.get(name, str(otherwise))
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"`{name}` is no number of things: {text[:40]!r}")
    return int(text)


def _loss(metadata: Mapping[str, str]) -> float:
    found = float(metadata["best_loss"])
    if math.isnan(found):
        raise ValueError("`best_loss` is no number")
    return found


def _read(path: Path, peer: int, contracts: Sequence[str], layout_digest: str, passphrase: Passphrase) -> Checkpoint:
    checkpoint, sound = _unchecked(path, passphrase)
    for found, wanted, name in (
        (checkpoint.peer, (peer,), "peer id"),
        (checkpoint.contract_digest, contracts, "contract"),
        (checkpoint.layout_digest, (layout_digest,), "model shape"),
    ):
        if found not in wanted:
            raise WeightsError(
                f"was written under another {name} ({str(found)[:16]}, now {str(wanted[0])[:16]})",
                where=str(path),
                fix="resume with the run's own contract.yaml, or start a new run in another folder",
            )
    if not sound:
        raise WeightsError("was not written to its end", where=str(path), fix="start a new run")
    return checkpoint


def read_model(path: Path) -> Checkpoint:
    """The checkpoint at `path`, of whatever peer and run.

    Raises
    ------
    WeightsError
        It is none, or was not written to its end.
    """
    found, sound = _unchecked(path)
    if not sound:
        raise WeightsError("was not written to its end", where=str(path), fix="name another model")
    return found


def _unchecked(path: Path, passphrase: Passphrase = known_passphrase) -> tuple[Checkpoint, bool]:
    """What stands there, and whether it is all that was written."""
    try:
        with open_tensors(path, passphrase) as file:
            metadata = file.metadata() or {}
            params = tensor(file, "params")
            names = [name for name in file.keys() if name.startswith(MEMORY)]  # noqa: SIM118 (not a mapping)
            memory = {name.removeprefix(MEMORY): tensor(file, name) for name in sorted(names)}
        if (written := _count(metadata, "format", FORMAT)) != FORMAT:
            raise WeightsError(
                f"is a checkpoint of format {written}, and this p2pme reads format {FORMAT}",
                where=str(path),
                fix="go on with the version of p2pme that wrote it",
            )
        course = _course(metadata)
        checkpoint = Checkpoint(
            peer=_count(metadata, "peer"),
            completed=_count(metadata, "round"),
            params=params,
            progress=Progress(
                _loss(metadata), _count(metadata, "stale_rounds"), course.trained, course.alone, course.joined
            ),
            contract_digest=metadata["contract_digest"],
            layout_digest=metadata["layout_digest"],
            memory=memory,
            course=course,
            payments=_count(metadata, "payments", 0),
        )
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(
            f"not a checkpoint of p2pme: {error}",
            where=str(path),
            fix="put a copy in its place, or begin again with --fresh",
        ) from error
    told = metadata.get("checksum")
    sound = not told or told == str(checksum([params, *memory.values()]))
    finite = all(np.isfinite(values).all() for values in (params, *memory.values()))
    if sound and (params.dtype != np.float32 or params.ndim != 1 or not finite):
        raise WeightsError(
            "holds something other than finite float32 parameters", where=str(path), fix="start a new run"
        )
    return checkpoint, sound
