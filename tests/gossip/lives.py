"""One peer's life, for `tests/gossip/search.py`: what it has come to, and each step from there, taken once.

A core is a function of what it is fed. So a search that meets the same peer in the same state a thousand times, beside
others in other states, asks it once: lives and messages have numbers, and a step from one life to the next is looked
up.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple, assert_never

import numpy as np

from p2pfl_me.aggregation.rules.mean import Mean
from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.gossip.exchange import Whole
from p2pfl_me.gossip.life import Phase
from p2pfl_me.gossip.overlapped import Overlapped
from p2pfl_me.gossip.protocol import NOTHING, Action, Began, Finish, Leave, Mixed, Refuse, Send, SetTimer, Timer, Train
from p2pfl_me.gossip.protocols.overlap import Beside
from p2pfl_me.gossip.rules import Plain
from p2pfl_me.gossip.settings import Settings
from p2pfl_me.gossip.stop import Progress, StopRule
from p2pfl_me.message import Kind, Message

Rows = Mapping[int, Mapping[int, float]]
MIN_S, MAX_S, JOIN_S = 1.0, 10.0, 100.0


class Kept(NamedTuple):
    """A checkpoint."""

    completed: int
    model: float
    progress: Progress


BLANK = Kept(0, 0.0, Progress())


@dataclass(frozen=True)
class Life:
    """One peer at one moment; `core` is None while it is not there, and then it never is again unless it is `back`.

    `kept` are all its checkpoints, oldest first, `trained` the rounds of its steps, `mixed` with whom it has averaged
    which round, those settled late among them.
    """

    peer: int
    core: DPSGD | None
    kept: tuple[Kept, ...] = (BLANK,)
    trained: tuple[int, ...] = ()
    mixed: tuple[tuple[int, tuple[int, ...]], ...] = ()
    finish: Finish | None = None
    blamed: frozenset[int] = frozenset()
    back: bool = True
    due: tuple[int, ...] = field(default=(), compare=False)
    """For whom a deadline may pass."""

    @property
    def phase(self) -> Phase | None:
        return self.core._phase if self.core else None


@dataclass(frozen=True, slots=True)
class Trained:
    """Its training ends."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The wait for this neighbour is over."""

    other: int


@dataclass(frozen=True, slots=True)
class Joined:
    """The wait at the start is over."""


@dataclass(frozen=True, slots=True)
class Heard:
    sender: int
    message: int


@dataclass(frozen=True, slots=True)
class Linked:
    other: int
    up: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """It dies. It may come `back`, from its checkpoint or from the `older` one before that."""

    back: bool
    older: bool


@dataclass(frozen=True, slots=True)
class Comes:
    """It starts, or comes back."""


Event = Trained | Deadline | Joined | Heard | Linked | Gone | Comes
Step = tuple[int, tuple[tuple[int, int], ...]]
"""(life, ((to, message), ...))."""


class Lives:
    """All lives that the search has met, and all messages, by number."""

    def __init__(self, rows: Rows, rounds: int, core: type[DPSGD]) -> None:
        self._rows, self._rounds, self._core = rows, rounds, core
        self.known: list[Life] = []
        self.messages: list[Message] = []
        self._numbers: dict[Hashable, int] = {}
        self._message_numbers: dict[Hashable, int] = {}
        self._steps: dict[tuple[int, Event], Step] = {}

    def begin(self, peer: int) -> int:
        """The number of one who has not come yet."""
        return self._number(Life(peer, None))

    def step(self, number: int, event: Event) -> Step:
        """What becomes of a life when something happens to it, and what it says."""
        if (found := self._steps.get((number, event))) is None:
            found = self._steps[number, event] = self._taken(self.known[number], event)
        return found

    def message(self, message: Message) -> int:
        """Its number."""
        key = (message.kind, message.round, message.at, message.params is not None and float(message.params[0]))
        if key not in self._message_numbers:
            self._message_numbers[key] = len(self.messages)
            self.messages.append(message)
        return self._message_numbers[key]

    def _number(self, life: Life) -> int:
        key = _frozen(life)
        if key not in self._numbers:
            self._numbers[key] = len(self.known)
            due = tuple(sorted(life.core._due)) if life.core and life.phase is Phase.EXCHANGING else ()
            self.known.append(replace(life, due=due))
        return self._numbers[key]

    # -- steps ------------------------------------------------------------------------------------------------------

    def _taken(self, life: Life, event: Event) -> Step:
        life = replace(life, core=_twin(life.core, {}))
        said: list[tuple[int, int]] = []
        match event:
            case Gone(back, older):
                kept = life.kept[: -1 if older else None]
                completed = kept[-1].completed
                mixed = tuple(each for each in life.mixed if each[0] < completed)
                return self._number(Life(life.peer, None, kept, mixed=mixed, back=back)), ()
            case Comes():
                life = replace(life, core=self._booted(life.peer, life.kept[-1]))
                assert life.core
                life = self._performed(life, life.core.start(0.0), said)
            case Trained():
                assert life.core
                step = np.float32(step_of(life.peer, life.core.round))
                life = replace(life, trained=(*life.trained, life.core.round))
                life = self._performed(life, life.core.on_trained(0.0, life.core._params + step), said)
            case Deadline(other):
                assert life.core
                life.core._due = {peer: 0.0 if peer == other else math.inf for peer in life.core._due}
                actions = life.core.on_timer(0.0, Timer.DEADLINE, life.core.round)
                life.core._due = dict.fromkeys(life.core._due, MIN_S)
                life = self._performed(life, actions, said)
            case Joined():
                assert life.core
                life = self._performed(life, life.core.on_timer(0.0, Timer.JOIN, life.core.round), said)
            case Heard(sender, message):
                assert life.core
                life = self._performed(life, life.core.on_message(0.0, sender, self.messages[message]), said)
            case Linked(other, up):
                assert life.core
                life = self._performed(life, life.core.on_peer(0.0, other, up), said)
            case _:
                assert_never(event)
        return self._number(life), tuple(said)

    def _booted(self, peer: int, kept: Kept) -> DPSGD:
        settings = Settings(StopRule(self._rounds), MIN_S, MAX_S, 6.0, JOIN_S)
        rule = Beside(self._rounds - 1, 0.25, NOTHING) if self._core is Overlapped else Plain()
        row = self._rows[peer]
        return self._core(
            peer,
            lambda round: row,
            tuple(row),
            np.full(1, kept.model, np.float32),
            settings,
            rule=rule,
            exchange=Whole(peer, Mean(), self._rounds),
            completed=kept.completed,
            progress=kept.progress,
        )

    def _performed(self, life: Life, actions: list[Action], said: list[tuple[int, int]]) -> Life:
        assert life.core
        for action in actions:
            match action:
                case Send(to, message):
                    said.append((to, self.message(message)))
                case Mixed():
                    mixed = dict(life.mixed)
                    mixed[action.round] = tuple(sorted(action.weights))
                    for other, round in action.late:
                        mixed[round] = tuple(sorted({*mixed.get(round, ()), other}))
                    life = replace(life, mixed=tuple(sorted(mixed.items())))
                    told = life.core.on_evaluated(0.0, None)
                    kept = Kept(action.round + 1, float(action.params[0]), life.core.progress)
                    life = self._performed(replace(life, kept=(*life.kept, kept)), told, said)
                case Finish():
                    life = replace(life, finish=action)
                case Refuse():
                    life = replace(life, blamed=life.blamed | {action.peer})
                case SetTimer() | Train() | Began() | Leave():
                    pass  # timers may ring as the search lets them; a training may end at any moment
                case _:
                    assert_never(action)
        return life


def step_of(peer: int, round: int) -> float:
    """What a training adds: of no two peers and rounds the same, and exact in float32."""
    return float(10**peer * (round + 1))


# -- copies and keys --------------------------------------------------------------------------------------------------

CONSTANT = frozenset({"_settings", "_weights_at", "_carried", "_neighbours", "neighbours"})
"""What does not change while a core lives."""
TIMES = frozenset({"arrivals", "_arrivals", "_ends", "_begun_at", "_trained_at", "_mixed_at", "due"}) | frozenset(
    {"_missing", "_largest_distance"}
)
"""What holds times alone, which stand still here, or words for people and for rules that do not run here."""


def _twin(value: Any, seen: dict[int, Any]) -> Any:
    """A copy of one's own; vectors are shared, since nobody writes to them."""
    if id(value) in seen:
        return seen[id(value)]
    made: Any = value
    if isinstance(value, dict):
        made = {key: _twin(each, seen) for key, each in value.items()}
    elif isinstance(value, set | list):
        made = type(value)(_twin(each, seen) for each in value)
    elif isinstance(value, deque):
        made = copy.copy(value)
    elif type(value).__module__.startswith("p2pfl_me.gossip") and not _is_plain(value):
        made = seen[id(value)] = copy.copy(value)
        for name in _names(value):
            if name not in CONSTANT:
                setattr(made, name, _twin(getattr(value, name), seen))
    seen[id(value)] = made
    return made


def _frozen(value: Any) -> Hashable:
    """All that the future depends on, times aside."""
    if isinstance(value, np.ndarray):
        return float(value[0])
    if isinstance(value, Message):
        return (value.kind, value.round, value.at, value.params is not None and float(value.params[0]))
    if isinstance(value, dict):
        return tuple(sorted((key, _frozen(each)) for key, each in value.items()))
    if isinstance(value, set | frozenset):
        return tuple(sorted(value))
    if isinstance(value, tuple | list):
        return tuple(_frozen(each) for each in value)
    if isinstance(value, deque):
        return bool(value)
    if type(value).__module__.startswith(("p2pfl_me.gossip", "tests.")) and not isinstance(value, Enum):
        names = [name for name in _names(value) if name not in CONSTANT | TIMES]
        return tuple(tuple(sorted(value._due)) if name == "_due" else _frozen(getattr(value, name)) for name in names)
    return value  # type: ignore[no-any-return]


def _is_plain(value: Any) -> bool:
    """Whether nothing of it can change."""
    frozen = dataclasses.is_dataclass(value) and value.__dataclass_params__.frozen  # type: ignore[union-attr]
    return isinstance(value, Enum | type) or frozen or callable(value)


def _names(value: Any) -> list[str]:
    return sorted(value.__dict__) if hasattr(value, "__dict__") else list(value.__slots__)


def lies(rounds: int) -> tuple[Message, ...]:
    """What a liar may say out of nothing, of rounds that were, that are, that end the run, and that cannot be."""
    model = np.full(1, 7.0, np.float32)
    found = [
        Message(kind, round, round, model if kind in {Kind.OFFER, Kind.ANSWER} else None)
        for kind in (Kind.HELLO, Kind.SKIP, Kind.WITHDRAW, Kind.LEAVE, Kind.OFFER, Kind.ANSWER)
        for round in sorted({0, 1, rounds, 9})
    ]
    late = [Message(kind, round, 10**6) for kind in (Kind.LATER, Kind.WAITS) for round in (0, 1)]
    return (*found, *late, Message(Kind.BEGUN, 0), Message(Kind.PRESENT, 0, 7))
