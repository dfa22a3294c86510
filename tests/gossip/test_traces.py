"""What becomes of small swarms in bad months, as approved: every word that a core hears, and all that it does then.

Theorems and searches say what must never happen; what may happen either way, as who waits for how long, stands here.
Whoever changes it means to, and writes it down by `P2PME_APPROVE=1 pytest tests/gossip/test_traces.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from p2pfl_me.contract import Contract
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.ended import Ended
from p2pfl_me.gossip.final import Final
from p2pfl_me.gossip.hand_out import Place
from p2pfl_me.gossip.protocol import Action, Finish, Mixed, Send, Timer, Train
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.gossip.turning import TURNED, Turning
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.networks.layout import Ranges
from p2pfl_me.privacy.exchanging import EXCHANGES
from p2pfl_me.simulation import trials
from p2pfl_me.simulation.faults import Crash, FaultModel, LinkQuality, Partition, draw_faults
from p2pfl_me.topology import plan_of
from tests.gossip.swarms import CALM, contract_of, run
from tests.gossip.test_protocols import ALL, RING, apart
from tests.gossip.witness import Witness

APPROVED = Path(__file__).parent / "approved_traces.json"
COUNT, ROUNDS = 5, 6


def month(seed: int, **more: Any) -> FaultModel:
    """Drawn, but for bandwidth and spoilt bits: what a message weighs is another room's."""
    drawn = draw_faults(Random(seed), COUNT, ROUNDS)
    return replace(drawn, link=replace(drawn.link, bandwidth_bps=None, corruption=0.0), **more)


@dataclass(frozen=True)
class Life:
    """What a swarm lives through: sections of its contract, and faults."""

    topology: Mapping[str, Any] = field(default_factory=lambda: RING)
    gossip: Mapping[str, Any] = field(default_factory=dict)
    until: Mapping[str, Any] | None = None
    faults: FaultModel = CALM
    home: Ranges = ()


MESH: Mapping[str, Any] = {"kind": "mesh"}
UNEVEN = FaultModel(LinkQuality((0.01, 0.4)), compute_s=(0.5, 1.5), evaluate_s=0.2, slow={1: 2.5})
NOISY = replace(UNEVEN, link=LinkQuality((0.0, 1.0), None, 0.15, 0.1, 0.2))
PARTED = replace(
    UNEVEN, silence_s=1.0, partitions=(Partition(3.0, 12.0, frozenset({0})), Partition(20.0, 26.0, frozenset({2, 3})))
)
LEFT_BEHIND = replace(UNEVEN, crashes=(Crash(3.2, 2, 60.0), Crash(4.0, 4, 70.0)), silence_s=0.5)
LIVES = {
    "calm": Life(),
    "bad": Life(MESH, {"start": {"quorum": 4, "patience": 20}}, faults=month(3)),
    "worse": Life(faults=month(11)),
    "changing": Life({"kind": "base", "meets": 1}, {"hand_out": 30}, faults=month(8)),
    "noisy": Life(MESH, faults=NOISY),
    "quick": Life(MESH, faults=replace(NOISY, compute_s=(0.0, 0.2), slow={0: 20.0})),
    "handing out": Life(gossip={"hand_out": 300}, faults=LEFT_BEHIND),
    "stopped": Life(MESH, faults=replace(UNEVEN, stop_s=5.5)),
    "waiting alone": Life(
        gossip={"alone": "wait", "start": {"patience": 15}}, faults=replace(PARTED, absent=frozenset({1}))
    ),
    "patient": Life(gossip={"patience": {"rounds": 2, "consensus": 0.6}}, faults=UNEVEN),
    "patient with all": Life(MESH, {"patience": {"rounds": 2, "consensus": 0.6, "of": "everyone"}}, faults=PARTED),
    "for hours": Life(until={"hours": 9 / 3600}, faults=PARTED),
    "for work": Life(until={"work": 24}, faults=replace(LEFT_BEHIND, late={3: 2.0})),
    "keeping a part": Life(gossip={"personal": True, "hand_out": 300}, faults=LEFT_BEHIND, home=((3, 5),)),
    "keeping a part in noise": Life(MESH, {"personal": True}, faults=NOISY, home=((1, 3),)),
    "compressed": Life(gossip={"compression": {"kind": "topk"}}, faults=PARTED),
    "compressed in noise": Life(MESH, {"compression": {"kind": "int8"}}, faults=NOISY),
    "robust": Life(MESH, {"aggregation": {"kind": "trimmed_mean", "trim": 1}}, faults=PARTED),
}
"""What a protocol cannot do is refused by the contract, and left out."""
OWN = {
    "push": {
        "limited": Life(MESH, {"protocol": {"kind": "push", "merge": "limited", "limit": 1}}, faults=NOISY),
        "with tokens": Life(MESH, {"protocol": {"kind": "push", "tokens": {}}}, faults=NOISY),
    },
    "overlap": {"eager": Life(MESH, {"protocol": {"kind": "overlap", "eager": 0.9}}, faults=NOISY)},
}
SHORT = ("calm", "changing", "noisy", "handing out", "patient", "compressed")
"""For those that are a rule around the exchange of another."""


def contract_for(protocol: str, life: Life) -> Contract:
    values = contract_of(life.topology, COUNT, ROUNDS, {"protocol": protocol}, seed=5).model_dump(mode="json")
    values["gossip"] |= life.gossip
    values["training"] |= {} if life.until is None else {"rounds": 40, "until": life.until}
    return Contract.model_validate(values)


def nudged(peer: int, round: int, params: Vector) -> Vector:
    return params + np.float32(0.25 * ((peer + round) % 3 - 1))


def falling(peer: int, round: int) -> float:
    """For two rounds."""
    return max(1.0, 3.0 - round) + 0.1 * (peer == 1)


@pytest.mark.few(2)
@pytest.mark.parametrize("protocol", ALL)
def test_bad_months_pass_as_approved(protocol: str, tmp_path: Path) -> None:
    own = {name: LIVES[name] for name in SHORT} if protocol in {"qg_dsgdm", "gradient_tracking"} else LIVES
    for name, life in {**own, **OWN.get(protocol, {})}.items():
        with suppress(ValidationError):
            lived, witness = contract_for(protocol, life), Witness()
            run(lived, apart(COUNT), nudged, life.faults, home=life.home, around=witness.around, loss=falling)
            require_approved(f"{protocol} {name}", witness, tmp_path)


@pytest.mark.few(3)
@pytest.mark.parametrize("protocol", ALL)
def test_words_that_nobody_would_say_are_taken_as_approved(protocol: str, tmp_path: Path) -> None:
    for name in (
        "noisy",
        "handing out",
        "patient with all",
        "for work",
        "compressed in noise",
        "keeping a part in noise",
    ):
        with suppress(ValidationError):
            lived, witness = contract_for(protocol, LIVES[name]), Witness(Random(name))
            faults, home = LIVES[name].faults, LIVES[name].home
            run(lived, apart(COUNT), nudged, faults, home=home, around=witness.around, loss=falling)
            require_approved(f"{protocol} {name}, pestered", witness, tmp_path)


@pytest.mark.few(2)
@pytest.mark.parametrize("form", [name for name, form in EXCHANGES.items() if form.needs_keys])
def test_sums_of_hidden_models_pass_as_approved(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "_is_sealed", lambda trial: False)  # what travels is not looked at here
    for seed in (0, 1, 4, 5, 6, 7):
        witness = Witness(Random(seed) if seed in {0, 5} else None)
        monkeypatch.setattr(trials, "core_of", witness.core_of)
        trial = trials.draw_trial(seed, f"dpsgd+{form}")
        faults = replace(trial.faults, link=replace(trial.faults.link, bandwidth_bps=None, corruption=0.0))
        trials.play(replace(trial, faults=faults, lies=None))
        require_approved(f"{form} {seed}", witness, tmp_path)


def require_approved(name: str, witness: Witness, folder: Path) -> None:
    approved: dict[str, str] = json.loads(APPROVED.read_text()) if APPROVED.exists() else {}
    if os.environ.get("P2PME_APPROVE"):
        approved[name] = witness.digest
        APPROVED.write_text(json.dumps(approved, indent=0, sort_keys=True) + "\n")
    if witness.digest != approved.get(name):
        trace = folder / "trace.txt"
        trace.write_text("\n".join(witness.lines))
        pytest.fail(f"{name}: something else happens than was approved; all of it stands in {trace}")


def test_who_has_done_all_rounds_says_so_and_nothing_else() -> None:
    progress = Progress(trained=7, joined=1, alone=2)
    done = Ended(progress, 10)
    assert done.start(0.0) == [Finish("rounds", 7, skipped=2, alone=2)] and done.waiting_for == frozenset()
    assert done.on_trained(0.0, np.zeros(1, np.float32)) == done.on_peer(0.0, 1, True) == []


@pytest.mark.parametrize("protocol", ALL)
def test_an_alarm_of_loneliness_ends_nobody_who_is_not_waiting_alone(protocol: str) -> None:
    contract = contract_of(RING, COUNT, ROUNDS, {"protocol": protocol, "alone": "wait"})
    core = core_of(contract, 0, plan_of(contract), Start(apart(COUNT)[0]))
    core.start(0.0)
    assert core.on_timer(1.0, Timer.ALONE, 0) == [], "while others are waited for at the start"
    for peer in (1, 4):
        core.on_peer(2.0, peer, True)
        core.on_message(2.0, peer, Message(Kind.HELLO, 0, 0))
    core.on_message(2.0, 1, Message(Kind.BEGUN, 0))
    for round in (0, 1):
        assert not [each for each in core.on_timer(3.0, Timer.ALONE, round) if isinstance(each, Finish)]


@pytest.mark.parametrize("protocol", ALL)
def test_rounds_that_were_behind_the_model_that_one_joined_with_are_not_skipped_ones(protocol: str) -> None:
    contract = contract_of(RING, COUNT, ROUNDS, {"protocol": protocol})
    begin = Start(apart(COUNT)[0], 5, Progress(trained=2, joined=1, alone=1))
    core = core_of(contract, 0, plan_of(contract), begin)
    core.start(0.0)
    (finish,) = [each for each in core.on_stop(1.0) if isinstance(each, Finish)]
    assert (finish.reason, finish.rounds, finish.skipped, finish.alone) == ("stopped", 2, 2, 1)
    assert core.on_stop(2.0) == []


@pytest.mark.parametrize("protocol", ["push_sum", "adpsgd", "swift", "push"])
def test_who_comes_when_the_others_are_done_trains_the_last_round(protocol: str) -> None:
    contract = contract_of(RING, COUNT, ROUNDS, {"protocol": protocol})
    core = core_of(contract, 0, plan_of(contract), Start(apart(COUNT)[0]))
    core.start(0.0)
    actions = []
    for peer in (1, 4):
        core.on_peer(1.0, peer, True)
        actions += core.on_message(1.0, peer, Message(Kind.HELLO, ROUNDS, ROUNDS))
    for peer in (1, 4):
        actions += core.on_message(1.0, peer, Message(Kind.BEGUN, 0))
    assert [each.round for each in actions if isinstance(each, Train)] == [ROUNDS - 1]


@pytest.mark.parametrize("began", [0.0, 1000.0])
@pytest.mark.parametrize("trained_s", [0.0, 1.0])
def test_a_models_age_is_believed_as_far_as_this_peers_own_clock_goes(began: float, trained_s: float) -> None:
    """Two seconds after the start a machine that is 25 times as fast may have trained 50 rounds, and not a thousand."""
    contract = contract_of(RING, COUNT, 2000, {"protocol": "push"})
    core = core_of(contract, 0, plan_of(contract), Start(np.zeros(5, np.float32)))
    core.start(began)
    for peer in (1, 4):
        core.on_peer(began, peer, True)
        core.on_message(began, peer, Message(Kind.HELLO, 0, 0))
    for peer in (1, 4):
        core.on_message(began, peer, Message(Kind.BEGUN, 0))
    now = began + trained_s
    core.on_trained(now, np.zeros(5, np.float32))
    core.on_evaluated(now, None)
    core.on_message(began + 2.0, 1, Message(Kind.PUSH, 0, 1000, np.ones(5, np.float32)))
    (mixed,) = [each for each in core.on_trained(began + 2.0, np.zeros(5, np.float32)) if isinstance(each, Mixed)]
    believed = 50 if trained_s else 1000  # whoever trains in no time tells nothing of others
    assert mixed.weights[1] == pytest.approx(believed / (believed + 2))


@pytest.mark.parametrize("reason", ["rounds", "time", "work", "patience", "stopped", "alone"])
def test_a_change_that_is_due_goes_on_from_the_contracts_last_round_and_from_no_other_end(reason: str) -> None:
    class Ending(Ended):
        def start(self, now: float) -> list[Action]:
            return [Train(2, params)]

        def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
            return [Send(1, Message(Kind.LEAVE, 3, 3)), Finish(reason, 3, alone=1)]

        def on_trained(self, now: float, params: Vector) -> list[Action]:
            return [Mixed(2, params, {}, {}, {}, 0.0)]

    params = np.zeros(4, np.float32)
    for due in (True, False):
        core = Turning(Ending(Progress(), 0), (1,), Place(params, 2, Progress()), Final(4), frozenset(), 3)
        core.start(0.0)
        core.on_trained(0.0, params)
        core.on_timer(0.5, Timer.VIEW, 3 if due else 4)
        *said, finish = core.on_evaluated(1.0, None)
        turned = due and reason == "rounds"
        assert finish == Finish(TURNED if turned else reason, 3, alone=1)
        assert bool(said) is not turned, "who goes on says no goodbye"
