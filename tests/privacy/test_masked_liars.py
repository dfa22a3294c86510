"""Neighbours that say what they should not to one who waits under masks: a plain model, another's words, words of
another round, all out of order. It costs sums, with a reason; it ends nobody, and no model takes it in but by a sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from p2pfl_me.gossip.protocol import Protocol, Send
from p2pfl_me.message import Kind, Message
from p2pfl_me.simulation import trials
from tests.gossip.liars import Liar
from tests.privacy.test_masked_runs import first, is_the_mean, run

COUNT, LIAR, ROUNDS = 5, 3, 3
POISON = np.full(trials.SIZE, 1e3, np.float32)


class Plain(Liar):
    """Beside each word about masks a plain model of every kind that carries one."""

    def say(self, now: float, send: Send) -> list[Send]:
        kinds = (Kind.OFFER, Kind.ANSWER, Kind.PUSH, Kind.FINAL)
        told = send.message
        plain = [Send(send.to, Message(kind, told.round, told.round, POISON)) for kind in kinds]
        return [*plain, send, *plain] if told.kind in {Kind.MASKED, Kind.ROSTER, Kind.PLEDGE} else [send]


class AsWords(Liar):
    """In place of its words under masks the model's own bytes, as they would lie in a plain message."""

    def say(self, now: float, send: Send) -> list[Send]:
        if send.message.kind is not Kind.MASKED:
            return [send]
        return [Send(send.to, replace(send.message, packed=POISON.view(np.uint8)))]


class Swapped(Liar):
    """To each receiver the words that were masked for the one before."""

    def __init__(self, core: Protocol) -> None:
        super().__init__(core)
        self._last: Any = None

    def say(self, now: float, send: Send) -> list[Send]:
        if send.message.kind is not Kind.MASKED:
            return [send]
        last, self._last = self._last, send.message.packed
        return [send if last is None else Send(send.to, replace(send.message, packed=last))]


class Shifted(Liar):
    """Each word about masks for the next round and the last one, too."""

    def say(self, now: float, send: Send) -> list[Send]:
        if send.message.kind not in {Kind.MASKED, Kind.ROSTER, Kind.PLEDGE}:
            return [send]
        shifted = [replace(send.message, round=max(0, send.message.round + by)) for by in (-1, 1)]
        return [*(Send(send.to, each) for each in shifted), send]


class Stale(Liar):
    """Everything that it ever said to somebody once more, newest first, with each new word."""

    def __init__(self, core: Protocol) -> None:
        super().__init__(core)
        self._said: dict[int, list[Send]] = {}

    def say(self, now: float, send: Send) -> list[Send]:
        said = self._said.setdefault(send.to, [])
        said.append(send)
        return said[:-9:-1]


class Twice(Liar):
    """Two models under one mask in each round: the second one's words are another's."""

    def say(self, now: float, send: Send) -> list[Send]:
        if send.message.kind is not Kind.MASKED or send.message.packed is None:
            return [send]
        other = send.message.packed.copy()
        other[-400:] ^= 255
        return [send, Send(send.to, replace(send.message, packed=other))]


class Denies(Liar):
    """Says to each that it is left out, has no model and no sum, beside what it truly says."""

    def say(self, now: float, send: Send) -> list[Send]:
        if send.message.kind not in {Kind.MASKED, Kind.ROSTER}:
            return [send]
        at = send.message.round
        return [send, *(Send(send.to, Message(kind, at, at)) for kind in (Kind.SKIP, Kind.WITHDRAW))]


HARMLESS = (Plain, Stale, Twice)
"""What is said beside the truth and changes nothing of it costs no sum."""


@pytest.mark.few(2)
@pytest.mark.parametrize("lie", [Plain, AsWords, Swapped, Shifted, Stale, Twice, Denies])
def test_whatever_one_says_to_those_who_wait_under_masks_costs_sums_at_most(
    lie: Callable[[Protocol], Liar], monkeypatch: pytest.MonkeyPatch
) -> None:
    core_of = trials.core_of

    def core(contract: Any, peer: int, *more: Any) -> Any:
        honest = core_of(contract, peer, *more)
        return lie(honest) if peer == LIAR else honest

    monkeypatch.setattr(trials, "core_of", core)
    simulation, journal = run(count=COUNT, training={"rounds": ROUNDS})
    assert lie in HARMLESS or any(mixed.missing for _, _, mixed in journal.all_mixed()), "nobody noticed"
    honest = [peer for peer in range(COUNT) if peer != LIAR]
    assert not simulation.failed and {simulation.finished[peer].reason for peer in honest} == {"rounds"}
    assert {event.neighbour for _, event in journal.refused} <= {LIAR}
    for peer in honest:
        for round in range(ROUNDS):
            mixed = first(journal, peer, round)
            assert mixed.weights.keys() | mixed.missing.keys() == {*range(COUNT)} - {peer} and all(
                mixed.missing.values()
            )
            assert np.abs(mixed.params).max() < 20, "its plain model is nowhere"
            assert len(mixed.weights) >= 3 if mixed.weights else mixed.alone
            assert not mixed.weights or is_the_mean(journal, peer, round)
            assert lie not in HARMLESS or len(mixed.weights) == COUNT - 1
