"""A lab that comes back when the others are done gets their final model, instead of training on alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.ended import Ended
from p2pfl_me.gossip.final import Final
from p2pfl_me.gossip.hand_out import HandOut, Place
from p2pfl_me.gossip.protocol import Action, Finish, Leave, Mixed, Refuse, Send, SetTimer, Timer, Train
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.simulation.faults import Crash, FaultModel, Partition
from p2pfl_me.topology import plan_of
from tests.gossip.liars import Liar
from tests.gossip.swarms import Swarm, contract_of, run
from tests.gossip.test_protocols import ALL, RING, apart, idle

ROUNDS, GONE_AT, BACK_AT = 12, 4.5, 60.0


def back_when_all_is_over(protocol: str, hand_out: float, *, back: float = BACK_AT, **gossip: Any) -> Swarm:
    """Peer 2 of five dies in round 5 and comes back when the others have long been done."""
    contract = contract_of(RING, 5, ROUNDS, {"protocol": protocol, "hand_out": hand_out, **gossip})
    return run(contract, apart(5), idle, FaultModel(crashes=(Crash(GONE_AT, 2, back),), silence_s=0.5))


@pytest.mark.parametrize("protocol", ALL)
def test_who_comes_back_at_the_end_takes_the_final_model(protocol: str) -> None:
    swarm = back_when_all_is_over(protocol, 600.0)
    late = swarm.finished[2]
    assert late.reason == "handed" and late.skipped and not late.is_whole
    assert late.rounds + late.skipped == ROUNDS and late.alone == 0
    handed = swarm.mixed[2][-1]
    assert handed.handed and set(handed.weights) == {1, 3}
    np.testing.assert_allclose(swarm.starts[2].params, (swarm.starts[1].params + swarm.starts[3].params) / 2, atol=1e-6)
    assert swarm.ended[2] < BACK_AT + 20
    assert all(swarm.finished[peer].reason == "rounds" for peer in (0, 1, 3, 4))


@pytest.mark.parametrize("protocol", ["dpsgd", "push"])
def test_who_would_not_train_alone_takes_it_too(protocol: str) -> None:
    late = back_when_all_is_over(protocol, 600.0, alone="wait").finished[2]
    assert (late.reason, late.rounds + late.skipped, late.alone) == ("handed", ROUNDS, 0) and late.skipped
    in_vain = back_when_all_is_over(protocol, 10.0, back=500.0, alone="wait").finished[2]
    assert in_vain.reason == "alone" and in_vain.rounds < ROUNDS, "nobody is there to ask"


@pytest.mark.parametrize("protocol", ["dpsgd", "push"])
def test_after_the_stated_time_nobody_is_there(protocol: str) -> None:
    swarm = back_when_all_is_over(protocol, 10.0, back=500.0)
    assert swarm.finished[2].reason == "rounds" and swarm.finished[2].alone


@pytest.mark.few(3)
@pytest.mark.parametrize("protocol", ALL)
def test_where_nobody_is_missing_nobody_stays_and_no_bit_changes(protocol: str) -> None:
    contract = contract_of(RING, 5, ROUNDS, {"protocol": protocol, "hand_out": 600.0})
    plain = contract_of(RING, 5, ROUNDS, {"protocol": protocol})
    rounds_are_common = contract.gossip.protocol.common_rounds  # else a slow one is behind when the others are done
    faults = FaultModel(slow={2: 3.0} if rounds_are_common else {})
    staying, going = (run(each, apart(5), idle, faults) for each in (contract, plain))
    assert staying.params.tobytes() == going.params.tobytes()
    assert max(staying.ended.values()) == max(going.ended.values())
    assert max(staying.left.values()) - max(staying.ended.values()) < 5


@pytest.mark.parametrize(
    "extra",
    [
        {"training": {"until": {"hours": 60 / 3600}}},
        {"training": {"until": {"work": 60}, "rounds": 200}},
        {"training": {"rounds": 40}, "gossip": {"patience": {"rounds": 3, "consensus": 9.0}}},
    ],
    ids=["time", "work", "patience"],
)
def test_nobody_stays_for_those_who_are_done_before_the_last_round(extra: dict[str, Any]) -> None:
    """By time, by everybody's work, by patience, each in a round of its own: none of them comes back for more."""
    values = contract_of(RING, 5, ROUNDS, {"protocol": "push", "hand_out": 600.0}).model_dump(mode="json")
    values["gossip"] |= extra.pop("gossip", {})
    contract = Contract.model_validate({**values, **extra})
    swarm = run(contract, apart(5), idle, FaultModel(slow={2: 3.0}), loss=lambda peer, round: 1.0)
    assert {finish.reason for finish in swarm.finished.values()} <= {"time", "work", "patience", "handed"}
    rounds = {finish.rounds for finish in swarm.finished.values()}
    assert len(rounds) > 1 and max(rounds) < contract.training.rounds
    assert max(swarm.left.values()) - max(swarm.ended.values()) < 5, "all are done, and nobody waits"


@pytest.mark.parametrize("protocol", ALL)
def test_one_that_is_stopped_may_come_back_and_is_waited_for(protocol: str) -> None:
    contract = contract_of(RING, 5, ROUNDS, {"protocol": protocol, "hand_out": 600.0})
    start = Start(np.zeros(8, np.float32), 3, Progress(trained=3))
    stopped = core_of(contract, 0, plan_of(contract), start)
    for peer in (1, 4):
        stopped.on_peer(0.0, peer, True)
        stopped.on_message(0.0, peer, Message(Kind.HELLO, 3, 3))
    stopped.start(0.0)
    said = [each.message for each in stopped.on_stop(1.0) if isinstance(each, Send) and each.to == 1]
    done = HandOut(
        Ended(Progress(), ROUNDS), (0,), Place(start.params, ROUNDS, Progress()), Final(8), stays_s=60, patience_s=30,
        rounds=ROUNDS,
    )  # fmt: skip
    assert [type(each) for each in done.start(2.0)] == [Finish], "it stays"
    assert said and not [each for message in said for each in done.on_message(3.0, 0, message)]
    assert done.on_message(4.0, 0, Message(Kind.LEAVE, 4, 5)) == [Leave()], "one that is done lets it go"


def test_a_neighbour_that_is_back_in_time_is_trained_with() -> None:
    """Its place is found among those that go on; nobody hands it anything."""
    swarm = back_when_all_is_over("dpsgd", 600.0, back=8.0)
    assert swarm.finished[2].reason == "rounds" and not any(mixed.handed for mixed in swarm.mixed[2])


def lagging(params: Vector, *, completed: int = 3, averages: bool = True) -> HandOut:
    class Alone(Ended):
        def start(self, now: float) -> list[Any]:
            return [Train(completed, params)]

    place = Place(params, completed, Progress(trained=completed))
    alone = Alone(Progress(), 0)
    return HandOut(alone, (1, 3), place, Final(8), stays_s=60, patience_s=30, rounds=ROUNDS, averages=averages)


def asked(core: HandOut) -> list[int]:
    """Its neighbours are there, and done; whom it asks."""
    for peer in (1, 3):
        core.on_peer(0.0, peer, True)
        core.on_message(0.0, peer, Message(Kind.LEAVE, ROUNDS, ROUNDS))
    return [action.to for action in core.start(0.0) if isinstance(action, Send) and action.message.kind is Kind.WANT]


def test_what_is_no_model_is_refused_and_the_other_ones_is_taken() -> None:
    core = lagging(np.zeros(8, np.float32))
    assert asked(core) == [1, 3]
    bad = np.full(8, np.nan, np.float32)
    assert [type(each) for each in core.on_message(1.0, 1, Message(Kind.FINAL, ROUNDS, ROUNDS, bad))] == [Refuse]
    (mixed,) = core.on_message(1.0, 3, Message(Kind.FINAL, ROUNDS, ROUNDS, np.ones(8, np.float32)))
    assert isinstance(mixed, Mixed) and mixed.round == ROUNDS - 1 and mixed.params.tolist() == [1.0] * 8
    actions = core.on_evaluated(2.0, None)
    finish = next(action for action in actions if isinstance(action, Finish))
    assert (finish.reason, finish.rounds, finish.skipped, finish.stays_s) == ("handed", 3, ROUNDS - 3, 60)
    assert isinstance(actions[-1], Leave), "its neighbours are done, too"


def test_givers_that_are_mute_or_gone_cost_their_patience_once() -> None:
    core = lagging(np.zeros(8, np.float32))
    asked(core)
    assert not core.on_peer(1.0, 1, False)
    trains = core.on_peer(2.0, 3, False)
    assert [type(each) for each in trains] == [Train], "both have gone: it trains after all"


def test_who_waits_in_vain_trains_and_asks_the_mute_one_no_more() -> None:
    core = lagging(np.zeros(8, np.float32))
    assert asked(core) == [1, 3] and core.waiting_for == {1, 3}
    assert core.on_timer(30.0, Timer.HAND_OUT, 2) == [], "the bell of another round"
    final = Message(Kind.FINAL, ROUNDS, ROUNDS, np.ones(8, np.float32))
    assert core.on_message(1.0, 1, final) == [] and core.waiting_for == {3}
    (mixed,) = core.on_timer(30.0, Timer.HAND_OUT, 3)
    assert isinstance(mixed, Mixed) and mixed.weights == {1: 1.0}, "what has come is taken without the mute one"
    mute = lagging(np.zeros(8, np.float32))
    asked(mute)
    assert [type(each) for each in mute.on_timer(30.0, Timer.HAND_OUT, 3)] == [Train]
    assert mute.on_message(31.0, 3, final) == [] and mute.on_timer(60.0, Timer.HAND_OUT, 3) == []
    assert asked(mute) == [1, 3], "over fresh links it asks again"
    asked_only(mute, 1)


def asked_only(core: HandOut, other: int) -> None:
    """Over a link that has not gone down nobody is asked again who did not answer."""
    core.on_peer(70.0, other, False)
    core.on_timer(90.0, Timer.HAND_OUT, 3)
    core.on_peer(91.0, other, True)
    core.on_message(91.0, other, Message(Kind.LEAVE, ROUNDS, ROUNDS))
    wants = [each.to for each in core.start(92.0) if isinstance(each, Send) and each.message.kind is Kind.WANT]
    assert wants == [other]


def test_somebody_who_goes_on_training_is_better_than_a_final_model() -> None:
    core = lagging(np.zeros(8, np.float32))
    core.on_peer(0.0, 3, True)
    core.on_message(0.0, 3, Message(Kind.LEAVE, ROUNDS, ROUNDS))
    core.start(0.0)
    assert [type(each) for each in core.on_peer(1.0, 1, True)] == [Train]


@pytest.mark.parametrize("home", [(), ((5, 8),), ((0, 2), (4, 6))])
def test_parts_at_home_stay_there(home: tuple[tuple[int, int], ...]) -> None:
    theirs, mine = np.arange(8, dtype=np.float32), -np.ones(8, np.float32)
    final = Final(20, home)
    packed = final.packed(theirs)
    assert packed.size == 20
    model = final.unpacked(packed, mine)
    assert model is not None
    kept = np.zeros(8, dtype=bool)
    for low, high in home:
        kept[low:high] = True
    assert (model[kept] == -1).all() and (model[~kept] == theirs[~kept]).all()
    assert not np.isin(theirs[kept & (theirs > 0)], packed).any(), "what stays home never left"


TWO_MEMBERS = "{members: [{id: 0, address: 'tcp://127.0.0.1:1'}, {id: 1, address: 'tcp://127.0.0.1:2'}]}"


@pytest.mark.parametrize(
    "more",
    [
        "",
        "gossip: {compression: int8}",
        "privacy: {exchange: masks}",
        "privacy: {exchange: submodels}",
        "privacy: {exchange: zero_sum}",
        "model: {trainable: head}\npeers: " + TWO_MEMBERS.replace("]}", "], widths: {1: 0.5}}"),
    ],
)
@pytest.mark.parametrize("one_machine", [False, True])
def test_members_stay_for_two_minutes_where_nothing_is_said_and_nothing_is_against_it(
    more: str, one_machine: bool
) -> None:
    begin = "version: 1\nname: x\ntopology: {kind: line}\n"
    peers = "" if "peers" in more else "peers: " + ("{loopback: {count: 2}}" if one_machine else TWO_MEMBERS) + "\n"
    said = contract_from_yaml(begin + peers + more)
    assert said.stays_s == (120.0 if not one_machine and not more else 0.0) and said.gossip.hand_out is None
    values = said.model_dump(mode="json")
    assert "hand_out" not in values["gossip"], "the digest of a contract that says nothing stays"
    if more:
        with pytest.raises(ValueError, match="hand_out"):
            Contract.model_validate({**values, "gossip": {**values["gossip"], "hand_out": 1}})
    for stated in (0.0, 5.0) if not more else (0.0,):
        it = Contract.model_validate({**values, "gossip": {**values["gossip"], "hand_out": stated}})
        assert it.stays_s == stated and Contract.model_validate(it.model_dump(mode="json")).stays_s == stated


def test_whole_models_and_compression_do_not_go_together() -> None:
    text = "version: 1\nname: x\ntopology: {kind: ring}\npeers: {loopback: {count: 5}}\n"
    with pytest.raises(ContractError, match="hand_out sends final models whole"):
        contract_from_yaml(text + "gossip: {hand_out: 60, compression: int8}\n")


# -- who was alone in the end ----------------------------------------------------------------------------------------


def cut_off(island: set[int], end: float, hand_out: float = 600.0, count: int = 5, **gossip: Any) -> Swarm:
    """The island's lines are cut from round 5 until all is over."""
    contract = contract_of(RING, count, ROUNDS, {"hand_out": hand_out, **gossip})
    faults = FaultModel(silence_s=0.5, partitions=(Partition(GONE_AT, end, frozenset(island)),))
    return run(contract, apart(count), idle, faults)


@pytest.mark.parametrize("protocol", ALL)
def test_one_whose_line_was_cut_to_the_end_takes_the_final_model_when_it_is_back(protocol: str) -> None:
    """It has trained all its rounds, the last ones alone: what the others have is the federation's."""
    swarm = cut_off({2}, BACK_AT, protocol=protocol)
    late = swarm.finished[2]
    assert (late.reason, late.rounds, late.skipped) == ("handed", ROUNDS, 0) and late.alone
    np.testing.assert_allclose(swarm.starts[2].params, (swarm.starts[1].params + swarm.starts[3].params) / 2, atol=1e-6)
    others = [swarm.finished[peer] for peer in (0, 1, 3, 4)]
    assert {finish.reason for finish in others} == {"rounds"} and max(swarm.left.values()) < BACK_AT + 20


def test_all_whose_lines_were_cut_take_the_mean_of_what_they_have() -> None:
    swarm = cut_off({1}, BACK_AT, count=2)
    assert {finish.reason for finish in swarm.finished.values()} == {"handed"}
    assert swarm.starts[0].params.tobytes() == swarm.starts[1].params.tobytes()
    alone = [swarm.mixed[peer][-2].params for peer in (0, 1)]
    np.testing.assert_allclose(swarm.starts[0].params, np.mean(alone, axis=0), atol=1e-6)


@pytest.mark.parametrize("hand_out", [0.0, 20.0])
def test_who_is_back_after_the_stated_time_has_its_own_model_and_says_so(hand_out: float) -> None:
    swarm = cut_off({2}, 500.0, hand_out)
    late = swarm.finished[2]
    assert (late.reason, late.rounds, late.is_whole) == ("rounds", ROUNDS, False)
    assert not any(mixed.handed for mixed in swarm.mixed[2]) and max(swarm.left.values()) < 100


@pytest.mark.parametrize("protocol", ALL)
def test_whoever_was_alone_goes_with_the_one_that_it_was_there_for_and_says_so(protocol: str) -> None:
    """All rounds alone, since the other one came when they were over: it had told that one that it may want more."""
    contract = contract_of({"kind": "line"}, 2, 3, {"protocol": protocol, "hand_out": 600.0, "join_timeout_s": 2})
    swarm = run(contract, apart(2), idle, FaultModel(late={1: 60.0}))
    assert (swarm.finished[0].reason, swarm.finished[1].reason) == ("rounds", "handed")
    assert max(swarm.left.values()) < 60 + 20


def test_what_one_neighbour_says_replaces_no_model_where_rules_stand_against_liars() -> None:
    swarm = cut_off({2}, BACK_AT, aggregation={"kind": "median"})
    assert not any(mixed.handed for mixed in swarm.mixed[2])


class Done(Liar):
    """Says with every round that it is done, and hands out a model of its own making."""

    def say(self, now: float, send: Send) -> list[Send]:
        done = [Send(send.to, Message(Kind.LEAVE, ROUNDS, ROUNDS))] if send.message.kind is Kind.OFFER else []
        return [send, *done]

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        if message.kind is not Kind.WANT:
            return super().on_message(now, sender, message)
        return [Send(sender, Message(Kind.FINAL, ROUNDS, ROUNDS, np.full(5, 99, np.float32)))]


@pytest.mark.parametrize("alone", ["train", "wait"])
def test_nor_ends_a_run_while_the_honest_neighbour_sleeps(alone: str) -> None:
    """The liar's model was the run's then, though one of two neighbours is what the median stands up to."""
    gossip = {"hand_out": 600.0, "aggregation": {"kind": "median"}, "alone": alone}
    sleeps = FaultModel(crashes=(Crash(GONE_AT, 1, 20.0),), silence_s=0.5)
    swarm = run(contract_of(RING, 5, ROUNDS, gossip), apart(5), idle, sleeps, liars={3: Done})
    assert not any(mixed.handed for mixed in swarm.mixed[2]) and abs(swarm.starts[2].params).max() < 99
    assert swarm.finished[2].reason == "rounds" and swarm.finished[2].rounds == ROUNDS


def test_where_all_neighbours_are_done_one_that_stands_up_to_liars_takes_the_middle_of_all() -> None:
    core = lagging(np.zeros(8, np.float32), averages=False)
    assert asked(core) == [1, 3]
    first, second = (Message(Kind.FINAL, ROUNDS, ROUNDS, np.full(8, each, np.float32)) for each in (99.0, 0.5))
    assert core.on_message(1.0, 1, first) == []
    (mixed,) = core.on_message(1.0, 3, second)
    assert isinstance(mixed, Mixed) and mixed.params.tolist() == [0.5] * 8
    in_vain = lagging(np.zeros(8, np.float32), averages=False)
    asked(in_vain)
    in_vain.on_message(1.0, 1, first)
    assert [type(each) for each in in_vain.on_timer(30.0, Timer.HAND_OUT, 3)] == [Train], "one is not enough"


def test_one_that_waits_for_a_final_model_and_is_stopped_ends_with_its_rounds() -> None:
    core = HandOut(_Last(), (1, 3), Place(np.zeros(8, np.float32), ROUNDS - 1, Progress(trained=ROUNDS - 1)), Final(8),
                   stays_s=60, patience_s=30, rounds=ROUNDS)  # fmt: skip
    core.on_peer(0.0, 1, True)
    core.on_message(0.0, 1, Message(Kind.LEAVE, ROUNDS, ROUNDS))
    core.start(0.0)
    said = core.on_evaluated(1.0, None)
    assert [each.message.kind for each in said if isinstance(each, Send)] == [Kind.LEAVE, Kind.WANT]
    assert core.waiting_for == {1, 3} and said[-1] == Finish("rounds", ROUNDS, alone=1, stays_s=60)
    assert core.on_timer(31.0, Timer.HAND_OUT, ROUNDS) == [], "the mute one is given up"
    given, again = (core.on_message(32.0, 3, Message(Kind.WANT, 3))[0].message for _ in range(2))
    assert given.kind is Kind.FINAL, "who is behind gets what it has"
    assert again == given and again.params is given.params, "which a link takes for what it has queued already"
    assert core.on_stop(33.0) == [Leave()]


class _Last(Ended):
    """Ends its last round alone."""

    def __init__(self) -> None:
        super().__init__(Progress(), ROUNDS)

    def start(self, now: float) -> list[Any]:
        return [Mixed(ROUNDS - 1, np.zeros(8, np.float32), {}, {}, {}, 0.0, alone=True)]

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Any]:
        return [Finish("rounds", ROUNDS, alone=1)]


class _EndsAtAWord(_Last):
    """Done as soon as anybody speaks."""

    def on_message(self, now: float, sender: int, message: Message) -> list[Any]:
        return [Finish("rounds", ROUNDS)]


def test_whoever_ends_at_the_last_ones_goodbye_goes_once() -> None:
    core = HandOut(_EndsAtAWord(), (1,), Place(np.zeros(8, np.float32), ROUNDS, Progress(trained=ROUNDS)), Final(8),
                   stays_s=60, patience_s=30, rounds=ROUNDS)  # fmt: skip
    core.on_peer(0.0, 1, True)
    said = core.on_message(1.0, 1, Message(Kind.LEAVE, ROUNDS, ROUNDS))
    assert [type(each) for each in said if not isinstance(each, Send)] == [Finish, Leave]


class _Alone(Ended):
    """A core that ends since nobody is left to train with."""

    def __init__(self) -> None:
        super().__init__(Progress(trained=3), 3)

    def start(self, now: float) -> list[Any]:
        return [Send(1, Message(Kind.LEAVE, 3, 3)), Finish("alone", 3)]


def about_to_end_alone() -> HandOut:
    core = HandOut(_Alone(), (1, 3), Place(np.zeros(8, np.float32), 3, Progress(trained=3)), Final(8), stays_s=60,
                   patience_s=30, rounds=ROUNDS)  # fmt: skip
    core.on_peer(0.0, 1, True)
    core.on_message(0.0, 1, Message(Kind.LEAVE, ROUNDS, ROUNDS))
    assert core.start(0.0) == [Send(1, Message(Kind.WANT, 3)), SetTimer(Timer.HAND_OUT, 3, 30.0)]
    return core


def test_who_ends_alone_asks_before_it_says_so() -> None:
    end = [Send(1, Message(Kind.LEAVE, 3, 3)), Finish("alone", 3)]
    assert about_to_end_alone().on_timer(30.0, Timer.HAND_OUT, 3) == end, "the one that is asked is mute"
    assert about_to_end_alone().on_peer(5.0, 1, False)[-1:] == end[-1:], "or goes"
    assert about_to_end_alone().on_stop(5.0) == [end[0], Finish("stopped", 3)], "or the user does not wait for it"
    core = about_to_end_alone()
    assert core.on_peer(1.0, 3, True) == [], "who is back too late to train with changes nothing"
    (taken,) = core.on_message(5.0, 1, Message(Kind.FINAL, ROUNDS, ROUNDS, np.ones(8, np.float32)))
    assert isinstance(taken, Mixed) and taken.handed and taken.params.tolist() == [1.0] * 8
    assert core.on_evaluated(6.0, None)[-1] == Finish("handed", 3, skipped=ROUNDS - 3, stays_s=60)
    core = about_to_end_alone()
    core.on_message(5.0, 1, Message(Kind.FINAL, ROUNDS, ROUNDS, np.ones(8, np.float32)))
    assert core.on_stop(5.5)[-1] == Finish("stopped", 3), "while it is stored"
