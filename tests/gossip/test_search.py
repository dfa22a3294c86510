"""What the documents promise of the atomic exchange, in every order of events and with one fault at any moment."""

from __future__ import annotations

import pytest

from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.gossip.edge import Edge
from p2pfl_me.gossip.overlapped import Overlapped
from p2pfl_me.message import Kind, Message
from tests.gossip.search import Fault, Patience, search

TWO = {0: {1: 0.5}, 1: {0: 0.5}}
LINE = {0: {1: 0.5}, 1: {0: 0.5, 2: 0.25}, 2: {1: 0.25}}


@pytest.mark.parametrize("core", [DPSGD, Overlapped])
@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("fault", Fault)
def test_two_peers_end_with_the_same_exchanges_whatever_happens_once(fault: Fault, who: int, core: type[DPSGD]) -> None:
    """All end, the sum of the models is that of all steps, and an exchange that stays one-sided is said.

    Only a crash, a lie or a record that is lost on a link that stands can leave one, if links return in time.
    """
    found = search(TWO, 2, fault, who=who, patience=Patience.RETURNS, core=core)
    assert found.states > 20 and not found.broken, found.broken
    assert found.one_sided == 0 or fault in {Fault.CRASH, Fault.LIE, Fault.LOSS}


@pytest.mark.parametrize("core", [DPSGD, Overlapped])
@pytest.mark.parametrize("fault", [Fault.NONE, Fault.LOSS, Fault.FLAP])
def test_nor_when_links_stay_away_beyond_the_deadline(fault: Fault, core: type[DPSGD]) -> None:
    """What stays one-sided then is said by the end that offered."""
    found = search(TWO, 2, fault, patience=Patience.ARRIVALS, core=core)
    assert not found.broken, found.broken


def test_nor_when_deadlines_pass_at_any_moment() -> None:
    found = search(TWO, 2, Fault.NONE)
    assert found.states > 1000 and not found.broken, found.broken


@pytest.mark.parametrize(
    ("fault", "rounds"),
    [
        (Fault.NONE, 2),
        (Fault.LOSS, 1),
        (Fault.DUPLICATE, 1),
        pytest.param(Fault.FLAP, 1, marks=pytest.mark.thorough),  # half of the time of all
        (Fault.LATE, 1),
    ],
)
def test_three_peers_in_a_line(fault: Fault, rounds: int) -> None:
    found = search(LINE, rounds, fault, patience=Patience.RETURNS)
    assert not found.broken, found.broken


def test_a_core_that_forgets_what_it_asked_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = DPSGD.on_peer

    def forgets(self, now, peer, reachable):  # type: ignore[no-untyped-def]
        self._edges[peer].offered = None
        return honest(self, now, peer, reachable)

    monkeypatch.setattr(DPSGD, "on_peer", forgets)
    assert search(TWO, 2, Fault.FLAP, patience=Patience.RETURNS).broken


def test_a_core_that_denies_its_answers_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Edge, "reply", lambda self, round, at: Message(Kind.SKIP, round, at))
    assert search(TWO, 2, Fault.FLAP, patience=Patience.RETURNS).broken
