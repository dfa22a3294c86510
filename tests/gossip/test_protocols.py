"""Each protocol does what its paper says: consensus, conservation, the right optimum, its share of the bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from p2pfl_me.gossip.protocols.adpsgd import PairAveraging, asks
from p2pfl_me.gossip.protocols.push import Tokens
from p2pfl_me.gossip.protocols.push_sum import Flows, PushSum, decode_mass, encode_mass
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.networks.layout import Ranges
from p2pfl_me.simulation.faults import Crash, FaultModel, LinkQuality
from p2pfl_me.topology import schedule_of
from tests.gossip.swarms import contract_of, run

RING = {"kind": "ring"}
ALL = ["dpsgd", "overlap", "qg_dsgdm", "gradient_tracking", "push_sum", "adpsgd", "swift", "push"]


def apart(count: int, size: int = 5, seed: int = 0) -> Vector:
    return np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)


def idle(peer: int, round: int, params: Vector) -> Vector:
    return params.copy()


def spread(params: Vector) -> float:
    return float(np.sqrt(((params - params.mean(axis=0)) ** 2).sum(axis=1).mean()))


@pytest.mark.few(2)
@pytest.mark.parametrize("protocol", ALL)
def test_without_training_all_come_to_agree(protocol: str) -> None:
    begin = apart(8)
    jitter = FaultModel(LinkQuality((0.01, 0.1)), compute_s=(0.5, 1.5))
    swarm = run(contract_of(RING, 8, 80, {"protocol": protocol}), begin, idle, jitter)
    assert {finish.reason for finish in swarm.finished.values()} == {"rounds"}
    assert spread(swarm.params) < 0.02 * spread(begin)


@pytest.mark.parametrize("protocol", ALL)
def test_the_weights_that_are_told_leave_a_peer_a_share_of_its_own(protocol: str) -> None:
    swarm = run(contract_of(RING, 6, 12, {"protocol": protocol}), apart(6), idle, FaultModel(compute_s=(0.5, 1.5)))
    told = [mixed.weights for rounds in swarm.mixed.values() for mixed in rounds if mixed.weights]
    assert told
    for weights in told:
        assert all(weight > 0 for weight in weights.values()) and sum(weights.values()) < 1, weights


@pytest.mark.few(1)
@pytest.mark.parametrize("protocol", ["dpsgd", "gradient_tracking", "push_sum"])
def test_they_agree_on_the_mean(protocol: str) -> None:
    begin = apart(8)
    swarm = run(contract_of(RING, 8, 150, {"protocol": protocol}), begin, idle)
    np.testing.assert_allclose(swarm.params, np.tile(begin.mean(axis=0), (8, 1)), atol=1e-4)


@pytest.mark.few(4)
@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("topology", [RING, {"kind": "base", "meets": 2}])
def test_lost_greetings_and_absent_neighbours_hold_nobody_up(protocol: str, topology: dict[str, Any]) -> None:
    """The join timeout is for a first start; neither a lost greeting nor a return to a run under way waits for it."""
    gossip = {"protocol": protocol, "join_timeout_s": 50_000}
    lossy = FaultModel(LinkQuality(loss=0.3))
    quick = FaultModel(crashes=(Crash(3.5, 2, 40.0), Crash(5.0, 4)), silence_s=0.2)
    for faults in (lossy, quick):
        swarm = run(contract_of(topology, 6, 8, gossip), apart(6), idle, faults)
        assert max(swarm.ended.values()) < 5_000


@pytest.mark.parametrize("protocol", ALL)
def test_one_peer_alone_just_trains(protocol: str) -> None:
    contract = contract_of({"kind": "edges", "edges": []}, 1, 3, {"protocol": protocol, "join_timeout_s": 1})
    swarm = run(contract, apart(1), lambda peer, round, params: params - 1)
    assert swarm.finished[0].rounds == 3
    if protocol != "qg_dsgdm":
        np.testing.assert_allclose(swarm.params, apart(1) - 3, atol=1e-5)


# -- heterogeneous objectives: peer i pulls towards a target of its own ----------------------------------------------


def pull(targets: Vector, strength: Vector) -> Any:
    """A gradient step on strength_i / 2 ||x - target_i||^2."""
    return lambda peer, round, params: params - np.float32(strength[peer]) * (params - targets[peer])


@pytest.mark.thorough
def test_gradient_tracking_finds_the_common_optimum_where_dpsgd_is_biased() -> None:
    count = 8
    targets, strength = apart(count, seed=3) * 5, np.linspace(0.02, 0.2, count).astype(np.float32)
    best = (strength[:, None] * targets).sum(axis=0) / strength.sum()
    errors = {}
    for protocol in ("dpsgd", "gradient_tracking"):
        contract = contract_of(RING, count, 400, {"protocol": protocol})
        swarm = run(contract, np.zeros_like(targets), pull(targets, strength))
        errors[protocol] = float(np.abs(swarm.params - best).max())
    assert errors["gradient_tracking"] < 1e-3
    assert errors["dpsgd"] > 0.05


@settings(max_examples=15)
@given(st.integers(0, 2**20), st.floats(0, 0.2))
def test_the_trackers_sum_to_the_steps(seed: int, loss: float) -> None:
    """Sum of y = sum of d after every round in which both ends of every edge agree, lost messages or not."""
    count = 6
    targets, strength = apart(count, seed=seed), np.full(count, 0.1, np.float32)
    contract = contract_of({"kind": "mesh"}, count, 5, {"protocol": "gradient_tracking"}, seed)
    swarm = run(contract, np.zeros_like(targets), pull(targets, strength), FaultModel(LinkQuality(loss=loss)))
    met = {(peer, other, one.round) for peer in range(count) for one in swarm.mixed[peer] for other in one.weights}
    if all((other, peer, round) in met for peer, other, round in met):
        tracked, steps = swarm.memory("tracked").sum(axis=0), swarm.memory("step").sum(axis=0)
        np.testing.assert_allclose(tracked, steps, atol=1e-4)


@pytest.mark.thorough
def test_quasi_global_momentum_is_quicker_than_dpsgd_and_sends_no_more() -> None:
    count = 8
    targets, strength = apart(count, seed=3), np.full(count, 0.01, np.float32)
    best = targets.mean(axis=0)
    error, sent = {}, {}
    for protocol in ("dpsgd", "qg_dsgdm"):
        contract = contract_of({"kind": "mesh"}, count, 60, {"protocol": protocol})
        swarm = run(contract, np.zeros_like(targets), pull(targets, strength))
        error[protocol] = float(np.abs(swarm.params.mean(axis=0) - best).max())
        sent[protocol] = sum(swarm.sent.values())
    assert error["qg_dsgdm"] < 0.5 * error["dpsgd"]
    assert sent["qg_dsgdm"] == sent["dpsgd"]


# -- push-sum ----------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@settings(max_examples=8)
@given(st.integers(0, 2**20), st.floats(0, 0.2), st.floats(0, 0.3))
def test_push_sum_loses_nothing_to_lost_repeated_and_late_messages(seed: int, loss: float, late: float) -> None:
    """After the losses of the first rounds, the peers agree on the exact mean all the same."""
    begin = apart(6, seed=seed)
    bad = LinkQuality((0.0, 0.2), loss=loss, duplication=0.2, reordering=late)
    contract = contract_of({"kind": "mesh"}, 6, 40, {"protocol": "push_sum"}, seed)
    swarm = run(contract, begin, idle, FaultModel(bad))
    mass = swarm.memory("mass").sum(axis=0)
    sent = sum(values for start in swarm.starts.values() for key, values in start.memory.items() if "sent" in key)
    taken = sum(values for start in swarm.starts.values() for key, values in start.memory.items() if "taken" in key)
    np.testing.assert_allclose(mass + sent - taken, [*begin.astype(np.float64).sum(axis=0), 6.0], atol=1e-6)
    assert spread(swarm.params) < 0.05 * spread(begin)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("topology", "count", "rounds"),
    [
        ({"kind": "one_peer_exponential"}, 8, 3),
        ({"kind": "one_peer_exponential"}, 6, 30),
        ({"kind": "epidemic_local", "sends": 2}, 8, 40),
        ({"kind": "equi_static", "directed": True, "shifts": 3}, 9, 40),
        ({"kind": "equi_dynamic", "directed": True}, 8, 40),
    ],
)
def test_push_sum_reaches_the_mean_along_arcs(topology: dict[str, Any], count: int, rounds: int) -> None:
    """On 2^m peers the one-peer exponential graph does so exactly after m rounds (Ying et al. 2021)."""
    begin = apart(count)
    swarm = run(contract_of(topology, count, rounds, {"protocol": "push_sum"}), begin, idle)
    np.testing.assert_allclose(swarm.params, np.tile(begin.mean(axis=0), (count, 1)), atol=1e-5)


def test_push_sum_trains_soundly_where_nobody_is_heard() -> None:
    """One of twenty that gives 19/20 of its mass away each round and gets nothing keeps a model near zero."""
    shares = dict.fromkeys(range(1, 20), 1 / 20)
    params = np.ones(3, np.float32)
    pushing = PushSum(0, Flows(lambda _: shares, lambda _: shares), params, {})
    for round in range(12):
        pushing.trained(round, params, np.float32(0.9) * params, frozenset(shares))
        params = pushing.merge(round).params
    assert np.abs(params).max() <= 1


def test_push_sum_takes_back_what_a_returning_peer_has_forgotten() -> None:
    begin = apart(6)
    crash = FaultModel(compute_s=(1.0, 1.0), crashes=(Crash(5.9, 2, 9.0),), silence_s=0.2, evaluate_s=0.5)
    swarm = run(contract_of({"kind": "mesh"}, 6, 60, {"protocol": "push_sum"}), begin, idle, crash)
    assert len(swarm.finished) == 6
    np.testing.assert_allclose(swarm.params, np.tile(begin.mean(axis=0), (6, 1)), atol=0.15)
    assert spread(swarm.params) < 0.01 * spread(begin)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=20))
def test_mass_travels_with_48_bits(values: list[float]) -> None:
    mass = np.array(values)
    np.testing.assert_allclose(decode_mass(encode_mass(mass)), mass, rtol=2**-47, atol=1e-40)


# -- AD-PSGD -----------------------------------------------------------------------------------------------------------


def test_pair_averaging_reports_the_weights_that_it_applied() -> None:
    own, first, second = np.eye(3, dtype=np.float32)
    core = PairAveraging(1, lambda _: {0: 0.3, 2: 0.3}, lambda *_: 0.5)
    assert core.trained(0, own, own, frozenset({0, 2})) == [], "peer 1 is the one that is asked"
    for sender, theirs in ((0, first), (2, second)):
        (answer,) = core.take(sender, Message(Kind.OFFER, 0, 0, theirs), own)
        assert answer.to == sender
    merged = core.merge(0)
    assert merged.weights == {0: 0.25, 2: 0.5}
    np.testing.assert_array_equal(merged.params, [0.25, 0.25, 0.5])


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["train", "deliver", "lose"])), max_size=60))
def test_pair_averaging_keeps_the_sum_in_any_order_of_events(events: list[tuple[int, str]]) -> None:
    """Three peers, any interleaving of trainings, deliveries and losses; then all that is open is repeated."""
    params = {peer: np.full(2, np.float32(2**peer)) for peer in range(3)}
    row = {peer: {other: 0.3 for other in range(3) if other != peer} for peer in range(3)}
    cores = {peer: PairAveraging(peer, lambda _, peer=peer: row[peer], lambda *_: 0.7) for peer in range(3)}
    lines: dict[tuple[int, int], list[Any]] = {(a, b): [] for a in range(3) for b in range(3)}
    added, rounds = np.zeros(2), dict.fromkeys(range(3), 0)

    def put(sender: int, sends: list[Any]) -> None:
        for send in sends:
            lines[sender, send.to].append(send.message)

    def deliver(to: int) -> None:
        for sender in range(3):
            if lines[sender, to]:
                put(to, cores[to].take(sender, lines[sender, to].pop(0), params[to]))

    def train(peer: int, step: float) -> None:
        nonlocal added
        trained = params[peer] + np.float32(step)
        put(peer, cores[peer].trained(rounds[peer], params[peer], trained, frozenset(range(3)) - {peer}))
        params[peer], added = cores[peer].merge(rounds[peer]).params, added + step
        rounds[peer] += 1

    for peer, what in events:
        if what == "train":
            train(peer, 1.0)
        elif what == "deliver":
            deliver(peer)
        else:
            for sender in range(3):
                del lines[sender, peer][:1]
    for _ in range(70):  # the latest that an offer which was lost in one of 60 rounds is repeated
        for peer in range(3):
            train(peer, 0.0)
        while any(lines.values()):
            for peer in range(3):
                deliver(peer)
    for peer in range(3):
        train(peer, 0.0)  # takes up what has come; its offers stay undelivered
    total = sum(model.astype(np.float64) for model in params.values())
    np.testing.assert_allclose(total, 7.0 + added, atol=1e-3)


@pytest.mark.parametrize("topology", [RING, {"kind": "mesh"}], ids=["ring", "mesh"])
def test_pairs_average_however_late_their_messages(topology: dict[str, Any]) -> None:
    """Two exchanges at once would swap models instead of bringing them together."""
    begin, late = apart(8), FaultModel(LinkQuality((1.0, 2.0)), compute_s=(0.5, 1.0))
    swarm = run(contract_of(topology, 8, 120, {"protocol": "adpsgd"}), begin, idle, late)
    assert spread(swarm.params) < 0.1 * spread(begin)


def test_who_asks_is_settled_without_a_circle() -> None:
    """The lower end of every edge in one order of all; on an even ring, one of two groups."""
    order = sorted(range(9), key=lambda peer: sum(asks(other, peer) for other in range(9)))
    assert all(asks(one, other) == (order.index(one) < order.index(other)) for one in order for other in order)
    assert all(asks(peer, (peer + step) % 10) == (peer % 2 == 0) for peer in range(10) for step in (1, -1))


# -- push gossip, SWIFT ------------------------------------------------------------------------------------------------


def test_a_newcomer_takes_the_older_model_whole_under_limited_merge() -> None:
    late = FaultModel(late={0: 20.5})
    ends = {}
    for merge in ("age", "limited"):
        gossip = {"protocol": "push", "push": {"merge": merge, "limit": 3}, "join_timeout_s": 5}
        swarm = run(contract_of({"kind": "mesh"}, 4, 30, gossip), np.zeros((4, 3), np.float32), _count, late)
        ends[merge] = [mixed.weights for mixed in swarm.mixed[0]]
    assert any(weights and sum(weights.values()) > 0.99 for weights in ends["limited"])


def _count(peer: int, round: int, params: Vector) -> Vector:
    return params + 1


def test_tokens_bound_what_is_sent() -> None:
    begin, sent = apart(8), {}
    for name, tokens in (("free", None), ("saving", {"reserve": 3, "capacity": 10})):
        gossip = {"protocol": "push", "push": {"tokens": tokens}}
        swarm = run(contract_of({"kind": "mesh"}, 8, 60, gossip), begin, idle)
        sent[name] = sum(swarm.sent.values())
    assert sent["saving"] <= 1.1 * sent["free"]


def test_the_token_account_is_that_of_the_paper() -> None:
    tokens = Tokens(reserve=2, capacity=4)
    assert [tokens.proactive(balance) for balance in range(6)] == [0, 0, 1 / 3, 2 / 3, 1, 1]
    assert [tokens.reactive(balance, 0.0) for balance in range(5)] == [0, 0, 1, 1, 2]
    assert tokens.reactive(3, 0.5) == 2


def test_swift_never_waits_for_a_slow_peer() -> None:
    slow = FaultModel(slow={0: 50.0})
    swarm = run(contract_of(RING, 6, 10, {"protocol": "swift"}), apart(6), idle, slow)
    assert all(mixed.wait == 0 for peer in range(1, 6) for mixed in swarm.mixed[peer])


@pytest.mark.parametrize("topology", [RING, {"kind": "torus", "rows": 3, "columns": 4}, {"kind": "mesh"}])
def test_swifts_rows_are_the_papers_where_degrees_are_equal(topology: dict[str, Any]) -> None:
    """CCS of equal influence: who has the most neighbours begins and gives each 1 / (d + 1); here that is everyone."""
    schedule = schedule_of(contract_of(topology, 12, 1, {"protocol": "swift"}))
    for peer in range(12):
        row = schedule.weights(peer, 0)
        assert set(row.values()) == {1 / (len(row) + 1)}


# -- the consensus distance of all peers, known to each ----------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize("protocol", ["dpsgd", "qg_dsgdm"])
@pytest.mark.parametrize("topology", [RING, {"kind": "base", "meets": 1}, {"kind": "epidemic", "meets": 2}])
def test_every_peer_knows_how_far_apart_all_are(protocol: str, topology: dict[str, Any]) -> None:
    """Each pulls towards its own target, so the distance settles at a value that no peer sees by itself."""
    count, size = 8, 4000
    targets = apart(count, size=size, seed=5)
    gossip = {"protocol": protocol, "patience": {"rounds": 1000, "of": "everyone"}}
    if protocol == "qg_dsgdm":
        gossip["momentum"] = 0.1
    contract = contract_of(topology, count, 60, gossip)
    swarm = run(contract, targets * 0, pull(targets, np.full(count, 0.1, np.float32)))
    true = spread(swarm.params)
    for peer in range(count):
        estimate = swarm.mixed[peer][-1].consensus
        assert estimate is not None
        assert estimate * np.linalg.norm(swarm.params[peer]) == pytest.approx(true, rel=0.3, abs=0.02)


def test_the_watch_survives_a_crash_and_a_return() -> None:
    gossip = {"patience": {"rounds": 1000, "of": "everyone"}}
    contract = contract_of({"kind": "mesh"}, 6, 30, gossip)
    crash = FaultModel(crashes=(Crash(8.5, 2, 12.0),), silence_s=0.2)
    targets = apart(6, size=2000)
    swarm = run(contract, targets * 0, pull(targets, np.full(6, 0.1, np.float32)), crash)
    assert all(swarm.mixed[peer][-1].consensus is not None for peer in range(6))


# -- personalised mode -------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("home", [((5, 8),), ((0, 2),), ((2, 4), (6, 8)), ((0, 1), (3, 4), (5, 6))])
def test_personal_parts_stay_home(home: Ranges) -> None:
    begin = apart(6, size=8)
    contract = contract_of(RING, 6, 100, {"personal": True})
    swarm = run(contract, begin, idle, home=home)
    at_home = np.zeros(8, dtype=bool)
    for low, high in home:
        at_home[low:high] = True
    np.testing.assert_array_equal(swarm.params[:, at_home], begin[:, at_home])
    assert spread(swarm.params[:, ~at_home]) < 1e-3
    whole = run(contract_of(RING, 6, 100, {}), begin, idle, home=home)
    assert sum(swarm.sent.values()) < sum(whole.sent.values())


@pytest.mark.parametrize(
    ("gossip", "what"),
    [
        ({"protocol": "dpsgd", "momentum": 0.9}, "qg_dsgdm"),
        ({"protocol": "swift", "push": {}}, "belongs to protocol push"),
        ({"protocol": "push_sum", "personal": True}, "dpsgd"),
        ({"protocol": "push", "push": {"tokens": {"reserve": 5, "capacity": 4}}}, "capacity"),
    ],
)
def test_options_of_another_protocol_are_refused(gossip: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        contract_of(RING, 4, 2, gossip)
