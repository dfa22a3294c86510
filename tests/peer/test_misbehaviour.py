"""A neighbour's score: what raises it, that it fades, and that nothing which may be honest costs a link."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from p2pfl_me.console.words import in_words
from p2pfl_me.errors import P2pmeError
from p2pfl_me.gossip.protocol import Action, Finish, Mixed, Train
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.peer.host import Host
from p2pfl_me.peer.misbehaviour import HALF_LIFE_S, LIMIT, NEAR, SUSPECT, MisbehaviourScores, Sign
from p2pfl_me.run.events import AnyEvent, Misbehaviour

OWN = np.ones(100, np.float32)


def mixed(
    distance: Mapping[int, float] | None = None,
    missing: Mapping[int, str] | None = None,
    refused: Mapping[int, str] | None = None,
) -> Mixed:
    distance = distance or {1: 0.1, 2: 0.12, 3: 0.09}
    weights = {peer: 0.25 for peer in distance if peer not in (refused or {})}
    return Mixed(0, OWN, weights, missing or {}, distance, 0.0, refused=refused or {})


def unlike(round: int, times: float = 1.0) -> Vector:
    return (times * OWN + 0.01 * np.random.default_rng(round).normal(size=OWN.size)).astype(np.float32)


def rounds(count: int, models: Any = None, **odd: Any) -> MisbehaviourScores:
    scores = MisbehaviourScores()
    for round in range(count):
        for peer in (1, 2, 3):
            scores.heard(peer, models(peer, round) if models else unlike(10 * round + peer))
        scores.concluded(0.0, mixed(**odd))
    return scores


def test_who_behaves_has_no_score() -> None:
    assert not MisbehaviourScores().concluded(0.0, mixed())
    assert [rounds(50).score(0.0, peer) for peer in (1, 2, 3)] == [0.0] * 3


@pytest.mark.parametrize(
    ("sign", "odd", "models"),
    [
        (Sign.FAR, {"distance": {1: 0.1, 2: 0.12, 3: 0.9}}, None),
        (Sign.LATE, {"missing": {3: "deadline"}, "distance": {1: 0.1, 2: 0.1}}, None),
        (Sign.LEFT_OUT, {"refused": {3: "among the f farthest"}}, None),
        (Sign.NORM, {}, lambda peer, round: unlike(10 * round + peer, 10.0 if peer == 3 else 1.0)),
        (
            Sign.NORM,
            {},
            lambda peer, round: (
                0 * OWN + round if peer == 3 and not round else unlike(10 * round + peer, 0.1 if peer == 3 else 1.0)
            ),
        ),
        (Sign.STALE, {}, lambda peer, round: OWN if peer == 3 else unlike(10 * round + peer)),
    ],
    ids=["far", "late", "left out", "large norm", "small norm", "stale"],
)
def test_what_is_odd_raises_the_score_of_that_neighbour_alone_and_fades(sign: Sign, odd: Any, models: Any) -> None:
    scores = rounds(20, models, **odd)
    if sign is Sign.LEFT_OUT:  # most rules leave somebody out, be all of them honest
        assert 1.0 < scores.score(0.0, 3) < SUSPECT
    else:
        assert scores.score(0.0, 3) >= 0.9 * SUSPECT
    assert scores.score(0.0, 1) == scores.score(0.0, 2) == 0.0
    for peer in (1, 2, 3):
        scores.heard(peer, models(peer, 99) if models else unlike(990 + peer))
    assert sign in scores.concluded(0.0, mixed(**odd))[3].signs
    for round in range(100, 140):
        scores.heard(3, unlike(round))
        scores.concluded(0.0, mixed())
    assert scores.score(0.0, 3) < 0.1


def test_one_odd_round_makes_nobody_suspect() -> None:
    scores = MisbehaviourScores()
    found = scores.concluded(0.0, mixed(distance={1: 0.1, 2: 0.1, 3: 5.0}))
    assert SUSPECT > found[3].score >= 1.0


def test_where_all_agree_nobody_is_far_for_a_step_that_stands_out() -> None:
    """Four honest labs that had learned all there was named each other 33 times in 900 rounds."""
    odd = {1: 0.0, 2: 0.0002, 3: NEAR}
    assert not rounds(20, distance=odd).concluded(0.0, mixed(distance=odd))
    assert rounds(20, distance={**odd, 3: 1.01 * NEAR}).score(0.0, 3) >= SUSPECT


def test_of_two_neighbours_nobody_can_say_who_is_far() -> None:
    assert not MisbehaviourScores().concluded(0.0, mixed(distance={1: 0.1, 2: 50.0}))


def test_frames_fade_with_time_and_only_they_earn_quarantine() -> None:
    strict = MisbehaviourScores()
    verdicts = [strict.refused(now, 1) for now in range(6)]
    assert verdicts[:4] == [False] * 4 and verdicts[5]
    assert strict.score(5.0 + 20 * HALF_LIFE_S, 1) < 0.01
    odd = rounds(100, distance={1: 0.1, 2: 0.12, 3: 0.9}, refused={3: "x"})
    assert odd.score(0.0, 3) > LIMIT
    assert not odd.refused(0.0, 3), "odd rounds bring nobody nearer to quarantine"


def test_the_user_is_told_once_until_it_has_passed() -> None:
    scores = MisbehaviourScores()
    assert scores.newly([3]) == [3] and scores.newly([3]) == []
    assert scores.newly([]) == [] and scores.newly([3, 1]) == [1, 3]


class Core:
    """Two rounds in which neighbour 3 is far away."""

    waiting_for: frozenset[int] = frozenset()

    def __init__(self, rounds: int) -> None:
        self._left = rounds

    def start(self, now: float) -> list[Action]:
        return [Train(0, OWN)]

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        return [mixed(distance={1: 0.1, 2: 0.12, 3: 0.9})]

    def on_evaluated(self, now: float, loss: float | None) -> list[Action]:
        self._left -= 1
        return [Train(0, OWN)] if self._left else [Finish("rounds", 1)]

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: []


class Work:
    def __init__(self) -> None:
        self.notes: list[AnyEvent] = []

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        return params

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        return None

    def note(self, event: AnyEvent) -> None:
        self.notes.append(event)

    def finished(self, finish: Finish | None, error: P2pmeError | None) -> None: ...


class Links:
    bytes_sent = bytes_received = 0

    def __init__(self) -> None:
        self.unreachable: dict[int, str] = {}
        self.quarantined: list[int] = []

    def quarantine(self, peer: int) -> None:
        self.quarantined.append(peer)

    def send(self, peer: int, message: Message) -> bool:
        return True

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def part(self, timeout_s: float) -> bool:
        return True


def test_a_running_peer_writes_scores_down_says_so_once_and_cuts_nobody_off() -> None:
    core: Any = Core(12)
    work, links = Work(), Links()
    host = Host(core, work, lambda handlers: links)
    host.on_message(3, Message(Kind.OFFER, 0, 0, OWN))
    asyncio.run(host.run())
    told = [note for note in work.notes if isinstance(note, Misbehaviour)]
    assert len(told) == 12 and all(note.scores.keys() == {3} for note in told)
    assert [note.new for note in told].count((3,)) == 1 and told[-1].suspects == (3,)
    lines = [line for note in told if (line := in_words(note))]
    assert len(lines) == 1 and "neighbour 3 looks wrong" in lines[0] and "far beyond the others" in lines[0]
    assert not links.quarantined
