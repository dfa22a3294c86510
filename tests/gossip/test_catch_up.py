"""What neighbours claim moves a peer as far as something else bears it out, whatever the protocol and the message."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.gossip.catch_up import Word, by_clock, place, place_for_a_sum
from p2pfl_me.message import Kind, Vector
from p2pfl_me.simulation.faults import Crash, FaultModel
from tests.gossip.liars import Claims
from tests.gossip.swarms import Swarm, contract_of, run
from tests.gossip.test_protocols import ALL, RING, apart

LAST = 59


def said(round: int, clock: int = 0, alone: int = 0, *, meets: bool = True) -> Word:
    return Word(round, meets, clock, alone)


@pytest.mark.parametrize(
    ("own", "words", "neighbours", "joining", "expected", "why"),
    [
        (10, [], 2, False, 10, "nobody is there"),
        (10, [said(10), said(10)], 2, False, 10, "all are here"),
        (10, [said(10**9), said(10)], 2, False, 10, "beyond the contract"),
        (10, [said(10**9), said(10**9)], 2, False, 10, "beyond the contract, said by all"),
        (10, [said(LAST), said(10)], 2, False, 10, "one of two, the clock says no"),
        (10, [said(LAST, 11, 30), said(10)], 2, False, 10, "not even in part: a claim is true or it is not"),
        (10, [said(12, 12, 60), said(10)], 2, False, 12, "one of two, and there was time for it"),
        (10, [said(LAST), said(40)], 2, False, 40, "both have gone on, so far at least"),
        (10, [said(LAST, 11, 60)], 2, False, LAST, "nobody stays, and a much faster one can be there"),
        (10, [said(LAST, 11, 30)], 2, False, 10, "nobody stays, but nobody can be so fast"),
        (10, [said(LAST, 11, 30)], 1, False, 10, "the only neighbour is believed no further"),
        (10, [said(12, 12, 60), said(10), said(10)], 3, False, 10, "most of those that would be met stay"),
        (10, [said(12), said(12), said(10), said(10)], 9, False, 10, "two of nine"),
        (10, [said(12), said(13), said(14), said(15), said(16), said(10)], 9, False, 12, "five of nine"),
        (10, [said(40, 40, 60), said(10, meets=False)], 9, False, 40, "who stays would not be met"),
        (0, [said(40), said(0)], 2, True, 0, "joining: one of two"),
        (0, [said(40), said(42)], 2, True, 40, "joining: both"),
        (0, [said(40)], 2, True, 40, "joining: the only one that is there"),
        (0, [said(10**9)], 1, True, 0, "joining: beyond the contract"),
        (0, [Word(40, stood=True)], 1, True, 0, "joining: the only one, who stood here a moment ago"),
        (10, [said(5), said(7)], 2, False, 10, "nobody is dragged back"),
    ],
)
def test_where_a_peer_goes(
    own: int, words: list[Word], neighbours: int, joining: bool, expected: int, why: str
) -> None:
    assert place(own, words, neighbours=neighbours, last=LAST, joining=joining) == expected, why


@given(st.integers(0, LAST), st.integers(2, 9), st.integers(0, 2**31), st.data())
def test_one_word_among_those_who_stay_moves_nobody(own: int, neighbours: int, lie: int, data: st.DataObject) -> None:
    """Whatever one of two or more says: where the others stand in this round, so does the peer."""
    others = [said(data.draw(st.integers(0, own))) for _ in range(neighbours - 1)]
    assert place(own, [said(lie, own + 1, own + 1), *others], neighbours=neighbours, last=LAST) in {
        own,
        *({lie} if lie == own + 1 and neighbours == 2 and lie <= LAST else ()),
    }


def test_the_clock_allows_what_there_was_time_for() -> None:
    assert by_clock(10, 0.0, 50, lambda _: 1.0) == 11  # about to leave, perhaps
    assert by_clock(10, 5.5, 50, lambda _: 1.0) == 16
    assert by_clock(10, 5.5, 12, lambda _: 1.0) == 12
    assert by_clock(10, 5.0, 50, lambda _: 1.0) == 16 and by_clock(10, 4.999, 50, lambda _: 1.0) == 15
    assert by_clock(10, 1e9, 50, lambda round: 1.0 if round < 20 else float("inf")) == 20
    assert by_clock(10, 5.0, 7, lambda _: 1.0) == 10


# -- in a swarm ------------------------------------------------------------------------------------------------------


def honest_rounds(swarm: Swarm, liar: int) -> int:
    """Rounds that the honest peer with the fewest has really trained."""
    return min(len(rounds) for peer, rounds in swarm.mixed.items() if peer != liar)


def step(peer: int, round: int, params: Vector) -> Vector:
    return params + np.float32(0.01)


@pytest.mark.few(4)
@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("kind", [Kind.HELLO, Kind.SKIP, Kind.OFFER, Kind.ANSWER, Kind.WITHDRAW, Kind.PUSH, Kind.LEAVE])
@pytest.mark.parametrize(("claim", "shift"), [(10**9, False), (29, False), (3, True)], ids=["1e9", "last", "+3"])
def test_a_claimed_round_costs_the_others_no_rounds(protocol: str, kind: Kind, claim: int, shift: bool) -> None:
    contract = contract_of(RING, 5, 30, {"protocol": protocol, "join_timeout_s": 5})
    liar = {2: lambda core: Claims(core, kind, claim, shift=shift)}
    swarm = run(contract, apart(5), step, FaultModel(compute_s=(0.9, 1.1)), liars=liar)
    assert honest_rounds(swarm, 2) >= 28


@pytest.mark.parametrize("protocol", ["dpsgd", "push"])
@pytest.mark.parametrize("topology", [{"kind": "line"}, {"kind": "star"}], ids=["line", "star"])
def test_nor_those_who_have_one_neighbour(protocol: str, topology: dict[str, Any]) -> None:
    """The end of the line is next to the liar, the star's leaves have the liar alone."""
    liar = {0 if topology["kind"] == "star" else 1: lambda core: Claims(core, Kind.SKIP, 29)}
    swarm = run(contract_of(topology, 4, 30, {"protocol": protocol}), apart(4), step, liars=liar)
    assert honest_rounds(swarm, *liar) >= 15


@pytest.mark.few(1)
@pytest.mark.parametrize("away", [(2,), (2, 3)], ids=["one", "two neighbours"])
def test_who_returns_from_an_old_checkpoint_joins_the_others(away: tuple[int, ...]) -> None:
    crashes = FaultModel(crashes=tuple(Crash(5.5, peer, 40.0) for peer in away), silence_s=0.2)
    swarm = run(contract_of(RING, 8, 80, {}), apart(8), step, crashes)
    assert all(swarm.mixed[peer][-1].weights for peer in range(8)), "the last round is everybody's"


def test_who_returns_between_an_honest_and_a_lying_neighbour_joins_the_honest_one() -> None:
    crash = FaultModel(crashes=(Crash(5.5, 2, 30.0),), silence_s=0.2)
    liar = {1: lambda core: Claims(core, Kind.HELLO, 79)}
    swarm = run(contract_of(RING, 6, 80, {}), apart(6), step, crash, liars=liar)
    met = [mixed for mixed in swarm.mixed[2] if 3 in mixed.weights]
    assert len(met) > 30


@pytest.mark.parametrize(
    ("at", "claims", "expected", "why"),
    [
        (2, [2, 2, 4, 3], 3, "the third comes to round 3"),
        (4, [2, 2, 4, 3], 4, "nobody is sent back"),
        (2, [2, 2, 2, LAST], 2, "one that is far, or lies, moves nobody"),
        (2, [2, 3, LAST], 3, "nor where all are needed"),
        (2, [2, 3, LAST + 1], 2, "beyond the contract, and the rest are too few"),
        (2, [7, 8], 2, "too few for any sum"),
    ],
)
def test_one_that_has_just_started_goes_where_enough_for_a_sum_still_come(
    at: int, claims: list[int], expected: int, why: str
) -> None:
    assert place_for_a_sum(at, claims, least=3, last=LAST) == expected, why
