"""Lives a recorded peer's life again, without its links, data and clock: a failure in the field on a desk.

A core is a pure function of what it is fed. So the same inputs at the same times give the same answers to the bit, or
the first one that differs is where to look: another version, another machine's rounding, a bug, a record that was
changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from p2pfl_me import __version__
from p2pfl_me.contract import Contract, contract_from_yaml, digest
from p2pfl_me.errors import RunError, WeightsError
from p2pfl_me.files import read_text
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.inputs import feed
from p2pfl_me.gossip.protocol import Mixed
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.parsed import json_of
from p2pfl_me.peer.blob_store import BlobStore
from p2pfl_me.peer.checkpoint import checkpoint_path, load_checkpoint
from p2pfl_me.peer.inputs import answers_of, in_words, input_of, recorded_answers, whole
from p2pfl_me.peer.recording import inputs_path
from p2pfl_me.peer.turn import Turn
from p2pfl_me.run.beginning import contracts_of
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.topology import Plan, plan_of


@dataclass(frozen=True)
class Difference:
    """The first place at which a life does not go as it went: `life` and `line` (of the file) count from 1."""

    life: int
    line: int
    after: str
    was: str
    now: str

    def __str__(self) -> str:
        return (
            f"life {self.life}, line {self.line}: {self.after}\n  the peer answered: {self.was}\n"
            f"  the core answers:  {self.now}"
        )


@dataclass
class Replayed:
    """What a replay found: counts, the digest of the model after each round of the last life, the first difference."""

    peer: int
    lives: int = 0
    inputs: int = 0
    answers: int = 0
    rounds: dict[int, str] = field(default_factory=dict)
    version: str = __version__
    difference: Difference | None = None


@dataclass(frozen=True)
class _Line:
    number: int
    values: dict[str, Any]


_NONE = _Line(0, {})


def recorded_peers(run: Path) -> list[int]:
    """The peers of a run folder that were recorded.

    Raises
    ------
    RunError
        There are none, or no such folder.
    """
    if not run.is_dir():
        raise RunError("no such folder", where=str(run), fix="name a run folder, the DIR of `p2pme swarm --out DIR`")
    if not (peers := list(RunFolder(run).inputs.all())):
        raise RunError(
            "no peer of this run was recorded",
            where=str(run),
            fix="record the next one: `p2pme swarm --record` or `p2pme peer --record`",
        )
    return peers


def replay(run: Path, peer: int) -> Replayed:
    """Feed a core all that the peer's was fed, life after life, and compare every answer.

    Raises
    ------
    RunError
        The record or a content of it is missing, damaged, or of another contract.
    """
    path = inputs_path(run, peer)
    contract, contracts = _contract_of(run), contracts_of(run)
    lives = _lives(path)
    found = Replayed(peer)
    blobs = BlobStore(run)
    for begin, lines in lives:
        under = contracts.get(str(begin.values.get("contract")), contract)
        try:
            _live(found, under, plan_of(under), blobs, begin, lines)
        except RunError as error:
            raise RunError(error.what, where=f"{path}, life {found.lives}: {error.where}", fix=error.fix) from error
        if found.difference:
            return found
    _compare_with_checkpoint(found, run, contract)
    return found


def _live(
    found: Replayed, contract: Contract, plan: Plan, blobs: BlobStore, begin: _Line, lines: Sequence[_Line]
) -> None:
    """One life, up to its end or to the first answer that differs."""
    found.lives += 1
    found.version = str(begin.values["life"])
    with _Reading(begin.number):
        start = _start_of(begin, contract, blobs)
    known = found.rounds.get(start.completed - 1)
    if known is not None and known != begin.values["params"]:
        was, now = f"from {begin.values['params'][:12]}", f"the life before ended with {known[:12]}"
        found.difference = Difference(found.lives, begin.number, "it resumes", was, now)
        return
    if start.completed == 0:
        found.rounds.clear()
    core = core_of(contract, found.peer, plan, start)
    for line, recorded in _with_answers(lines):
        with _Reading(line.number):
            when, given = float(line.values["now"]), input_of(line.values, blobs.find)
        actions = feed(core, when, given)
        answers = answers_of(actions, blobs.digest)
        found.inputs += 1
        if recorded is None and line is lines[-1]:
            return  # killed before it could answer
        if difference := _first_difference(recorded or [], answers):
            said = {key: value for key, value in line.values.items() if key not in ("t", "now")}
            found.difference = Difference(found.lives, line.number, in_words(said), *difference)
            return
        found.answers += len(answers)
        for action, answer in zip(actions, answers, strict=True):
            if isinstance(action, Mixed):
                found.rounds[action.round] = answer["params"]


def _with_answers(lines: Sequence[_Line]) -> Iterator[tuple[_Line, list[dict[str, Any]] | None]]:
    """Each input with the answers to it, None where none were recorded."""
    for before, line, following in zip((_NONE, *lines), lines, (*lines[1:], _NONE), strict=False):
        if "answers" not in line.values:
            with _Reading(following.number):
                answers = recorded_answers(following.values)
            yield line, answers
        elif "input" not in before.values:
            raise RunError("answers without an input: a line is missing", where=f"line {line.number}")


def _first_difference(recorded: Sequence[dict[str, Any]], answers: Sequence[dict[str, Any]]) -> tuple[str, str] | None:
    for was, now in zip_longest(recorded, answers):
        if was != now:
            return in_words(was) if was else "nothing more", in_words(now) if now else "nothing more"
    return None


class _Reading:
    """Whatever is wrong with a line is said with its number; what goes wrong in the core is not the line's fault."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RunError):
            raise RunError(error.what, where=f"line {self._number}, {error.where}", fix=error.fix) from error
        if isinstance(error, KeyError | ValueError | TypeError):
            raise RunError(f"no line of p2pme ({error!r})", where=f"line {self._number}") from error


def _start_of(line: _Line, contract: Contract, blobs: BlobStore) -> Start:
    values, layout = line.values, contract.model.layout
    if values["contract"] != digest(contract).hex() or values["layout"] != layout.digest().hex():
        raise RunError(
            "was recorded under another contract", where=f"line {line.number}", fix="use the run's own folder"
        )
    memory = {
        name: blobs.find(each["content"], each["dtype"]).reshape(each["shape"])
        for name, each in dict(values["memory"]).items()
    }
    stale, trained, alone = (whole(values[name]) for name in ("stale_rounds", "trained", "alone"))
    progress = Progress(float(values["best_loss"]), stale, trained, alone, whole(values.get("joined", 0)))
    params = blobs.find(values["params"], "<f4").astype(np.float32, copy=False)
    done = whole(values["completed"])
    return Turn.read(values).of(Start(params, done, progress, memory, contract.personal_ranges, layout.dimensions))


def _compare_with_checkpoint(found: Replayed, run: Path, contract: Contract) -> None:
    """The last checkpoint must be the model that the replay reached in that round."""
    if not checkpoint_path(run, found.peer).exists():
        return
    layout = contract.model.layout.digest().hex()
    try:
        here, earlier = digest(contract).hex(), contracts_of(run)
        kept = load_checkpoint(run, found.peer, contract_digest=here, layout_digest=layout, earlier=earlier)
    except WeightsError as error:  # its advice is for who resumes; here the file is only looked at
        fix = "copy the run folder again, or move the file away: the record is then replayed without it"
        raise RunError(error.what, where=error.where, fix=fix) from error
    was = BlobStore(run).digest(kept.params)
    now = found.rounds.get(kept.completed - 1)
    if was != now:
        after = f"the checkpoint after round {kept.completed}"
        reached = f"{now[:12]}" if now else f"no such round (the last is {max(found.rounds, default=-1) + 1})"
        found.difference = Difference(found.lives, 0, after, was[:12], reached)


def _contract_of(run: Path) -> Contract:
    path = RunFolder(run).contract
    try:
        return contract_from_yaml(read_text(path), name=str(path))
    except OSError as error:
        raise RunError(f"cannot be read: {error.strerror}", where=str(path), fix="name a run folder") from error


def _lives(path: Path) -> list[tuple[_Line, list[_Line]]]:
    """The lines of a record by life. A peer that was killed may leave half a line behind, at the end of a life only."""
    lives: list[tuple[_Line, list[_Line]]] = []
    torn = 0
    for number, values in _values(path):
        if values is None:
            torn = number
            continue
        if "life" in values:
            lives.append((_Line(number, values), []))
        elif torn or not lives:
            raise RunError("neither JSON nor the end of a life", where=f"{path}, line {torn or number}")
        else:
            lives[-1][1].append(_Line(number, values))
        torn = 0
    if not lives:
        raise RunError("nothing was recorded", where=str(path), fix="record with --record")
    return lives


def _values(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    try:
        text = read_text(path)
    except FileNotFoundError as error:
        peers = ", ".join(map(str, recorded_peers(path.parent)))
        raise RunError("no such record", where=str(path), fix=f"recorded were the peers {peers}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"cannot be read: {error}", where=str(path), fix="copy the run folder again") from error
    for number, line in enumerate(text.splitlines(), 1):
        try:
            values = json_of(line)
        except ValueError:
            values = None
        yield number, values if isinstance(values, dict) else None
