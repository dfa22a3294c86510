"""A core beside which somebody writes down every word that it hears and all that it does then, line by line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random
from typing import Any, assert_never

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.protocol import (
    Action,
    Began,
    Finish,
    Leave,
    Memory,
    Mixed,
    Protocol,
    Refuse,
    Send,
    SetTimer,
    Timer,
    Train,
)
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.topology import Plan


class Witness:
    """Of all cores of a run: `around` one is the core, with a witness.

    `pest`: after some messages the core hears another one, made up, of the same sender.
    """

    def __init__(self, pest: Random | None = None) -> None:
        self.lines: list[str] = []
        self._pest = pest

    def around(self, peer: int, core: Protocol) -> Protocol:
        return _Watched(core, peer, self.lines, self._pest)

    def core_of(self, contract: Contract, peer: int, plan: Plan, start: Start) -> Protocol:
        """In the place of `gossip.cores.core_of`."""
        return self.around(peer, core_of(contract, peer, plan, start))

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:16]


class _Watched:
    def __init__(self, core: Protocol, peer: int, lines: list[str], pest: Random | None) -> None:
        self._core, self._peer, self._lines, self._pest = core, peer, lines, pest

    @property
    def waiting_for(self) -> frozenset[int]:
        return self._core.waiting_for

    def start(self, now: float) -> list[Action]:
        return self._told(now, "starts", self._core.start)

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        return self._told(now, "has trained", self._core.on_trained, params)

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        return self._told(now, "has evaluated", self._core.on_evaluated, validation_loss)

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        actions = self._heard(now, sender, message)
        over = any(isinstance(each, Finish | Leave) for each in actions)
        if self._pest and not over and self._pest.random() < 0.4:
            actions += self._heard(now, sender, _made_up(self._pest, message))
        return actions

    def _heard(self, now: float, sender: int, message: Message) -> list[Action]:
        heard = f"hears {sender}: {_message(message)}"
        return self._told(now, heard, self._core.on_message, sender, message)

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        return self._told(now, f"is rung {timer.value} {round}", self._core.on_timer, timer, round)

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        return self._told(now, f"link of {peer} {reachable}", self._core.on_peer, peer, reachable)

    def on_stop(self, now: float) -> list[Action]:
        return self._told(now, "is stopped", self._core.on_stop)

    def _told(self, now: float, what: str, call: Callable[..., list[Action]], *given: Any) -> list[Action]:
        actions = call(now, *given)
        done = "; ".join(map(_action, actions))
        self._lines.append(f"{_time(now)} {self._peer} {what} -> {done} | {sorted(self._core.waiting_for)}")
        return actions


def _made_up(random: Random, true: Message) -> Message:
    """Of any kind and a round near that of a true one; with its content, with none, or with bytes that say nothing."""
    at = max(0, true.round + random.choice((-2, -1, 0, 0, 1, 7)))
    round = max(0, true.round + random.choice((-2, -1, 0, 0, 1, 7)))
    contents = ({"params": true.params, "packed": true.packed}, {}, {"packed": np.zeros(5, np.uint8)})
    return Message(random.choice(list(Kind)), round, at, **random.choice(contents))


def _time(seconds: float) -> str:
    """Virtual seconds to the tenth of a millisecond; as many as 0 are 0, whatever their sign."""
    return f"{seconds + 0.0:.4f}"


def _value(values: Any) -> str:
    """What a vector holds, to the thousandth; of packed bytes, how many."""
    if values is None:
        return "-"
    array = np.asarray(values)
    if array.dtype == np.uint8:
        return f"{array.size} bytes"
    found = np.float64(np.abs(array).sum()), np.float64(array.sum())
    return f"{array.size}: " + " ".join(f"{each:.3f}" for each in np.round(found, 3) + 0.0)


def _memory(memory: Memory) -> str:
    return ", ".join(f"{name} {_value(memory[name])}" for name in sorted(memory))


def _message(message: Message) -> str:
    return f"{message.kind.value} {message.round} {message.at} {_value(message.content)}"


def _action(action: Action) -> str:
    match action:
        case Send(to, message):
            return f"to {to}: {_message(message)}"
        case SetTimer(timer, round, at):
            return f"{timer.value} {round} at {_time(at)}"
        case Train(round, params):
            return f"train {round} {_value(params)}"
        case Mixed():
            weights, far = ({k: f"{v:.4f}" for k, v in each.items()} for each in (action.weights, action.distance))
            spread = None if action.consensus is None else f"{action.consensus:.4f}"
            how = f"{weights} {dict(action.missing)} {far} {_time(action.wait)} {spread} {dict(action.refused)}"
            end = f"{action.late} {action.alone} {action.handed}"
            return f"mixed {action.round} {_value(action.params)} {how} {end} {_memory(action.memory)}"
        case Finish() | Refuse() | Began() | Leave():
            return str(action)
        case _:
            assert_never(action)
