"""Each rule, a few steps with numbers that can be checked on paper; and what each protocol says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from p2pfl_me.choice import chance_of
from p2pfl_me.gossip.kind import PROTOCOLS, fitting_protocol
from p2pfl_me.gossip.protocol import NOTHING, Send
from p2pfl_me.gossip.protocols.adpsgd import PATIENCE, PairAveraging
from p2pfl_me.gossip.protocols.gradient_tracking import GradientTracking
from p2pfl_me.gossip.protocols.push import Merge, Push, Tokens
from p2pfl_me.gossip.protocols.push_sum import Flows, PushSum, decode_mass, encode_mass
from p2pfl_me.gossip.protocols.qg_dsgdm import QuasiGlobalMomentum
from p2pfl_me.gossip.protocols.swift import Swift
from p2pfl_me.gossip.rules import Personal, Plain
from p2pfl_me.gossip.sketch import Sketcher
from p2pfl_me.gossip.watch import TAIL, Watch
from p2pfl_me.message import MAX_ROUND, Kind, Message, Vector
from p2pfl_me.topology.kind import TOPOLOGIES

TRAITS = {
    "common_rounds": {"dpsgd", "gradient_tracking", "overlap", "qg_dsgdm"},
    "in_lockstep": {"dpsgd", "gradient_tracking", "overlap", "qg_dsgdm"},
    "follows_matrix": {"dpsgd", "gradient_tracking", "overlap", "push_sum", "qg_dsgdm"},
    "follows_arcs": {"push_sum"},
    "uses_weights": {"dpsgd", "gradient_tracking", "overlap", "push_sum", "qg_dsgdm", "swift"},
    "predicted": {"dpsgd", "gradient_tracking", "overlap", "push_sum"},
    "compressible": {"dpsgd", "overlap", "qg_dsgdm"},
    "may_be_personal": {"dpsgd"},
    "may_slice": {"dpsgd"},
    "within_hull": {"dpsgd", "push", "swift"},
    "keeps_average": {"dpsgd"},
    "exchanges_model": {"dpsgd"},
    "overlaps": {"overlap"},
    "sends_sums": {"push_sum"},
    "may_sum": {"dpsgd", "qg_dsgdm"},
    "may_aggregate": {"dpsgd", "qg_dsgdm"},
}


@pytest.mark.parametrize("trait", TRAITS)
def test_a_trait_is_that_of_these_and_no_others(trait: str) -> None:
    """The table of docs/protocols.md in one place: what a trait wrongly claims, an engine would carry out wrongly."""
    assert {kind for kind, about in PROTOCOLS.items() if getattr(about, trait)} == TRAITS[trait]


def test_messages_are_as_long_as_stated() -> None:
    longer = {"gradient_tracking": 200, "push_sum": 202}
    assert {kind: PROTOCOLS.of(kind).exchanged(100) for kind in PROTOCOLS} == dict.fromkeys(PROTOCOLS, 100) | longer


def test_a_directed_graph_begins_with_push_sum_and_every_other_with_dpsgd() -> None:
    assert fitting_protocol(TOPOLOGIES.of("one_peer_exponential")) == "push_sum"
    assert fitting_protocol(TOPOLOGIES.of("ring")) == "dpsgd"


def test_what_nobody_wrote() -> None:
    assert {kind: PROTOCOLS.of(kind).model_dump(exclude={"kind"}) for kind in ("qg_dsgdm", "push")} == {
        "qg_dsgdm": {"momentum": 0.9},
        "push": {"merge": "age", "limit": 3, "tokens": None},
    }
    assert Tokens().model_dump() == {"reserve": 2, "capacity": 4}
    assert PATIENCE == 4


def vec(*values: float) -> Vector:
    return np.array(values, np.float32)


# -- rules around the exchange ---------------------------------------------------------------------------------------


def test_plain_and_personal() -> None:
    start, trained, mixed = vec(0, 0, 0, 0), vec(1, 2, 3, 4), vec(9, 8)
    assert Plain().outgoing(0, start, trained) is trained and Plain().incoming(start, trained, mixed) is mixed
    rule = Personal(((0, 1), (2, 3)))
    np.testing.assert_array_equal(rule.outgoing(0, start, trained), [2, 4])
    np.testing.assert_array_equal(rule.incoming(start, trained, mixed), [1, 9, 3, 8])
    np.testing.assert_array_equal(rule.late(0, vec(0.5, -0.5)), [0, 0.5, 0, -0.5])
    assert rule.distance is None and rule.memory() == NOTHING


def test_quasi_global_momentum() -> None:
    rule = QuasiGlobalMomentum(0.75, NOTHING)
    assert rule.memory() == NOTHING
    np.testing.assert_array_equal(rule.outgoing(0, vec(8), vec(6)), [6])
    np.testing.assert_array_equal(rule.incoming(vec(8), vec(6), vec(4)), [4])
    np.testing.assert_array_equal(rule.memory()["momentum"], [0.25 * (8 - 4)])
    np.testing.assert_array_equal(rule.outgoing(1, vec(4), vec(3)), [3 - 0.75 * 1])
    rule.incoming(vec(4), vec(3), vec(2))
    np.testing.assert_array_equal(rule.memory()["momentum"], [0.75 * 1 + 0.25 * (4 - 2)])
    np.testing.assert_array_equal(QuasiGlobalMomentum(0.75, rule.memory()).outgoing(2, vec(2), vec(2)), [2 - 0.9375])


def test_gradient_tracking() -> None:
    rule = GradientTracking(NOTHING)
    np.testing.assert_array_equal(rule.outgoing(0, vec(8), vec(6)), [6, 2])
    np.testing.assert_array_equal(rule.incoming(vec(8), vec(6), vec(5, 3)), [5])
    assert rule.memory() == {"tracked": vec(3), "step": vec(2)}
    np.testing.assert_array_equal(GradientTracking(rule.memory()).outgoing(1, vec(5), vec(4)), [5 - 2, 3 + 1 - 2])
    np.testing.assert_array_equal(rule.late(0, vec(0.5, 0.25)), [0.5])
    np.testing.assert_array_equal(rule.outgoing(1, vec(5), vec(4)), [5 - 2.25, 3.25 + 1 - 2])


def test_the_watch_knows_the_distance_after_two_windows_and_leaves_out_one_that_was_missed() -> None:
    """Four peers that meet in pairs, so that two rounds, a window, reach the mean of all; nobody trains."""
    sketcher, window = Sketcher(2000, 3), 2
    models = [np.random.default_rng(seed).normal(size=2000).astype(np.float32) for seed in range(4)]
    watches = [Watch(Plain(), sketcher, window, NOTHING) for _ in models]
    assert not any(watch.memory() for watch in watches)  # no checkpoint holds a sketch that there is not
    found = []
    for round in range(9):
        sent = [watch.outgoing(round, own, own) for watch, own in zip(watches, models, strict=True)]
        assert all(each.size == 2000 + TAIL for each in sent)
        for peer, (watch, own) in enumerate(zip(watches, models, strict=True)):
            mean = (sent[peer] + sent[peer ^ (1 + round % 2)]) / 2
            np.testing.assert_array_equal(watch.incoming(own, own, mean), mean[:2000])
        found.append([watch.distance for watch in watches])
        watches = [Watch(Plain(), sketcher, window, watch.memory()) for watch in watches]  # a restart changes nothing
    assert [None in each for each in found] == [True] * 4 + [False] * 5
    apart = np.sqrt(np.square(np.stack(models) - np.mean(models, axis=0)).sum(axis=1).mean())
    for far, own in zip(found[-1], models, strict=True):
        assert far == pytest.approx(apart / np.linalg.norm(own), rel=0.05)
    one = Watch(Plain(), sketcher, window, watches[0].memory())
    one.outgoing(13, models[0] * 2, models[0])
    assert one.distance == found[-1][0], "windows were missed: the estimate stays as it was"
    tail = one.memory()["watch.tail"]
    correction = np.ones(2000 + TAIL, np.float32)
    np.testing.assert_array_equal(one.late(12, correction), correction[:2000])
    np.testing.assert_array_equal(one.memory()["watch.tail"], tail + 1024)
    one.late(11, correction)
    np.testing.assert_array_equal(one.memory()["watch.tail"], tail + 1024)  # of a window that is over nothing is added


@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 5000, 1024 * 1025 + 7])
def test_a_sketch_is_linear_has_1024_values_and_keeps_lengths(size: int) -> None:
    random = np.random.default_rng(size)
    x, y = random.normal(size=(2, size)).astype(np.float32)
    sketcher = Sketcher(size, 7)
    np.testing.assert_allclose(sketcher.sketch(x - 2 * y), sketcher.sketch(x) - 2 * sketcher.sketch(y), atol=5e-2)
    assert sketcher.sketch(x).shape == (1024,) and sketcher.sketch(x).dtype == np.float32
    assert np.linalg.norm(sketcher.sketch(x)) == pytest.approx(np.linalg.norm(x), rel=0.15)
    np.testing.assert_array_equal(Sketcher(size, 7).sketch(x), sketcher.sketch(x))
    one = np.zeros(size, np.float32)
    one[-1] = 3.0
    assert abs(sketcher.sketch(one)[(size - 1) % 1024]) == 3.0 and np.count_nonzero(sketcher.sketch(one)) == 1


def test_rows_under_signs_of_their_own_do_not_add_up() -> None:
    """Equal rows, as steps of low rank have them: with one sign for all of them every bucket would err together."""
    for count in (64, 1100):
        model = np.tile(np.random.default_rng(1).normal(size=1024).astype(np.float32), count)
        lengths = [np.linalg.norm(Sketcher(model.size, seed).sketch(model)) for seed in range(3 if count > 64 else 20)]
        assert np.mean(lengths) / np.linalg.norm(model) == pytest.approx(1, abs=0.2)


def test_dice_are_even_between_0_and_1_and_a_peers_own() -> None:
    rolls = np.array([[chance_of(1, peer)("whom", round, 0) for round in range(400)] for peer in range(4)])
    assert rolls.min() >= 0 and 0.98 < rolls.max() < 1 and abs(rolls.mean() - 0.5) < 0.04
    assert len(np.unique(rolls)) == rolls.size
    assert chance_of(1, 2)("whom", 3, 0) == chance_of(1, 2)("whom", 3, 0)
    others = {chance_of(2, 2)("whom", 3, 0), chance_of(1, 2)("act", 3, 0), chance_of(1, 2)("whom", 3, 1)}
    assert len(others | {chance_of(1, 2)("whom", 3, 0)}) == 4


# -- those who wait for nobody ----------------------------------------------------------------------------------------

HALF = Flows(lambda _: {1: 0.25, 2: 0.5}, lambda _: {1: 0.5, 2: 0.5})
BOTH = frozenset({1, 2})


def test_push_sum_gives_shares_of_what_it_held_and_takes_what_is_new() -> None:
    peer = PushSum(0, HALF, vec(8), {}, peers=3)
    one, two = peer.trained(0, vec(8), vec(16), BOTH)
    assert (one.to, two.to) == (1, 2) and one.message.kind is Kind.PUSH
    assert one.message.params is not None and two.message.params is not None
    np.testing.assert_array_equal(decode_mass(one.message.params), [4, 0.25])
    np.testing.assert_array_equal(decode_mass(two.message.params), [8, 0.5])
    assert peer.due(0) == {1: False, 2: False}
    assert not peer.take(1, Message(Kind.PUSH, 0, 0, encode_mass(np.array([6.0, 0.75]))), vec(0))
    assert peer.due(0) == {1: True, 2: False} and peer.due(1) == {1: False, 2: False}
    merged = peer.merge(0)
    np.testing.assert_array_equal(merged.params, [(4 + 6) / (0.25 + 0.75)])
    assert merged.weights == {1: 0.75} and merged.distance == {1: (16 - 8) / 16}
    (one, _) = peer.trained(1, vec(10), vec(10), BOTH)
    assert one.message.params is not None
    np.testing.assert_array_equal(decode_mass(one.message.params), [4 + 2.5, 0.25 + 0.25])
    assert peer.take(1, Message(Kind.PUSH, 0, 0, encode_mass(np.array([99.0, 0.75]))), vec(0)) == []
    assert peer.merge(1).weights == {}, "a message of a round that was heard changes nothing"
    peer.lost(1)
    assert not peer.take(1, Message(Kind.PUSH, 0, 0, encode_mass(np.array([7.0, 1.0]))), vec(0))
    np.testing.assert_allclose(peer.merge(2).weights[1], 0.25 / 0.5)
    assert set(peer.memory()) == {"mass", "sent.1", "sent.2", "taken.1"}


def test_push_sum_lets_nobody_take_back_what_is_no_longer_here() -> None:
    peer = PushSum(0, HALF, vec(1), {"taken.1": np.array([1.0, 1.0]), "mass": np.array([0.5, 0.5])}, peers=3)
    assert not peer.take(1, Message(Kind.PUSH, 0, 0, encode_mass(np.array([0.5, 0.54]))), vec(0))
    np.testing.assert_array_equal(peer.merge(0).params, [1])  # 0.5 - 0.46 would be left
    assert not peer.take(1, Message(Kind.PUSH, 1, 1, encode_mass(np.array([0.75, 0.75]))), vec(0))
    np.testing.assert_array_equal(peer.merge(1).params, [1])
    np.testing.assert_array_equal(peer.memory()["mass"], [0.25, 0.25])
    poor = PushSum(0, HALF, vec(1), {"mass": np.array([0.025, 0.025])}, peers=3)
    poor.trained(0, vec(1), vec(3), frozenset())
    np.testing.assert_allclose(poor.memory()["mass"], [0.025 + 0.5 * 2, 0.025])  # a step of half its weight's share


@pytest.mark.parametrize(
    ("total", "fault"),
    [
        ([1.0, 6.0], False),
        ([1.0, 6.01], True),
        ([1.0, -6.01], True),
        ([10_500.0, 1.0], False),
        ([10_501.0, 1.0], True),
        ([-10_501.0, 1.0], True),
        ([499.0, 0.0], False),
        ([501.0, 0.0], True),
    ],
)
def test_push_sum_refuses_more_weight_than_twice_all_there_is_and_absurd_models(
    total: list[float], fault: bool
) -> None:
    peer = PushSum(0, HALF, vec(1), {}, peers=3)
    assert bool(peer.take(1, Message(Kind.PUSH, 0, 0, encode_mass(np.array(total))), vec(0))) == fault


def push(
    merge: Merge = Merge.AGE, limit: int = 3, tokens: Tokens | None = None, age: int = 0, balance: int = 0
) -> Push:
    memory = {"counts": np.array([age, balance])}
    row = {1: 0.3, 2: 0.3}
    return Push(0, lambda _: row, lambda *_: 0.6, merge=merge, limit=limit, tokens=tokens, memory=memory)


def heard(age: int, *values: float, round: int = 0) -> Message:
    return Message(Kind.PUSH, round, age, vec(*values))


def test_no_word_of_two_that_lie_makes_a_peer_say_what_nobody_takes() -> None:
    """Two who bear each other out may say any age. The peer that took it said one more, which no header may hold, and
    its honest neighbours cut it off for that."""
    peer = push()
    peer.take(1, heard(MAX_ROUND, 1), vec(0))
    peer.merge(0)
    (send,) = peer.trained(1, vec(0), vec(0), BOTH)
    assert send.message.at == MAX_ROUND


def test_push_weighs_models_by_their_ages_one_after_the_other() -> None:
    peer = push(age=2)
    (send,) = peer.trained(0, vec(0), vec(12), BOTH)
    assert send == Send(2, Message(Kind.PUSH, 0, 3, vec(12))), "its dice of 0.6 point at the second of two"
    peer.take(2, heard(6, 0), vec(0))
    peer.take(1, heard(1, 99), vec(0))
    peer.take(1, heard(3, 24), vec(0))
    peer.take(2, heard(9, 99, round=-1), vec(0))
    merged = peer.merge(0)
    # 12 and 24 of age 3 are 18; that of age 3 and 0 of age 6 are 6
    np.testing.assert_allclose(merged.params, [6])
    assert merged.weights == {1: pytest.approx(1 / 6), 2: pytest.approx(2 / 3)}
    np.testing.assert_array_equal(peer.memory()["counts"], [6, 0])
    assert peer.merge(1).weights == {}, "what was merged is gone"
    assert push().trained(0, vec(0), vec(1), frozenset({3})) == []


@pytest.mark.parametrize(
    ("limit", "own", "theirs", "share"), [(3, 4, 8, 1.0), (4, 4, 8, 2 / 3), (3, 8, 4, None), (4, 8, 4, 1 / 3)]
)
def test_limited_push_keeps_the_older_where_ages_are_too_far_apart(
    limit: int, own: int, theirs: int, share: float | None
) -> None:
    peer = push(Merge.LIMITED, limit, age=own - 1)
    peer.trained(0, vec(0), vec(3), frozenset())
    peer.take(1, heard(theirs, 0), vec(0))
    merged = peer.merge(0)
    assert merged.weights == ({1: pytest.approx(share)} if share else {})
    np.testing.assert_allclose(merged.params, [3 * (1 - (share or 0))], atol=1e-6)


def test_tokens_are_saved_spent_for_what_is_useful_and_never_overdrawn() -> None:
    tokens = Tokens(reserve=2, capacity=4)
    assert [len(push(tokens=tokens, balance=balance).trained(0, vec(0), vec(1), BOTH)) for balance in range(6)] == [
        *(0, 0, 0, 1, 1, 1)  # by itself with chances 0, 0, 1/3, 2/3, 1, 1 against 0.6
    ]
    saving = push(tokens=tokens, balance=3, age=5)
    saving.take(1, heard(9, 1), vec(0))
    saving.take(2, heard(2, 1), vec(0))
    # One is useful: int(3 / 2 + 0.6) = 2 of 3 are spent, one is left, and none goes out by itself: one is saved.
    assert len(saving.trained(0, vec(0), vec(1), BOTH)) == 2
    np.testing.assert_array_equal(saving.memory()["counts"], [6, 2])
    full = push(tokens=Tokens(reserve=4, capacity=4), balance=3)
    full.trained(0, vec(0), vec(1), BOTH)
    full.trained(1, vec(0), vec(1), BOTH)
    assert full.memory()["counts"][1] == 4
    with pytest.raises(ValueError, match=r"reserve \(5\) is above capacity \(4\)"):
        Tokens(reserve=5, capacity=4)


def test_swift_mixes_with_the_last_that_each_has_told() -> None:
    peer = Swift(0, lambda _: {1: 0.25, 2: 0.25})
    sends = peer.trained(5, vec(0), vec(8), frozenset({2}))
    assert sends == [Send(2, Message(Kind.PUSH, 5, 5, vec(8)))]
    np.testing.assert_array_equal(peer.merge(5).params, [8])
    peer.take(1, heard(3, 4, round=3), vec(0))
    peer.take(1, heard(2, 99, round=2), vec(0))
    peer.take(3, heard(2, 99, round=2), vec(0))
    assert peer.merge(5).weights == {1: 0.25}
    np.testing.assert_array_equal(peer.merge(5).params, [0.75 * 8 + 0.25 * 4])
    peer.take(1, heard(3, 0, round=3), vec(0))
    np.testing.assert_array_equal(peer.merge(6).params, [6])
    peer.lost(1)
    assert peer.merge(7).weights == {} and not peer.due(7) and not peer.waits


def test_a_pairs_offer_is_repeated_after_2_4_8_rounds_and_keeps_others_waiting_for_four() -> None:
    peer = PairAveraging(0, lambda _: {1: 0.3, 3: 0.3}, lambda *_: 0.0)
    there = frozenset({1, 3})
    said = {round: peer.trained(round, vec(0), vec(0), there) for round in range(11)}
    offers = {round: [(send.to, send.message.round) for send in sends] for round, sends in said.items()}
    assert offers[0] == [(1, 0)] and offers[1] == [] and offers[2] == [(1, 0)] and offers[3] == []
    assert offers[4] == [(1, 0), (3, 4)], "the first no longer keeps the second from being asked"
    assert offers[6] == [(3, 4)] and offers[8] == [(1, 0), (3, 4)] and offers[9] == offers[10] == []
    answered = peer.take(3, Message(Kind.ANSWER, 4, 4, vec(2)), vec(0))
    assert answered == [] and peer.merge(10).weights == {3: 0.5}
    assert peer.take(3, Message(Kind.ANSWER, 4, 4, vec(2)), vec(0)) == [] and peer.merge(10).weights == {}


def test_who_lost_its_rounds_is_answered_anew_as_a_pair() -> None:
    """What it was answered before its link ended it may have forgotten, with the round in which it asked."""
    peer = PairAveraging(1, lambda _: {0: 0.3}, lambda *_: 0.0)
    peer.trained(7, vec(0), vec(0), frozenset())
    (first,) = peer.take(0, Message(Kind.OFFER, 7, 7, vec(2)), vec(0))
    assert peer.take(0, Message(Kind.OFFER, 7, 7, vec(4)), vec(0)) == [first], "repeated, so answered alike"
    assert peer.take(0, Message(Kind.OFFER, 5, 5, vec(2)), vec(0)) == [], "late, so answered no more"
    peer.lost(0)
    (anew,) = peer.take(0, Message(Kind.OFFER, 5, 5, vec(2)), vec(0))
    assert isinstance(anew, Send) and isinstance(first, Send)
    assert (anew.message.kind, anew.message.round) == (Kind.ANSWER, 5)
    assert anew.message.params is not None and anew.message.params[0] == 1.0, "with what the first exchange has left"
