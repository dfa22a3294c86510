"""What the documents promise of the atomic exchange, in every order of events and with one fault at any moment."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.gossip.edge import Edge
from p2pfl_me.gossip.overlapped import Overlapped
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.gossip.synchronous import Phase, Synchronous
from p2pfl_me.message import MAX_ROUND, Kind, Message
from tests.gossip.lives import Comes, Deadline, Event, Heard, Joined, Linked, Lives, Rows, Trained
from tests.gossip.search import Fault, Found, Patience, Search

TWO: Rows = {0: {1: 0.5}, 1: {0: 0.5}}
LINE: Rows = {0: {1: 0.5}, 1: {0: 0.5, 2: 0.25}, 2: {1: 0.25}}
"""Its middle offers to one neighbour and answers the other."""
LOW: Rows = {0: {1: 0.5, 2: 0.25}, 1: {0: 0.5}, 2: {0: 0.25}}
HIGH: Rows = {0: {2: 0.5}, 1: {2: 0.25}, 2: {0: 0.5, 1: 0.25}}
MESH: Rows = {a: {b: 0.25 for b in range(3) if b != a} for a in range(3)}
ONE_SIDED = {Fault.CRASH, Fault.LIE}
"""What alone can leave an exchange that counts at one end, if links return in time."""


def search(rows: Rows, rounds: int, fault: Fault, **options: object) -> Found:
    found = Search(rows, rounds, fault, **options).run()  # type: ignore[arg-type]
    assert not found.broken, found.broken
    return found


@pytest.mark.few(7)
@pytest.mark.parametrize("core", [DPSGD, Overlapped])
@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("fault", Fault)
def test_two_peers_end_with_the_same_exchanges_whatever_happens_once(fault: Fault, who: int, core: type[DPSGD]) -> None:
    """All end, each says what it has trained, the models' sum is that of all steps, and what is one-sided is said.

    Only a crash or a lie can leave an exchange so, if links return in time; nobody asks without end.
    """
    found = search(TWO, 2, fault, who=who, patience=Patience.RETURNS, core=core)
    assert found.states > 20
    assert bool(found.one_sided) == (fault in ONE_SIDED) or core is Overlapped, found.example


@pytest.mark.few(4)
@pytest.mark.parametrize("core", [DPSGD, Overlapped])
@pytest.mark.parametrize("fault", [Fault.NONE, Fault.LOSS, Fault.FLAP, Fault.CRASH])
def test_nor_when_links_stay_away_beyond_the_deadline(fault: Fault, core: type[DPSGD]) -> None:
    """What stays one-sided then is said by the end that offered."""
    search(TWO, 2, fault, patience=Patience.ARRIVALS, core=core)


def test_nor_when_deadlines_pass_at_any_moment() -> None:
    assert search(TWO, 2, Fault.NONE, gathered=True).states > 1000


OF_ONE = (Fault.CRASH, Fault.LATE, Fault.LIE)
"""What happens to a peer that is named; an end of the line has half the exchanges of its middle."""


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("fault", "who"),
    [
        *((fault, 1 if fault in OF_ONE else None) for fault in Fault),
        *(pytest.param(fault, end, marks=pytest.mark.thorough) for fault in OF_ONE for end in (0, 2)),
    ],
)
def test_three_peers_in_a_line(fault: Fault, who: int | None) -> None:
    """Whatever happens once to one of them, after the start: exchanges count at both ends or at none, all end, and none
    but those of a peer that crashed or lied are one-sided."""
    found = search(LINE, 1, fault, who=who, patience=Patience.RETURNS, gathered=True)
    assert not found.one_sided or fault in ONE_SIDED, found.example


@pytest.mark.thorough
@pytest.mark.parametrize("rows", [LINE, LOW, HIGH])
@pytest.mark.parametrize("fault", [Fault.FLAP, Fault.CRASH, Fault.LATE, Fault.LIE])
def test_three_peers_whoever_it_is_from_the_very_start(fault: Fault, rows: Rows) -> None:
    for who in rows if fault in {Fault.LIE, Fault.LATE} else (None,):
        found = search(rows, 1, fault, who=who, patience=Patience.RETURNS)
        assert not found.one_sided or fault in ONE_SIDED, found.example


@pytest.mark.thorough
@pytest.mark.parametrize("fault", Fault)
def test_three_peers_of_whom_each_knows_the_others(fault: Fault) -> None:
    for who in MESH if fault in OF_ONE else (None,):
        found = search(MESH, 1, fault, who=who, patience=Patience.RETURNS, gathered=True)
        assert not found.one_sided or fault in ONE_SIDED, found.example


@pytest.mark.thorough
@pytest.mark.parametrize("fault", Fault)
def test_three_peers_and_two_rounds(fault: Fault) -> None:
    for who in LINE if fault in OF_ONE else (None,):
        found = search(LINE, 2, fault, who=who, patience=Patience.RETURNS, gathered=True)
        assert not found.one_sided or fault in ONE_SIDED, found.example


def test_whatever_number_a_word_says_in_whatever_phase_its_hearer_ends_and_counts_what_it_has_trained() -> None:
    """Every kind, with and without a model, of rounds that are negative, of the past, and beyond what can be said."""
    lives = Lives(TWO, 2, DPSGD)
    first, _ = lives.step(lives.step(lives.begin(0), Comes())[0], Linked(1, True))
    phases = {lives.known[first].phase: first}
    while lives.known[first].finish is None:
        first = _goes_on(lives, first)
        phases.setdefault(lives.known[first].phase, first)
    assert phases.keys() == {Phase.JOINING, Phase.TRAINING, Phase.EXCHANGING, Phase.DONE}
    numbers = (1, -1, MAX_ROUND)
    for kind, round, at, begun in product(Kind, numbers, numbers, phases.values()):
        for params in (None, np.ones(1, np.float32)):
            life, _ = lives.step(begun, Heard(1, lives.message(Message(kind, round, at, params))))
            for _ in range(12):
                life = _goes_on(lives, life)
            finish = lives.known[life].finish
            assert finish and finish.rounds == len(lives.known[life].mixed) and finish.rounds + finish.skipped == 2


def _goes_on(lives: Lives, number: int) -> int:
    """A step that needs nobody else."""
    life = lives.known[number]
    event: Event = Joined()
    if life.phase is Phase.TRAINING:
        event = Trained()
    elif life.due:
        event = Deadline(life.due[0])
    return number if life.finish else lives.step(number, event)[0]


# -- the search finds what it is made for ------------------------------------------------------------------------------


def test_a_core_that_forgets_what_it_asked_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = DPSGD.on_peer

    def forgets(self, now, peer, reachable):  # type: ignore[no-untyped-def]
        self._edges[peer].offered = None
        return honest(self, now, peer, reachable)

    monkeypatch.setattr(DPSGD, "on_peer", forgets)
    assert Search(TWO, 2, Fault.FLAP, patience=Patience.RETURNS).run().broken


def test_a_core_that_denies_its_answers_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Edge, "reply", lambda self, round, at: Message(Kind.SKIP, round, at))
    assert Search(TWO, 2, Fault.FLAP, patience=Patience.RETURNS).run().broken


def test_a_core_that_goes_without_the_reply_since_the_other_went_on_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three are needed: the one that went on had another to wait for."""
    monkeypatch.setattr(DPSGD, "_asks", Synchronous._asks)
    assert Search(LINE, 1, Fault.FLAP, patience=Patience.RETURNS, gathered=True).run().one_sided


def test_a_core_that_asks_without_end_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def asks_again(self, now):  # type: ignore[no-untyped-def]
        self._withdrawing.clear()
        return honest(self, now)

    honest = DPSGD._given_up
    monkeypatch.setattr(DPSGD, "_given_up", asks_again)
    found = Search(TWO, 2, Fault.LOSS, most=2000).run()
    assert any("circle" in each or "more than" in each for each in found.broken)


def test_a_core_that_counts_rounds_which_it_did_not_train_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "trained", property(lambda self: 2, lambda self, value: None), raising=False)
    assert Search(TWO, 2, Fault.LATE, who=0, patience=Patience.RETURNS).run().broken
