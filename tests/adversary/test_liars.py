"""Swarms with liars on the virtual clock: honest peers go on, the mean is led away, robust rules are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from p2pfl_me.adversary import ATTACKS, Board, Lies, Observed
from p2pfl_me.adversary.liar import Liar
from p2pfl_me.contract import Contract
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.protocol import Action, Mixed, Send
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.topology import plan_of, schedule_of
from p2pfl_me.wire.codec import Schema
from tests.gossip.swarms import contract_of

SIZE, ROUNDS, PEERS = 64, 7, 10
GOAL = np.linspace(-1, 1, SIZE, dtype=np.float32)


class Learner:
    """Each peer's optimum lies near the common goal; training goes half of the way there."""

    def __init__(self, peer: int) -> None:
        self.optimum = (GOAL + 0.1 * np.random.default_rng(peer).normal(size=SIZE)).astype(np.float32)
        self.params = np.zeros(SIZE, np.float32)
        self.rounds = 0
        self.refused: set[int] = set()

    def train(self, round: int, params: Vector, seconds: float) -> Vector:
        return params + np.float32(0.5) * (self.optimum - params)

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        self.params, self.rounds = mixed.params, self.rounds + 1
        self.refused |= mixed.refused.keys()
        return None

    def note(self, event: str, **values: Any) -> None: ...

    def finished(self, *_: object) -> None: ...


def play(contract: Contract, lies: Lies | None) -> dict[int, Learner]:
    """The honest peers, when all is over."""
    plan, learners = plan_of(contract), {peer: Learner(peer) for peer in range(PEERS)}
    board = Board(lies.liars(contract) if lies else frozenset())
    deceit = lies.deceit(contract, board) if lies else None

    def boot(peer: int) -> Life:
        core = core_of(contract, peer, plan, Start(learners[peer].params))
        if deceit:
            core = deceit.core(core, peer) if peer in board.liars else Observed(core, peer, board)
        return Life(core, learners[peer])

    neighbours = {peer: plan.neighbours(peer) for peer in range(PEERS)}
    simulation = Simulation(boot, neighbours, FaultModel(), Schema(SIZE, b"liars".ljust(32, b".")), clock=Clock())
    assert simulation.run(1e6), "somebody still runs"
    return {peer: learner for peer, learner in learners.items() if peer not in board.liars}


def error(honest: dict[int, Learner]) -> float:
    return float(np.mean([np.linalg.norm(each.params - GOAL) for each in honest.values()]) / np.linalg.norm(GOAL))


def agreed(topology: str, aggregation: Any = "mean") -> Contract:
    kinds = {"mesh": {"kind": "mesh"}, "regular": {"kind": "regular", "degree": 4}, "ring": {"kind": "ring"}}
    return contract_of(kinds[topology], PEERS, ROUNDS, {"aggregation": aggregation})


STRONG = ("sign_flip", "noise", "scale", "zero")


@pytest.mark.few(1)
@pytest.mark.parametrize("attack", STRONG)
def test_the_mean_is_led_away_and_robust_rules_are_not(attack: str) -> None:
    lies = Lies(ATTACKS.of(attack), 2)
    alone = error(play(agreed("mesh"), None))
    assert error(play(agreed("mesh"), lies)) > 3 * alone
    for rule in ("trimmed_mean", "krum", "multi_krum", "nna", "cs_plus"):
        options = {"trim": 2} if rule == "trimmed_mean" else {"f": 2}
        assert error(play(agreed("mesh", {"kind": rule, **options}), lies)) < 3 * alone, rule
    for rule in ("median", "geometric_median"):
        assert error(play(agreed("mesh", rule), lies)) < 3 * alone, rule


@pytest.mark.few(2)
@pytest.mark.parametrize("attack", list(ATTACKS))
def test_honest_peers_have_all_their_rounds_under_every_attack(attack: str) -> None:
    # On a ring both neighbours of one peer may be liars: there one is what a rule can stand.
    for topology, rule, liars in (("ring", "trimmed_mean", 1), ("regular", {"kind": "nna", "f": 2}, 2)):
        honest = play(agreed(topology, rule), Lies(ATTACKS.of(attack), liars))
        assert len(honest) == PEERS - liars
        had = {each.rounds for each in honest.values()}
        # Whoever waits for silence until its deadline falls behind others, and joins them where they are.
        assert had == {ROUNDS} if attack != "mute" else max(had) == ROUNDS
        assert all(np.isfinite(each.params).all() for each in honest.values())


def test_equal_seeds_give_equal_lies() -> None:
    for attack in ("noise", "dissensus"):
        lies = Lies(ATTACKS.of(attack), 2)
        one, other = (play(agreed("regular"), lies) for _ in range(2))
        assert [each.params.tobytes() for each in one.values()] == [each.params.tobytes() for each in other.values()]


def test_whom_a_rule_refuses_are_the_liars() -> None:
    contract = agreed("mesh", {"kind": "multi_krum", "f": 2})
    lies = Lies(ATTACKS.of("sign_flip"), 2)
    assert all(each.refused >= lies.liars(contract) for each in play(contract, lies).values())


class Echo:
    """A core that says what it is told to."""

    waiting_for: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self.next: list[Action] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *given: self.next


def test_a_message_that_is_repeated_is_the_same_lie_and_the_next_round_has_another() -> None:
    contract, echo = agreed("mesh"), Echo()
    core: Any = echo
    liar = Liar(core, 3, ATTACKS.of("noise"), Board(frozenset({3})), schedule_of(contract).weights, 1)

    def said(to: int, round: int) -> Vector:
        own = np.ones(SIZE, np.float32)
        echo.next = [Send(to, Message(Kind.OFFER, round, round, own))]
        (action,) = liar.on_trained(0.0, own)
        assert isinstance(action, Send) and action.message.params is not None
        assert own.tobytes() == np.ones(SIZE, np.float32).tobytes()
        return action.message.params

    first = said(1, 0)
    assert said(1, 0).tobytes() == first.tobytes()
    assert said(2, 0).tobytes() != first.tobytes()
    assert said(1, 1).tobytes() != first.tobytes()


def test_liars_see_the_honest_and_not_each_other() -> None:
    board, echo = Board(frozenset({3, 4})), Echo()
    core: Any = echo
    message = Message(Kind.OFFER, 0, 0, np.ones(SIZE, np.float32))
    echo.next = [Send(1, message)]
    Observed(core, 0, board).on_trained(0.0, np.ones(SIZE, np.float32))
    liar = Liar(core, 3, ATTACKS.of("zero"), board, schedule_of(agreed("mesh")).weights, 1)
    liar.on_message(0.0, 2, message)
    liar.on_message(0.0, 4, message)
    assert board.heard.keys() == {0, 2}
