"""Push-sum's running sums: they grow for as long as a run goes on, and what cannot be is refused all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from p2pfl_me.gossip.cores import largest_value
from p2pfl_me.gossip.protocol import Refuse, Send
from p2pfl_me.gossip.protocols.push_sum import Flows, PushSum, encode_mass
from p2pfl_me.message import Kind, Message
from p2pfl_me.simulation.carriage import Sealed
from p2pfl_me.wire.codec import Schema
from tests.gossip.swarms import contract_of

ALL_HALF = Flows(lambda _: {1: 0.5}, lambda _: {1: 0.5})


def pushing(memory: dict[str, Any] | None = None) -> PushSum:
    return PushSum(0, ALL_HALF, np.full(3, 10.0, np.float32), memory or {}, peers=2)


def said(total: list[float], round: int = 0) -> Message:
    return Message(Kind.PUSH, round, round, encode_mass(np.array(total)))


def test_sums_of_a_long_run_pass_the_wire_and_keep_what_they_bring() -> None:
    """After 200,000 rounds of models at 10 the sums are beyond a million; a model's own limit is 10,000."""
    before = np.array([1e6, 1e6, 1e6, 1e5])
    contract = contract_of({"kind": "line"}, 2, 300_000, {"protocol": "push_sum"})
    schema = Schema(8, b"sums".ljust(32, b"."), largest=largest_value(contract.gossip))
    one, other = Sealed(0, 1, schema, 1, 1), Sealed(1, 0, schema, 1, 1)
    sender = pushing({"sent.1": before, "mass": np.array([10.0, 10.0, 10.0, 1.0])})
    params = np.full(3, 10.0, np.float32)
    (send,) = sender.trained(200_000, params, params, frozenset({1}))
    heard: list[Message] = []
    for record, _ in one.pack(send.message):
        other.unpack(record, heard.append)
    receiver = pushing({"taken.1": before})
    assert not receiver.take(1, heard[0], params)
    merged = receiver.merge(200_000)
    np.testing.assert_allclose(merged.params, 10.0, atol=1e-6)
    assert merged.weights[1] == pytest.approx(0.5 / 1.5, abs=1e-6)


@pytest.mark.parametrize(
    ("total", "what"),
    [([1.0, 1.0, 1.0, 9999.0], "weight"), ([1.0, 1e6, 1.0, 0.5], "absurd"), ([0.0, 1e9, 0.0, 0.0], "absurd")],
)
def test_what_cannot_be_is_refused_and_leaves_the_mass_alone(total: list[float], what: str) -> None:
    peer = pushing()
    (refuse,) = peer.take(1, said(total), np.zeros(3, np.float32))
    assert isinstance(refuse, Refuse) and what in refuse.reason
    peer.trained(0, np.full(3, 10.0, np.float32), np.full(3, 10.0, np.float32), frozenset())
    np.testing.assert_array_equal(peer.merge(0).params, np.full(3, 10.0, np.float32))


def test_a_returning_senders_small_differences_are_no_fault() -> None:
    """It sends again what it had sent, of a mass that has gone another way: no weight, some model."""
    assert not pushing({"taken.1": np.array([5.0, 5.0, 5.0, 0.5])}).take(
        1, said([6.0, 4.0, 5.0, 0.5], 3), np.zeros(3, np.float32)
    )


def test_what_was_lost_is_sent_again_for_the_asking() -> None:
    peer, params = pushing(), np.full(3, 10.0, np.float32)
    (first,) = peer.trained(4, params, params, frozenset({1}))
    (again,) = peer.take(1, Message(Kind.WITHDRAW, 4, 4), params)
    assert isinstance(again, Send) and first.message.params is not None and again.message.params is not None
    assert again.message.params is first.message.params, "which a link takes for what it has queued already"
    assert not peer.take(1, Message(Kind.WITHDRAW, 5, 5), params), "that round's has not been sent yet"
