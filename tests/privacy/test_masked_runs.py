"""Runs with masks in the event simulator: who is missing, what becomes of the sum, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.protocol import Began, Mixed
from p2pfl_me.options import RunOptions
from p2pfl_me.privacy.masked_sums import MaskedSums
from p2pfl_me.privacy.masks import Giver
from p2pfl_me.simulation import trials
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.simulation.faults import Crash, FaultModel, LinkQuality
from p2pfl_me.simulation.host import Simulation
from p2pfl_me.simulation.lockstep_fit import require_lockstep
from p2pfl_me.simulation.trials import Journal, Trial, play
from p2pfl_me.swarm.launcher import launch
from p2pfl_me.topology import plan_of
from tests.wire.peers import free_base

MASKS: Mapping[str, Any] = {"kind": "masks"}
STEADY = FaultModel(compute_s=(1.0, 1.0))


def contract(count: int = 6, *, exchange: Mapping[str, Any] = MASKS, **sections: Any) -> Contract:
    return Contract.model_validate(
        {
            "version": 1,
            "name": "masked",
            "topology": {"kind": "mesh"},
            "peers": {"loopback": {"count": count}},
            "training": {"rounds": 3},
            "gossip": {"deadline": {"min_s": 2.0, "max_s": 30.0}},
            "privacy": {"exchange": exchange},
            **sections,
        }
    )


def run(faults: FaultModel = STEADY, **more: Any) -> tuple[Simulation, Journal]:
    return play(Trial(1, contract(**more), faults))


def first(journal: Journal, peer: int, round: int) -> Mixed:
    return journal.mixed[peer, round][0]


def is_the_mean(journal: Journal, peer: int, round: int, tolerance: float = 5e-6) -> bool:
    mixed = first(journal, peer, round)
    own, share = journal.trained[peer, round][0], 1 - sum(mixed.weights.values())
    wanted = share * own + sum(w * journal.trained[k, round][0] for k, w in mixed.weights.items())
    return float(np.abs(wanted - mixed.params).max()) < tolerance


# -- sums -----------------------------------------------------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("protocol", ["dpsgd", "qg_dsgdm"])
def test_where_all_are_there_every_round_is_the_weighted_mean(bits: int, protocol: str) -> None:
    exchange = {"kind": "masks", "bits": bits, "reach": 6.0}
    gossip = {"protocol": protocol, "personal": bits == 16 and protocol == "dpsgd"}
    _, journal = run(exchange=exchange, gossip=gossip)
    error = contract(exchange=exchange).privacy.exchange.error(5)
    for peer in range(6):
        for round in range(3):
            mixed = first(journal, peer, round)
            assert len(mixed.weights) == 5 and not mixed.missing and not mixed.alone
            assert protocol != "dpsgd" or bits == 16 or is_the_mean(journal, peer, round, error + 1e-5)
    assert not journal.refused


def test_masks_cost_few_bytes_and_sixteen_bits_half_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "SIZE", 30_000)
    monkeypatch.setattr(trials, "HOME", ())
    monkeypatch.setattr(trials, "SHAPES", ())
    monkeypatch.setattr(Journal.__dataclass_fields__["steps"], "default_factory", lambda: trials.defaultdict(float))
    sent = {}
    for name, exchange in (
        ("plain", {"kind": "plain"}),
        ("masks", MASKS),
        ("sixteen", {"kind": "masks", "bits": 16}),
        ("eight", {"kind": "masks", "bits": 8}),
    ):
        simulation, _ = run(exchange=exchange)
        sent[name] = sum(simulation.network.sent.values())
    assert sent["masks"] < 1.1 * sent["plain"]
    assert sent["sixteen"] < 0.6 * sent["plain"] and sent["eight"] < 0.35 * sent["plain"]


@pytest.mark.few(4)
@pytest.mark.parametrize("seed", range(12))
def test_nobody_begins_before_all_know_all_keys_whatever_is_heard_first(seed: int) -> None:
    """BEGUN of one neighbour may come before what another has to say of a third."""
    faults = FaultModel(LinkQuality(latency_s=(0.0, 3.0)), compute_s=(0.01, 0.01))
    gossip = {"deadline": {"min_s": 20.0, "max_s": 60.0}}
    topology = {"kind": "regular", "degree": 4}
    trial = Trial(seed, contract(8, seed=seed, topology=topology, gossip=gossip, training={"rounds": 1}), faults)
    _, journal = play(trial)
    assert not [peer for peer in range(8) if first(journal, peer, 0).missing]


@pytest.mark.parametrize("seed", range(6))
def test_keys_that_are_lost_at_the_start_are_said_again(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key and each circle is said once; on a line that loses half of all words the start had waited for ever."""
    begun: dict[int, float] = {}
    perform = Simulation._perform

    def noted(simulation: Simulation, peer: int, actions: Any) -> None:
        if any(isinstance(each, Began) for each in actions):
            begun.setdefault(peer, simulation.clock.now)
        perform(simulation, peer, actions)

    monkeypatch.setattr(Simulation, "_perform", noted)
    faults = FaultModel(LinkQuality(loss=0.5), compute_s=(0.01, 0.01))
    gossip = {"start": {"patience": 10_000}, "deadline": {"min_s": 1.0, "max_s": 30.0}}
    play(Trial(seed, contract(seed=seed, training={"rounds": 1}, gossip=gossip), faults))
    assert len(begun) == 6 and max(begun.values()) < 100


def late(count: int, rounds: int, faults: FaultModel, **more: Any) -> tuple[Simulation, Journal]:
    gossip = {"start": {"patience": 60}, "deadline": {"min_s": 15.0, "max_s": 120.0}}
    return play(Trial(1, contract(count, gossip=gossip, training={"rounds": rounds}, **more), faults))


@pytest.mark.parametrize("exchange", [MASKS, {"kind": "ckks", "degree": 4096}], ids=lambda each: each["kind"])
def test_a_late_lab_beside_an_absent_one_takes_part_at_once(exchange: Mapping[str, Any]) -> None:
    """It had waited for the absent one's key as if all began together, and the others, in vain, for its model."""
    faults = FaultModel(compute_s=(1.0, 1.0), late={3: 70.3}, absent=frozenset({5}))
    simulation, journal = late(6, 24, faults, exchange=exchange)
    mixed = [each for rounds in journal.mixed.values() for each in rounds]
    assert max(each.wait for each in mixed) < 5 and not any(each.alone for each in mixed)
    assert simulation.finished[3].rounds > 10 and set(first(journal, 0, 23).weights) == {1, 2, 3, 4}


def test_a_late_lab_begins_where_enough_for_a_sum_still_come() -> None:
    """Beside one that is ten times as slow its neighbours stand rounds apart: where most of them were it found two."""
    faults = FaultModel(compute_s=(1.0, 1.0), late={5: 75.3}, slow={2: 10.0})
    simulation, journal = late(12, 6, faults, topology={"kind": "regular", "degree": 4})
    assert not simulation.finished[5].alone
    begun = min(round for peer, round in journal.mixed if peer == 5)
    assert len(first(journal, 5, begun).weights) >= 3


def test_who_comes_when_models_were_given_is_told_apart_from_one_that_is_not_there() -> None:
    faults = FaultModel(compute_s=(1.0, 1.0), late={3: 65.3}, slow={2: 10.0})
    _, journal = late(6, 3, faults)
    assert first(journal, 0, 0).missing == {3: "came when models had been given to the others"}


# -- who is missing -------------------------------------------------------------------------------------------------


def test_who_crashes_after_giving_its_model_is_left_out_and_its_masks_are_told() -> None:
    """Peer 4 gives at 1 s and is gone at 2, while all wait for peer 5, which is three times as slow."""
    faults = FaultModel(compute_s=(1.0, 1.0), slow={5: 3.0}, crashes=(Crash(2.0, 4, None),), silence_s=0.5)
    _, journal = run(faults)
    for peer in (0, 1, 2, 3, 5):
        mixed = first(journal, peer, 0)
        assert set(mixed.weights) == {0, 1, 2, 3, 5} - {peer}
        assert mixed.missing == {4: "unreachable"}
        assert is_the_mean(journal, peer, 0) and is_the_mean(journal, peer, 2)


def test_who_falls_silent_before_it_has_pledged_costs_its_receivers_that_round_and_no_more() -> None:
    """Peer 4's end is noticed late: it is on every roster and never answers."""
    faults = FaultModel(compute_s=(1.0, 1.0), slow={5: 3.0}, crashes=(Crash(2.0, 4, None),), silence_s=15.0)
    _, journal = run(faults, training={"rounds": 8})
    lost = [mixed for peer in range(4) for round in range(8) if not (mixed := first(journal, peer, round)).weights]
    assert lost
    for mixed in lost:
        assert mixed.alone
        assert any(why.startswith("the sum was lost: ") and "peer 4" in why for why in mixed.missing.values())
    for peer in range(4):
        assert {0, 1, 2, 3} - {peer} <= first(journal, peer, 7).weights.keys() <= {0, 1, 2, 3, 5}
        assert is_the_mean(journal, peer, 7)


def test_a_peer_that_returns_has_new_masks_and_takes_part_again() -> None:
    faults = FaultModel(compute_s=(1.0, 1.0), crashes=(Crash(1.5, 4, 3.2),), silence_s=0.2)
    _, journal = run(faults, training={"rounds": 8})
    assert any(4 in first(journal, 0, round).weights for round in range(4, 8))
    assert all(is_the_mean(journal, 0, round) for round in range(8) if first(journal, 0, round).weights)


def test_too_few_for_a_sum_leave_a_peer_with_its_own_model_and_a_reason() -> None:
    faults = FaultModel(
        compute_s=(1.0, 1.0), crashes=tuple(Crash(0.5, peer, None) for peer in (2, 3, 4, 5)), silence_s=0.1
    )
    _, journal = run(faults)
    mixed = first(journal, 0, 0)
    assert not mixed.weights and mixed.alone
    assert mixed.missing[1] == "too few models for a sum"
    assert np.array_equal(mixed.params, journal.trained[0, 0][0])


# -- one neighbour too few, and there is no sum: who is waited for, and what is not trained for nothing -------------


def alone_in(journal: Journal, peers: Sequence[int]) -> dict[int, list[int]]:
    """The rounds that each of them has shared with nobody."""
    return {
        peer: sorted(round for who, round, mixed in journal.all_mixed() if who == peer and mixed.alone)
        for peer in peers
    }


@pytest.mark.few(1)
@pytest.mark.parametrize("topology", [{"kind": "mesh"}, {"kind": "regular", "degree": 3}])
@pytest.mark.parametrize("back", [25.0, 90.0])
def test_where_one_that_goes_leaves_too_few_for_any_sum_the_others_wait_for_it(
    topology: Mapping[str, Any], back: float
) -> None:
    """They had trained on alone, all rounds that were left, before it was back: 134 rounds of 154 of real peers."""
    faults = FaultModel(compute_s=(1.0, 1.0), crashes=(Crash(4.5, 1, back),), silence_s=0.5)
    simulation, journal = run(faults, count=4, topology=topology, training={"rounds": 40})
    assert {peer: each.reason for peer, each in simulation.finished.items()} == dict.fromkeys(range(4), "rounds")
    assert all(len(rounds) <= 2 for rounds in alone_in(journal, [0, 1, 2, 3]).values())
    assert all(len(first(journal, peer, 39).weights) == 3 and is_the_mean(journal, peer, 39) for peer in range(4))


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "crashes",
    [
        (Crash(4.3, 1, 20.0), Crash(4.4, 2, 30.0)),  # two in one round
        (Crash(4.5, 1, 20.0), Crash(20.2, 2, 40.0)),  # another while the first comes back
        (Crash(4.5, 1, 20.0), Crash(20.2, 1, 40.0)),  # the same once more
        (Crash(4.5, 1, 20.0), Crash(20.0, 0, 21.0), Crash(20.0, 2, 21.0), Crash(20.0, 3, 21.0)),  # all who waited
    ],
)
def test_a_second_kill_in_a_round_or_in_a_recovery_costs_no_more_than_rounds_of_its_own(crashes: Any) -> None:
    faults = FaultModel(compute_s=(1.0, 1.0), crashes=crashes, silence_s=0.5)
    simulation, journal = run(faults, count=4, training={"rounds": 12})
    assert {peer: each.reason for peer, each in simulation.finished.items()} == dict.fromkeys(range(4), "rounds")
    assert all(len(rounds) <= 1 + len(crashes) for rounds in alone_in(journal, range(4)).values())
    assert all(len(first(journal, peer, 11).weights) == 3 and is_the_mean(journal, peer, 11) for peer in range(4))


def test_one_that_never_comes_back_ends_the_wait_with_the_patience_of_the_start() -> None:
    faults = FaultModel(compute_s=(1.0, 1.0), crashes=(Crash(4.5, 1, None),), silence_s=0.5)
    gossip = {"start": {"patience": 50}, "deadline": {"min_s": 2.0, "max_s": 30.0}}
    simulation, journal = run(faults, count=4, training={"rounds": 40}, gossip=gossip)
    assert {each.reason for each in simulation.finished.values()} == {"alone"} and len(simulation.finished) == 3
    assert all(len(rounds) == 1 for rounds in alone_in(journal, [0, 2, 3]).values())


def test_who_has_no_sum_and_is_needed_for_others_trains_on() -> None:
    """Peer 0 of a graph of degree 4 loses two of its neighbours; the sums of the two that are left hold its model."""
    topology = {"kind": "regular", "degree": 4}
    schedule = plan_of(contract(12, topology=topology))
    lost = next(
        pair
        for pair in combinations(schedule.neighbours(0), 2)
        if not any(set(pair) <= set(schedule.neighbours(peer)) for peer in range(1, 12))
    )
    crashes = tuple(Crash(4.5, peer, None) for peer in lost)
    faults = FaultModel(compute_s=(1.0, 1.0), crashes=crashes, silence_s=0.5)
    simulation, journal = run(faults, count=12, topology=topology, training={"rounds": 12})
    rest = set(schedule.neighbours(0)) - set(lost)
    assert simulation.finished[0].reason == "rounds" and alone_in(journal, [0])[0][-6:] == [6, 7, 8, 9, 10, 11]
    assert all(0 in first(journal, peer, 11).weights for peer in rest)


def test_who_is_needed_for_a_sum_is_waited_for_as_long_as_the_contract_allows() -> None:
    """A round takes 0.2 to 12 s, and a deadline that is the median of the past would be too short for every other."""
    faults = FaultModel(compute_s=(0.2, 12.0))
    gossip = {"deadline": {"min_s": 1.0, "max_s": 30.0, "mads": 0.1}}
    _, journal = run(faults, count=4, training={"rounds": 12}, gossip=gossip)
    assert not any(alone_in(journal, range(4)).values())


def test_one_that_left_this_peer_out_is_kept_where_the_others_are_too_few() -> None:
    """Peer 4 needs longer than all deadlines: the others leave it out, and it has their models all the same."""
    faults = FaultModel(compute_s=(1.0, 1.0), slow={4: 27.5})
    _, journal = run(faults, count=5, training={"rounds": 4})
    assert all(4 in first(journal, peer, 0).missing for peer in range(4))
    assert set(first(journal, 4, 0).weights) == {0, 1, 2, 3} and is_the_mean(journal, 4, 0)


def test_one_that_gives_models_and_no_pledges_costs_ever_fewer_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    pledge = MaskedSums.pledge

    def mute(self: MaskedSums, *told: Any) -> Any:
        content = pledge(self, *told)
        return None if self._me == 4 else content

    monkeypatch.setattr(MaskedSums, "pledge", mute)
    _, journal = run(count=5, training={"rounds": 30})
    lost = alone_in(journal, [0, 1, 2, 3])
    assert all(len(rounds) <= 6 for rounds in lost.values()), lost
    assert any("without its pledge before" in why for why in first(journal, 0, 1).missing.values())


def test_a_giver_whose_masks_are_none_costs_its_receivers_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    give = Giver.give

    def garbage(self: Giver, *told: Any) -> Any:
        content = give(self, *told)
        if self._me == 4 and content is not None:
            content[-1200:] = np.random.default_rng(1).integers(0, 256, 1200, np.uint8)
        return content

    monkeypatch.setattr(Giver, "give", garbage)
    _, journal = run()
    for peer in range(4):
        mixed = first(journal, peer, 0)
        assert np.array_equal(mixed.params, journal.trained[peer, 0][0])
        assert "somebody's masks were no masks" in mixed.missing[4]


@pytest.mark.parametrize("bits", [8, pytest.param(32, marks=pytest.mark.thorough)])
def test_one_whose_masks_are_none_in_every_round_is_found_and_costs_ever_fewer_sums(
    bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With eight bits nothing is far from a model; what is no sum is even all over."""
    give = Giver.give

    def garbage(self: Giver, receiver: int, round: int, *told: Any) -> Any:
        content = give(self, receiver, round, *told)
        if self._me == 2 and content is not None:
            words = np.random.default_rng((receiver, round)).integers(0, 256, trials.SIZE * bits // 8, np.uint8)
            content[-words.size :] = words
        return content

    monkeypatch.setattr(Giver, "give", garbage)
    _, journal = run(exchange={"kind": "masks", "bits": bits, "reach": 20.0}, count=5, training={"rounds": 14})
    lost = alone_in(journal, [0, 1, 3, 4])
    assert all(0 < len(rounds) <= 7 for rounds in lost.values()), lost


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"gossip": {"aggregation": "krum"}}, "under masks nobody sees one"),
        ({"gossip": {"compression": "int8"}}, "neither sees anything"),
        ({"gossip": {"protocol": "swift"}}, "needs more of a neighbour than a sum"),
        ({"gossip": {"protocol": "gradient_tracking"}}, "needs more of a neighbour than a sum"),
        ({"gossip": {"alone": "train"}}, "waits for more"),
        ({"gossip": {"hand_out": 5}}, "hand_out sends a final model as it is"),
        ({"gossip": {"patience": {"rounds": 3}}, "data": {"validation_fraction": 0.2}}, "which masks hides"),
        ({"topology": {"kind": "epidemic", "meets": 4}}, "neighbours change every round"),
        ({"peers": {"loopback": {"count": 6}, "widths": {1: 0.5}}}, "peers.widths sends slices"),
    ],
)
def test_what_masks_cannot_carry_is_refused_with_a_reason(sections: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        contract(**sections)


@pytest.mark.parametrize(
    ("exchange", "topology", "words"),
    [
        (MASKS, "ring", "has 2 neighbours, and a sum under masks holds 3"),
        ({"kind": "masks", "colluders": 3}, "mesh", "has 5 neighbours, and a sum under masks holds 6"),
        ({"kind": "masks", "allow_pairs": True}, "line", "has 1 neighbour, and a sum under masks holds 2"),
    ],
)
def test_a_graph_with_too_few_neighbours_is_refused(exchange: Mapping[str, Any], topology: str, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        plan_of(contract(exchange=exchange, topology={"kind": topology}))


def test_a_ring_sums_pairs_where_the_contract_allows_it() -> None:
    _, journal = run(exchange={"kind": "masks", "allow_pairs": True}, topology={"kind": "ring"})
    assert all(is_the_mean(journal, peer, 2) and len(first(journal, peer, 2).weights) == 2 for peer in range(6))


def test_a_record_is_refused_before_anything_runs(tmp_path: Path) -> None:
    options = RunOptions(home=tmp_path / "home", run=tmp_path / "run", record=True)
    for run_it in (simulate, launch):
        with pytest.raises(ContractError, match="cannot be recorded"):
            run_it(contract(peers={"loopback": {"count": 6, "base_port": free_base(6)}}), options, Console())
    assert not (tmp_path / "run").exists()


def test_lockstep_and_cores_without_keys_refuse_masks_by_name() -> None:
    with pytest.raises(ContractError, match="masks needs keys and messages"):
        require_lockstep(contract())
    with pytest.raises(ContractError, match="masks hides models by keys"):
        core_of(contract(), 0, plan_of(contract()), Start(np.zeros(4, np.float32)))


@pytest.mark.parametrize("topology", [{"kind": "mesh"}, {"kind": "exponential"}])
def test_a_slow_lab_is_waited_for_by_its_own_word(topology: Mapping[str, Any]) -> None:
    faults = FaultModel(compute_s=(1.0, 1.0), slow={2: 25.0})
    _, journal = run(faults, topology=topology, gossip={}, training={"rounds": 6})
    assert not [(peer, round, mixed.missing) for peer, round, mixed in journal.all_mixed() if mixed.missing]
