"""The lines of a peer's input log: inputs and the core's answers, with models by digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.gossip.inputs import Evaluated, Heard, Input, Linked, Rang, Started, Stopped, Trained
from p2pfl_me.gossip.protocol import Action, Began, Finish, Leave, Mixed, Refuse, Send, SetTimer, Timer, Train
from p2pfl_me.message import MAX_ROUND, Kind, Message

Keep = Callable[[npt.NDArray[Any]], str]
"""array -> its digest, under which it can be found again."""
Find = Callable[[str, str], npt.NDArray[Any]]
"""(digest, dtype) -> the array."""


def line_of(given: Input, keep: Keep) -> dict[str, Any]:
    """An input as a line of JSON."""
    match given:
        case Started():
            return {"input": "start"}
        case Trained(params):
            return {"input": "trained", "params": keep(params)}
        case Evaluated(loss):
            return {"input": "evaluated", "loss": loss}
        case Heard(sender, message):
            return {"input": "message", "from": sender, **_message_line(message, keep)}
        case Rang(timer, round):
            return {"input": "timer", "timer": timer.value, "round": round}
        case Linked(peer, reachable):
            return {"input": "link", "peer": peer, "up": reachable}
        case Stopped():
            return {"input": "stop"}


def input_of(line: Mapping[str, Any], find: Find) -> Input:
    """What `line_of` wrote down.

    Raises
    ------
    KeyError, ValueError, TypeError
        The line is none of an input.
    RunError
        Its content is missing or damaged.
    """
    match line["input"]:
        case "start":
            return Started()
        case "trained":
            return Trained(find(line["params"], "<f4"))
        case "evaluated":
            return Evaluated(None if line["loss"] is None else float(line["loss"]))
        case "message":
            kind, round, at = Kind(line["kind"]), whole(line["round"]), whole(line["at"])
            params = find(line["params"], "<f4") if line["params"] else None
            packed = find(line["packed"], "|u1") if line["packed"] else None
            return Heard(whole(line["from"]), Message(kind, round, at, params, packed))
        case "timer":
            return Rang(Timer(line["timer"]), whole(line["round"]))
        case "link":
            return Linked(whole(line["peer"]), bool(line["up"]))
        case "stop":
            return Stopped()
        case other:
            raise ValueError(f"an input of unknown kind {other!r}")


def whole(value: Any) -> int:
    """A count, an id or a round of a line.

    Raises
    ------
    ValueError
        Something else.
    """
    if type(value) is not int or not 0 <= value <= MAX_ROUND:
        raise ValueError(f"{value!r} where a number from 0 was due")
    return value


def recorded_answers(line: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The answers on a line, None if it holds none.

    Raises
    ------
    ValueError
        It holds something else in their place.
    """
    answers = line.get("answers")
    if answers is not None and not (isinstance(answers, list) and all(isinstance(each, dict) for each in answers)):
        raise ValueError("answers that are none")
    return answers


def answers_of(actions: Sequence[Action], digest: Keep) -> list[dict[str, Any]]:
    """What a core answered, comparable line by line."""
    return [_answer(action, digest) for action in actions]


def _answer(action: Action, digest: Keep) -> dict[str, Any]:
    match action:
        case Send(to, message):
            return {"send": to, **_message_line(message, digest)}
        case SetTimer(timer, round, at):
            return {"timer": timer.value, "round": round, "at": at}
        case Train(round, params):
            return {"train": round, "params": digest(params)}
        case Mixed():
            weights = {str(peer): weight for peer, weight in action.weights.items()}
            memory = {name: digest(values) for name, values in sorted(action.memory.items())}
            late = [list(each) for each in action.late]
            answer = {"mixed": action.round, "params": digest(action.params), "weights": weights, "memory": memory}
            marks = {name: True for name in ("alone", "handed") if getattr(action, name)}
            return {**answer, **({"late": late} if late else {}), **marks}
        case Refuse(peer, reason):
            return {"refuse": peer, "reason": reason}
        case Began(missing):
            return {"began": True, "missing": sorted(missing)}
        case Finish(reason, rounds):
            stays = {"stays": action.stays_s} if action.stays_s else {}
            return {"finish": reason, "rounds": rounds, "skipped": action.skipped, "alone": action.alone, **stays}
        case Leave():
            return {"leave": True}


def in_words(line: Mapping[str, Any]) -> str:
    """An input or an answer, short enough for an error."""
    return " ".join(f"{key} {_short(value)}" for key, value in line.items() if value not in (None, {}, []))


def _short(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:
        return value[:12]
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_short(each)}" for key, each in value.items()) + "}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _message_line(message: Message, keep: Keep) -> dict[str, Any]:
    return {
        "kind": message.kind.value,
        "round": message.round,
        "at": message.at,
        "params": None if message.params is None else keep(np.asarray(message.params, dtype="<f4")),
        "packed": None if message.packed is None else keep(message.packed),
    }
