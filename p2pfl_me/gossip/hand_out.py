"""Who is done hands out its final model: to a neighbour that comes back when nobody is left to train with.

A layer around any core. The end that is done stays for `gossip.hand_out` seconds, says so on every fresh link (LEAVE)
and answers WANT with FINAL. The end that is behind asks before it would train a round alone, or end since it may not
(`gossip.alone: wait`), takes the mean of what comes from those who left ahead of it, and ends; the rounds between it
has not trained, and says so.

A peer that has trained its last round alone (its line was cut, say) is behind in the same sense: before it says that it
is done it asks whoever is, as long as it stays. If those have ended as it has, all take the mean.

Where a rule stands up to liars no word of less than all neighbours ends a run: one of two would decide what the model
is as soon as the other sleeps. Of all it takes the middle, value by value, with its own among them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import assert_never

import numpy as np

from p2pfl_me.gossip.final import Final, one_of
from p2pfl_me.gossip.protocol import (
    Action,
    Began,
    Finish,
    Leave,
    Mixed,
    Protocol,
    Refuse,
    Send,
    SetTimer,
    Timer,
    Train,
)
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.message import Kind, Message, Vector

HANDED = "handed"
"""The reason to finish of who took its neighbours' final model."""
ALONE = "alone"
"""The reason to finish of who would train without anybody, where the contract wants none of that."""
DONE = ("rounds", "time", "work", "patience", HANDED)
"""The reasons to finish of who does not come back for more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a peer stands when its core begins: its model, and the rounds behind it."""

    params: Vector = field(repr=False)
    completed: int
    progress: Progress


class _State(Enum):
    TRAINING = auto()
    ASKING = auto()
    TAKING = auto()
    """The neighbours' model is being stored."""
    LONELY = auto()
    """All is trained, and nobody had a part in the last round: a neighbour may be back, and have more."""
    DONE = auto()


def _is_goodbye(action: Action) -> bool:
    return isinstance(action, Send) and action.message.kind is Kind.LEAVE


class HandOut:
    """A core, and around it what this module says.

    Parameters
    ----------
    stays_s:
        How long a peer that is done stays, at most; it goes as soon as all its neighbours are done, too.
    patience_s:
        How long the final models have to come.
    rounds:
        The contract's.
    averages:
        The contract's models are averaged, whoever they are of: else a rule stands up to some that lie, and one that
        was alone in the end keeps its own.
    """

    def __init__(
        self,
        core: Protocol,
        neighbours: Sequence[int],
        place: Place,
        final: Final,
        *,
        stays_s: float,
        patience_s: float,
        rounds: int,
        averages: bool = True,
    ) -> None:
        self._core, self._neighbours, self._final = core, frozenset(neighbours), final
        self._stays_s, self._patience_s, self._rounds = stays_s, patience_s, rounds
        self._averages = averages
        self._params, self._completed = place.params, place.completed
        self._trained, self._alone = place.progress.trained, place.progress.alone
        self._joined = place.progress.joined
        self._state = _State.TRAINING
        self._finish: Finish | None = None
        self._linked: set[int] = set()
        self._ended: dict[int, int] = {}
        """neighbour -> the rounds that were behind it when it left."""
        self._done: set[int] = set()
        """Those of them that will not come back for more."""
        self._deaf: set[int] = set()
        """Those who were asked over this link, and did not answer."""
        self._held: Train | Finish | None = None
        """The round that this peer trains if nothing comes, or its end."""
        self._ends: Finish | None = None
        """How the core has ended, while this peer still asks or takes."""
        self._asked: set[int] = set()
        self._asks_in = 0
        """The round in which they were asked."""
        self._got: dict[int, Vector] = {}
        self._was_alone = False
        """In the last round."""
        self._served: set[int] = set()
        """Who has got this peer's model since it ended so."""
        self._gone = False
        self._sent: tuple[Vector, Vector] | None = None
        """The model that was asked for, and how it travels."""

    @property
    def waiting_for(self) -> frozenset[int]:
        if self._state is _State.ASKING:
            return frozenset(self._asked - self._got.keys())
        if self._state is _State.LONELY:
            return self._neighbours - self._got.keys()
        return self._core.waiting_for

    # -- inputs -------------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Action]:
        return self._out(now, self._core.start(now))

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        return self._out(now, self._core.on_trained(now, params))

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        if self._state is not _State.TAKING:
            return self._out(now, self._core.on_evaluated(now, validation_loss))
        self._state = _State.DONE
        self._core.on_stop(now)  # its goodbye would tell of where it stood
        skipped = self._completed - self._trained - self._joined
        finish = Finish(HANDED, self._trained, skipped=skipped, alone=self._alone)
        return self._say_goodbye(finish)

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        if sender not in self._neighbours:
            return []
        match message.kind:
            case Kind.WANT:
                if self._state not in (_State.DONE, _State.LONELY):
                    return []
                self._served.add(sender)
                return [Send(sender, Message(Kind.FINAL, self._rounds, self._completed, self._packed()))]
            case Kind.FINAL:
                return self._on_final(now, sender, message)
            case Kind.LEAVE:
                self._ended[sender] = min(message.at, self._rounds)
                done = message.at > min(message.round, self._rounds - 1)
                (self._done.add if done else self._done.discard)(sender)
                if self._state is _State.LONELY:
                    has_more = sender not in self._served or sender not in self._done
                    return self._ask_in_the_end(now, sender) if has_more else self._go_if_all_have()
            case Kind.HELLO:
                self._ended.pop(sender, None)
                self._done.discard(sender)
            case (
                Kind.OFFER
                | Kind.ANSWER
                | Kind.SKIP
                | Kind.WITHDRAW
                | Kind.PUSH
                | Kind.PRESENT
                | Kind.BEGUN
                | Kind.KEY
                | Kind.CIRCLE
                | Kind.MASKED
                | Kind.ROSTER
                | Kind.PLEDGE
                | Kind.LATER
                | Kind.WAITS
                | Kind.REST
                | Kind.WORK
            ):
                pass  # the core's alone
            case _:
                assert_never(message.kind)
        out = self._out(now, self._core.on_message(now, sender, message))
        return [*out, *self._settle(now), *self._go_if_all_have()]

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        if timer is not Timer.HAND_OUT:
            return self._out(now, self._core.on_timer(now, timer, round))
        awaited = self._state is _State.LONELY and round == self._completed
        if not awaited and (self._state is not _State.ASKING or self._asks_in != round):
            return []
        self._deaf |= self._asked - self._got.keys()
        self._asked &= self._got.keys()
        return self._take() if awaited and self._got else self._settle(now)

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        if peer not in self._neighbours:
            return []
        (self._linked.add if reachable else self._linked.discard)(peer)
        self._deaf.discard(peer)
        if not reachable:
            self._asked.discard(peer)
        if self._state is _State.DONE:
            self._core.on_peer(now, peer, reachable)
            return [Send(peer, self._goodbye(self._finish))] if reachable and self._finish else []
        if self._state is _State.LONELY:
            self._core.on_peer(now, peer, reachable)
            return [self._not_done(peer)] if reachable else []
        out = self._out(now, self._core.on_peer(now, peer, reachable))
        return [*out, *self._settle(now)]

    def on_stop(self, now: float) -> list[Action]:
        if self._finish:
            return [Leave()]
        self._state, ends = _State.DONE, self._ends
        if ends is None:
            return self._core.on_stop(now)
        return self._say_goodbye(replace(ends, reason="stopped"))

    # -- who is behind ------------------------------------------------------------------------------------------

    def _out(self, now: float, actions: Sequence[Action]) -> list[Action]:
        out: list[Action] = []
        for action in actions:
            match action:
                case Train():
                    out += self._before_training(now, action)
                case Mixed():
                    self._params, self._completed = action.params, action.round + 1
                    self._trained, self._alone = self._trained + 1, self._alone + action.alone
                    self._was_alone = action.alone
                    out.append(action)
                case Finish() if self._was_alone and self._averages and self._stays_s and action.reason in DONE:
                    unsaid = (each for each in out if not _is_goodbye(each))
                    out = [*unsaid, *self._wait_for_more(now, action)]
                case Finish() if action.reason == ALONE and (ahead := self._ahead(self._completed)):
                    self._ends = action
                    out = [each for each in out if not _is_goodbye(each)]
                    out += self._ask(now, ahead, self._completed, action)
                case Finish():
                    # The core says nothing more to those who left before it, and who may wait for this word.
                    out += [Send(peer, self._goodbye(action)) for peer in sorted(self._linked & self._ended.keys())]
                    out += self._end(action)
                case Send() | SetTimer() | Began() | Refuse() | Leave():
                    out.append(action)
                case _:
                    assert_never(action)
        return out

    def _before_training(self, now: float, train: Train) -> list[Action]:
        ahead = self._ahead(train.round)
        if not ahead or self._linked - self._ended.keys():
            return [train]
        return self._ask(now, ahead, train.round, train)

    def _ahead(self, round: int) -> set[int]:
        """Who has left with more behind it than the rounds before this one, and may be asked."""
        ahead = {peer for peer in self._linked - self._deaf if self._ended.get(peer, 0) > round}
        return ahead if self._are_enough(ahead) else set()

    def _are_enough(self, givers: Collection[int]) -> bool:
        """Whether what these give may take the place of one's own model."""
        return bool(givers) and (self._averages or len(givers) == len(self._neighbours) > 1)

    def _ask(self, now: float, ahead: set[int], round: int, held: Train | Finish) -> list[Action]:
        self._state, self._held = _State.ASKING, held
        self._asked, self._got, self._asks_in = ahead, {}, round
        wants = [Send(peer, Message(Kind.WANT, round)) for peer in sorted(ahead)]
        return [*wants, SetTimer(Timer.HAND_OUT, round, now + self._patience_s)]

    def _on_final(self, now: float, sender: int, message: Message) -> list[Action]:
        asking = self._state in (_State.ASKING, _State.LONELY)
        if not asking or sender not in self._asked or message.params is None:
            return []
        model = self._final.unpacked(message.params, self._params)
        if model is None:
            self._asked.discard(sender)
            self._deaf.add(sender)
            return [Refuse(sender, "a final model that is none"), *self._settle(now)]
        self._got[sender] = model
        self._ended[sender] = max(self._ended.get(sender, 0), min(message.at, self._rounds))
        return self._settle(now)

    def _settle(self, now: float) -> list[Action]:
        """Take what has come once all has, or train after all, with whoever has come back or alone."""
        if self._state is _State.LONELY:
            return self._take() if self._got and self._got.keys() >= self._neighbours - self._deaf else []
        if self._state is not _State.ASKING or self._held is None:
            return []
        if self._ends is None and self._linked - self._ended.keys():
            return self._go_on_after_all()
        if self._asked - self._got.keys():
            return []
        return self._take() if self._are_enough(self._got) else self._go_on_after_all()

    def _go_on_after_all(self) -> list[Action]:
        held, self._held, self._state = self._held, None, _State.TRAINING
        if isinstance(held, Finish):
            self._ends = None
            return self._say_goodbye(held)
        return [held] if held else []

    def _take(self) -> list[Action]:
        was_lonely, self._state = self._state is _State.LONELY, _State.TAKING
        own, givers = self._params, sorted(self._got)
        if was_lonely:
            givers = sorted(self._got.keys() & self._done) or givers
        alike = [own] if not self._averages or (was_lonely and not self._done.intersection(givers)) else []
        models = np.stack([*(self._got[peer] for peer in givers), *alike])
        self._params = one_of(models, stands_up=not self._averages)
        before = self._completed if was_lonely else 0
        self._completed = max(before, *(self._ended.get(peer, 0) for peer in givers))
        norm = float(np.linalg.norm(own)) or 1.0
        distance = {peer: float(np.linalg.norm(self._got[peer] - own)) / norm for peer in givers}
        weights = dict.fromkeys(givers, 1 / len(models))
        self._got.clear()
        return [Mixed(self._completed - 1, self._params, weights, {}, distance, 0.0, handed=True)]

    # -- who was alone in the end -------------------------------------------------------------------------------

    def _wait_for_more(self, now: float, finish: Finish) -> list[Action]:
        """Somebody may be back with more than one peer's rounds, or has it already."""
        self._state, self._finish = _State.LONELY, finish
        self._deaf, self._asked, self._got = set(), set(), {}
        asked = (self._ask_in_the_end(now, peer) for peer in sorted(self._ended))
        said = (self._not_done(peer) for peer in sorted(self._linked))
        return [*said, *(action for actions in asked for action in actions), replace(finish, stays_s=self._stays_s)]

    def _not_done(self, peer: int) -> Send:
        """A goodbye of one that may come back: who is done waits for it."""
        here = min(self._completed, self._rounds - 1)
        return Send(peer, Message(Kind.LEAVE, here, here))

    def _ask_in_the_end(self, now: float, peer: int) -> list[Action]:
        if peer not in self._linked or peer in self._asked:
            return []
        self._asked.add(peer)
        self._deaf.discard(peer)
        again = SetTimer(Timer.HAND_OUT, self._completed, now + self._patience_s)
        return [Send(peer, Message(Kind.WANT, self._completed)), again]

    # -- who is done --------------------------------------------------------------------------------------------

    def _say_goodbye(self, finish: Finish) -> list[Action]:
        """What the core would have said, had it not been asked for first whether somebody has the model of the run."""
        return [*(Send(peer, self._goodbye(finish)) for peer in sorted(self._linked)), *self._end(finish)]

    def _end(self, finish: Finish) -> list[Action]:
        self._state, self._finish = _State.DONE, finish
        if finish.reason not in DONE or not self._neighbours:
            return [finish]
        return [replace(finish, stays_s=self._stays_s), *self._go_if_all_have()]

    def _go_if_all_have(self) -> list[Action]:
        """Whether nobody can come back any more who would want anything."""
        if self._gone or self._finish is None or not self._done >= self._neighbours:
            return []
        if self._state is _State.DONE:
            self._gone = True
            return [Leave()]
        if self._state is not _State.LONELY or self._asked:
            return []
        self._gone = True
        # Its neighbours were told that it may come back for more, and would stay for it.
        return [*(Send(peer, self._goodbye(self._finish)) for peer in sorted(self._linked)), Leave()]

    def _goodbye(self, finish: Finish) -> Message:
        early = finish.reason in DONE and self._completed < self._rounds
        return Message(Kind.LEAVE, max(0, self._completed - early), self._completed)

    def _packed(self) -> Vector:
        """One and the same array for one model: what was queued on a link does not travel again for who asks again."""
        if self._sent is None or self._sent[0] is not self._params:
            self._sent = self._params, self._final.packed(self._params)
        return self._sent[1]
