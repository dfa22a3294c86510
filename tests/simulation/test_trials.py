"""Fault schedules: fresh ones each time, each with the command that runs it again."""

from __future__ import annotations

import secrets
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.gossip.exchange import Whole
from p2pfl_me.gossip.protocol import Timer
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import Crash, FaultModel, LinkQuality, Partition
from p2pfl_me.simulation.network import Network
from p2pfl_me.simulation.promises import broken_promises
from p2pfl_me.simulation.trials import EXCHANGES, Trial, draw_trial, drift, play
from p2pfl_me.topology import schedule_of
from p2pfl_me.wire.codec import Schema

FRESH = {name: 1 if "+" in name else 2 for name in EXCHANGES} | {"dpsgd": 4}
"""So many schedules that nobody has seen, each time; `scripts/bench/schedules.py` plays thousands."""


@pytest.mark.few(2)
@pytest.mark.parametrize("protocol", FRESH)
def test_fresh_schedules_keep_every_promise(protocol: str) -> None:
    first = secrets.randbelow(2**40)
    for seed in range(first, first + FRESH[protocol]):
        trial = draw_trial(seed, protocol)
        broken = broken_promises(trial)
        assert not broken, f"{broken[0]}\nreplay it with: {trial.replay}"


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "protocol", [pytest.param(name, marks=[pytest.mark.thorough] if "+" in name else []) for name in FRESH]
)
def test_equal_seeds_give_equal_bits(protocol: str) -> None:
    trial = draw_trial(3, protocol)
    (one, first), (other, second) = play(trial), play(trial)
    assert first.bits() == second.bits()
    assert one.clock.now == other.clock.now
    assert one.network.sent == other.network.sent


CALM = FaultModel()


def calm(seed: int, faults: FaultModel = CALM) -> Trial:
    return replace(draw_trial(seed), faults=faults, lies=None)


@pytest.mark.thorough
def test_liars_and_those_who_never_come_are_among_the_trials() -> None:
    """And what a liar sends is looked for where it must not be: a promise that holds without it breaks with it."""
    drawn = [draw_trial(seed) for seed in range(60)]
    kinds = {trial.lies.attack.kind for trial in drawn if trial.lies}
    assert len(kinds) > 6 and "mute" in kinds and "round_claim" in kinds
    assert sum(bool(trial.faults.absent) for trial in drawn) > 10
    trial = replace(next(each for each in drawn if each.lies and each.lies.attack.kind == "scale"), faults=CALM)
    simulation, _ = play(trial)
    assert set(simulation.finished) == set(range(trial.contract.peers.count))
    assert not broken_promises(trial)
    nobody = replace(trial, faults=FaultModel(absent=frozenset({0, 2})), lies=None)
    simulation, journal = play(nobody)
    assert not {0, 2} & (set(simulation.finished) | set(journal.starts)) and not broken_promises(nobody)


def test_without_trouble_everyone_finishes_and_nothing_is_refused() -> None:
    simulation, journal = play(calm(1))
    assert len(simulation.finished) == calm(1).contract.peers.count
    assert not journal.refused
    assert not any(mixed[-1].missing for mixed in journal.mixed.values())


def test_the_network_does_not_decide_what_is_learned() -> None:
    """Delays and a slow peer change when things happen, not a bit of the result, while every deadline is kept."""
    slow = FaultModel(LinkQuality((0.0, 0.5), bandwidth_bps=1e5), compute_s=(0.1, 1.0), slow={2: 1.5})
    assert play(calm(4))[1].bits() == play(calm(4, slow))[1].bits()


@pytest.mark.thorough
def test_the_average_is_kept_where_that_is_promised_and_its_drift_is_measured_where_not() -> None:
    found = {
        protocol: [drift(play(replace(draw_trial(seed, protocol), faults=CALM, lies=None))[1]) for seed in range(4)]
        for protocol in ("dpsgd", "swift", "push")
    }
    assert max(found["dpsgd"]) < 1e-5
    for protocol in ("swift", "push"):
        assert 1e-3 < np.mean(found[protocol]) < 1, f"{protocol}: {found[protocol]}"


def test_one_link_may_be_worse_than_all_others() -> None:
    """Dead: nothing passes over it, and everything over the others. Slow or narrow: the same bits, later."""
    trial = calm(4)
    edge = schedule_of(trial.contract).edges(0)[0]
    pair = (edge.a, edge.b)
    _, journal = play(trial)
    dead = calm(4, FaultModel(links={pair: LinkQuality(loss=1.0)}))
    _, without = play(dead)
    assert not broken_promises(dead)
    assert not any(edge.b in mixed[-1].weights for (peer, _), mixed in without.mixed.items() if peer == edge.a)
    assert any(mixed[-1].weights for (peer, _), mixed in without.mixed.items() if peer not in pair)
    for quality in (LinkQuality((0.4, 0.4)), LinkQuality(bandwidth_bps=30_000.0)):
        _, late = play(calm(4, FaultModel(links={pair: quality})))
        assert late.bits() == journal.bits()
        assert max(late.until.values()) > max(journal.until.values()) + 0.5


def test_bandwidth_takes_its_time() -> None:
    """Without a limit a round lasts its second of training and 40 ms on the way."""
    trial = calm(4)
    rounds = trial.contract.training.rounds
    _, quick = play(trial)
    simulation, slow = play(calm(4, FaultModel(LinkQuality((0.02, 0.02), bandwidth_bps=2000.0))))
    assert max(quick.until.values()) == pytest.approx(0.02 + 1.04 * rounds, abs=0.05)
    assert max(slow.until.values()) > rounds + 0.8 * 8 * max(simulation.network.sent.values()) / 2000.0


def test_a_partition_that_heals_is_lived_through() -> None:
    parted = FaultModel(partitions=(Partition(1.5, 40.0, frozenset({0, 1})),), silence_s=1.0)
    trial = calm(4, parted)
    simulation, journal = play(trial)
    assert not broken_promises(trial)
    assert simulation.network.broken
    assert any("unreachable" in mixed[-1].missing.values() for mixed in journal.mixed.values())


def test_a_crashed_peer_returns_from_its_checkpoint() -> None:
    trial = calm(4, FaultModel(crashes=(Crash(2.5, 3, 6.0),), silence_s=0.5))
    simulation, journal = play(trial)
    assert not broken_promises(trial)
    assert simulation.finished[3].reason == "rounds"
    assert any("unreachable" in mixed[-1].missing.values() for mixed in journal.mixed.values())


def test_a_peer_that_never_returns_is_done_without() -> None:
    simulation, _ = play(calm(4, FaultModel(crashes=(Crash(2.5, 3),), silence_s=0.5)))
    assert 3 not in simulation.finished
    assert len(simulation.finished) == calm(4).contract.peers.count - 1


def test_a_core_that_mixes_wrongly_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Whole.average

    def careless(*given):  # type: ignore[no-untyped-def]
        mixture = sound(*given)
        return replace(mixture, params=np.nextafter(mixture.params, np.float32(9)))

    monkeypatch.setattr(Whole, "average", careless)
    assert any("not the mean of" in broken for broken in broken_promises(calm(1)))


def test_a_core_that_does_not_say_that_it_gives_up_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    polite = DPSGD.on_timer

    def rude(self, now, timer, round):  # type: ignore[no-untyped-def]
        if timer is Timer.JOIN:
            return polite(self, now, timer, round)
        for peer in sorted(self._due):
            self._missing[peer] = "deadline"
        self._due.clear()
        for edge in self._edges.values():
            edge.offered = None
        return self._mix_if_settled(now)

    monkeypatch.setattr(DPSGD, "on_timer", rude)
    assert any("only" in line for seed in range(40) for line in broken_promises(draw_trial(seed)))


def test_corruption_needs_seals() -> None:
    corrupting = FaultModel(LinkQuality(corruption=0.1))
    with pytest.raises(ValueError, match="seals"):
        Network(Clock(), corrupting, Random(0), Schema(1, b""), seed=0, sealed=False)
