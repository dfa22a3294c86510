"""Writes down what a peer's core is fed and answers: `inputs-K.jsonl`, and the models beside it by digest.

An input is on the disk before the core gets it, so what a killed peer has done can be lived again up to the kill.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

from p2pfl_me import __version__
from p2pfl_me.gossip.inputs import Evaluated, Heard, Input, Linked, Rang, Started, Stopped, Trained, feed
from p2pfl_me.gossip.protocol import Action, Protocol, Timer
from p2pfl_me.message import Message, Vector
from p2pfl_me.peer.blob_store import BlobStore
from p2pfl_me.peer.checkpoint import Checkpoint
from p2pfl_me.peer.inputs import answers_of, line_of
from p2pfl_me.peer.turn import ORDINARY, Turn
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.lines import JsonLines


def inputs_path(run: Path, peer: int) -> Path:
    return RunFolder(run).inputs(peer)


class Recorded:
    """A core that is written down; any host drives it as it would drive the core itself.

    Parameters
    ----------
    start:
        What this life of the peer starts with; it goes into the record, so that a life can be replayed by itself.
    turn:
        What of it comes from a change of the contract.

    Raises
    ------
    PeerError
        The disk is full or the folder cannot be written; a peer that was told to record does not go on without.
    """

    def __init__(self, core: Protocol, run: Path, start: Checkpoint, turn: Turn = ORDINARY) -> None:
        self._core = core
        self._blobs = BlobStore(run)
        self._lines = JsonLines(inputs_path(run, start.peer))
        self._lines.write(
            life=__version__,
            contract=start.contract_digest,
            layout=start.layout_digest,
            completed=start.completed,
            params=self._blobs.keep(start.params),
            best_loss=repr(start.progress.best_loss),
            stale_rounds=start.progress.stale_rounds,
            trained=start.progress.trained,
            alone=start.progress.alone,
            **({"joined": start.progress.joined} if start.progress.joined else {}),
            **turn.told(),
            memory={name: self._tensor(values) for name, values in sorted(start.memory.items())},
        )

    @property
    def waiting_for(self) -> frozenset[int]:
        return self._core.waiting_for

    def start(self, now: float) -> list[Action]:
        return self._feed(now, Started())

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        return self._feed(now, Trained(params))

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        return self._feed(now, Evaluated(validation_loss))

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        return self._feed(now, Heard(sender, message))

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        return self._feed(now, Rang(timer, round))

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        return self._feed(now, Linked(peer, reachable))

    def on_stop(self, now: float) -> list[Action]:
        return self._feed(now, Stopped())

    def _feed(self, now: float, given: Input) -> list[Action]:
        self._lines.write(now=now, **line_of(given, self._blobs.keep))
        if actions := feed(self._core, now, given):
            self._lines.write(answers=answers_of(actions, self._blobs.digest))
        return actions

    def _tensor(self, values: npt.NDArray[Any]) -> dict[str, Any]:
        return {"content": self._blobs.keep(values), "dtype": values.dtype.str, "shape": list(values.shape)}
