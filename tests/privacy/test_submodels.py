"""A part of the model for each neighbour: what one sees, what several see, and that all of it is still averaged."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2pfl_me.choice import derive_seed
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract, load_contract
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.exchange import Exchange
from p2pfl_me.gossip.kind import Start
from p2pfl_me.gossip.protocol import Action, Protocol, Send
from p2pfl_me.gossip.rounds import by_part, exchange_of
from p2pfl_me.gossip.wrapped import Wrapped
from p2pfl_me.membership.agreed import require_newcomers
from p2pfl_me.message import Places, Vector
from p2pfl_me.options import RunOptions
from p2pfl_me.peer.replay import replay
from p2pfl_me.privacy.exchanges.submodels import Submodels
from p2pfl_me.simulation import trials
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.simulation.faults import Crash, FaultModel, LinkQuality
from p2pfl_me.simulation.lockstep import run_lockstep
from p2pfl_me.simulation.trials import SIZE, Journal, Trial, play
from p2pfl_me.topology import Schedule, schedule_of
from p2pfl_me.topology.submodels import Dealt
from tests.small import events, here, write_contract, write_vectors

MESH: Mapping[str, Any] = {"kind": "mesh"}
EPIDEMIC: Mapping[str, Any] = {"kind": "epidemic", "meets": 2}
GRAPHS = [
    *((MESH, count, parts) for count in (4, 5, 6, 7) for parts in range(2, count // 2 + 1)),
    ({"kind": "regular", "degree": 4}, 9, 2),
    ({"kind": "exponential"}, 8, 2),
    (EPIDEMIC, 7, 3),
]


def contract(topology: Mapping[str, Any] = MESH, count: int = 6, parts: int = 2, **sections: Any) -> Contract:
    return Contract.model_validate(
        {
            "version": 1,
            "name": "parts",
            "topology": topology,
            "peers": {"loopback": {"count": count}},
            "training": {"rounds": 4},
            "gossip": {"deadline": {"min_s": 2.0, "max_s": 30.0}},
            "privacy": {"exchange": {"kind": "submodels", "parts": parts}},
        }
        | sections
    )


@pytest.mark.parametrize(("size", "parts"), [(1, 1), (5, 5), (1715, 2), (1000, 7), (64, 64)])
def test_every_place_is_in_one_part_and_parts_are_equal(size: int, parts: int) -> None:
    dealt = Submodels.model_construct(kind="submodels", parts=parts).dealt(size, 11)
    assert len(dealt) == parts and sorted(np.concatenate(dealt)) == list(range(size))
    assert {each.size for each in dealt} <= {size // parts, -(-size // parts)}
    assert all((np.diff(each) > 0).all() for each in dealt)


def test_how_places_are_dealt_is_the_same_for_ever() -> None:
    """Else peers of two versions would average values of different places."""
    first, _ = Submodels().dealt(1715, 11)
    assert hashlib.sha256(first.astype("<i8").tobytes()).hexdigest()[:16] == "60eb9da98975a8ba"
    assert abs(np.corrcoef(first[:-1], np.diff(first))[0, 1]) < 0.1, "at random"


def carried(agreed: Contract, plan: Schedule, peer: int, size: int) -> Mapping[int, Places]:
    return by_part(agreed, Dealt(agreed, plan), peer, plan.neighbours(peer), size)


def sides_of(agreed: Contract, plan: Schedule, size: int) -> list[Exchange]:
    start = Start(np.zeros(size, np.float32))
    return [exchange_of(agreed, plan, peer, start) for peer in range(plan.size)]


def one_round(
    sides: list[Exchange], plan: Schedule, round: int, models: Sequence[Vector], lost: frozenset[tuple[int, int]]
) -> list[Vector]:
    after = []
    for peer, own in enumerate(models):
        row = plan.weights(peer, round)
        there = [other for other in row if (min(peer, other), max(peer, other)) not in lost]
        sent = {other: sides[peer].pack(other, round, own) for other in there}
        got = {other: sides[other].pack(peer, round, models[other]) for other in there}
        assert all(sides[peer].fault(other, round, content) is None for other, content in got.items())
        after.append(sides[peer].average(own, row, round, sent, got).params)
    return after


@pytest.mark.parametrize(("topology", "count", "parts"), GRAPHS)
def test_every_value_is_mixed_by_a_doubly_stochastic_matrix_of_its_own_whatever_is_lost(
    topology: Mapping[str, Any], count: int, parts: int
) -> None:
    agreed, random = contract(topology, count, parts), np.random.default_rng(1)
    plan, size = schedule_of(agreed), 40
    sides, dealt = sides_of(agreed, plan, size), Dealt(agreed, plan)
    models = list(random.normal(size=(count, size)).astype(np.float32))
    for round in range(4):
        lost = frozenset(pair for pair in dealt.part_of if random.random() < 0.2 * (round % 2))
        after = one_round(sides, plan, round, models, lost)
        for part in range(parts):
            matrix = np.eye(count)
            for edge in plan.edges(round):
                if dealt.part(edge.a, edge.b) == part and (edge.a, edge.b) not in lost:
                    weight = dealt.weight(edge.a, edge.b, round)
                    assert weight == dealt.weight(edge.b, edge.a, round)
                    matrix[[edge.a, edge.b], [edge.b, edge.a]] = weight
                    matrix[[edge.a, edge.b], [edge.a, edge.b]] -= weight
            assert (matrix >= 0).all() and np.allclose(matrix.sum(0), 1) and np.array_equal(matrix, matrix.T)
            places = by_places(agreed, plan, part, size)
            np.testing.assert_allclose(
                np.array(after)[:, places], matrix @ np.array(models)[:, places], atol=1e-6, rtol=1e-5
            )
        np.testing.assert_allclose(np.mean(after, 0), np.mean(models, 0), atol=1e-6)
        models = after


def by_places(agreed: Contract, plan: Schedule, part: int, size: int) -> Places:
    """The places of a part, found at some edge that carries it."""
    low, high = next(pair for pair, its in Dealt(agreed, plan).part_of.items() if its == part)
    return carried(agreed, plan, low, size)[high]


@pytest.mark.parametrize(("topology", "count", "parts"), GRAPHS[2::3])
def test_all_come_to_agree_on_the_average_of_every_value(topology: Mapping[str, Any], count: int, parts: int) -> None:
    agreed, random = contract(topology, count, parts), np.random.default_rng(2)
    plan = schedule_of(agreed)
    sides = sides_of(agreed, plan, 12)
    models = list(random.normal(size=(count, 12)).astype(np.float32))
    goal = np.mean(models, 0)
    for round in range(150):
        models = one_round(sides, plan, round, models, frozenset())
    np.testing.assert_allclose(models, np.tile(goal, (count, 1)), atol=0.01)


@pytest.mark.parametrize(("topology", "count", "parts"), GRAPHS)
def test_so_many_neighbours_together_hold_so_many_parts_at_most(
    topology: Mapping[str, Any], count: int, parts: int
) -> None:
    agreed = contract(topology, count, parts)
    plan, size = schedule_of(agreed), 100
    for peer in range(count):
        seen = carried(agreed, plan, peer, size)
        assert set(seen) == set(plan.neighbours(peer))
        for colluding in range(1, parts):
            most = max(len(set().union(*map(set, some))) for some in combinations(map(tuple, seen.values()), colluding))
            assert most <= colluding * -(-size // parts)
        assert set().union(*map(set, map(tuple, seen.values()))) == set(range(size)), "each part goes to somebody"


class Wiretap(Wrapped):
    """A core of which every model that it sends is kept, by whom it went to."""

    def __init__(self, core: Protocol, peer: int, sent: dict[tuple[int, int], set[bytes]]) -> None:
        super().__init__(core)
        self._peer, self._sent = peer, sent

    def _out(self, actions: Sequence[Action]) -> list[Action]:
        for each in actions:
            if isinstance(each, Send) and each.message.content is not None:
                self._sent[self._peer, each.to] |= words(each.message.content)
        return list(actions)


def words(values: np.ndarray[Any, Any]) -> set[bytes]:
    """float32 values, as they are or as the bytes that travel, each as its four bytes; zeros left out."""
    return {value.tobytes() for value in np.ascontiguousarray(values).view("<f4") if value}


def overheard(agreed: Contract, faults: FaultModel, patch: pytest.MonkeyPatch) -> tuple[Journal, Mapping[Any, Any]]:
    """A run, and all values that each peer was ever sent by each neighbour."""
    sent: dict[tuple[int, int], set[bytes]] = defaultdict(set)
    make = trials.core_of
    with patch.context() as within:
        within.setattr(trials, "core_of", lambda *given: Wiretap(make(*given), given[1], sent))
        return play(Trial(1, agreed, faults))[1], sent


BAD = FaultModel(LinkQuality((0.01, 0.6), None, 0.1, 0.1, 0.2), compute_s=(0.5, 1.5), crashes=(Crash(2.5, 1, 6.0),))


@pytest.mark.parametrize("protocol", ["dpsgd", "qg_dsgdm", "overlap"])
def test_no_neighbour_is_ever_sent_a_value_of_a_place_outside_of_its_part(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """In all rounds together, messages lost, doubled and out of order, with a crash and a second life."""
    gossip = {"deadline": {"min_s": 2.0, "max_s": 30.0}, "protocol": protocol}
    agreed = contract(EPIDEMIC, 6, 3, gossip=gossip)
    journal, sent = overheard(agreed, BAD, monkeypatch)
    dealt, told = Dealt(agreed, schedule_of(agreed)), 0
    places = agreed.privacy.exchange.dealt(SIZE, derive_seed(agreed.seed, "submodels", "places"))
    for (sender, receiver), said in sent.items():
        mine = places[dealt.part(sender, receiver)]
        others = np.setdiff1d(np.arange(SIZE), mine)
        for (peer, _), versions in journal.trained.items():
            if peer == sender:
                for trained in versions:
                    assert not said & words(trained[others])
                    told += len(said & words(trained[mine]))
    assert told > 300, "and of its part it is sent the values"


def test_the_same_search_finds_all_values_where_models_travel_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    agreed = contract(EPIDEMIC, 6, 3, privacy={})
    journal, sent = overheard(agreed, FaultModel(), monkeypatch)
    met = [(a, b) for (a, b) in sent if words(journal.trained[a, 0][0]) <= sent[a, b]]
    assert len(met) >= 6


@pytest.mark.thorough
def test_the_simulator_and_lockstep_end_with_the_same_bits_and_half_the_bytes(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "vectors.safetensors", range(8), per_subject=4)
    path = write_contract(
        tmp_path / "c.yaml", 4, topology=str(dict(EPIDEMIC)), training="{rounds: 2, local_epochs: 1, batch_size: 64}"
    )
    ends, sizes = [], []
    for name, engine, exchange in (
        ("simulated", simulate, "submodels"),
        ("lockstep", run_lockstep, "submodels"),
        ("plain", run_lockstep, "plain"),
    ):
        agreed = load_contract(path, [f"privacy.exchange={exchange}"])
        run = tmp_path / name
        assert engine(agreed, RunOptions(home=tmp_path / "home", run=run, data=vectors), Console(quiet=True)) == 0
        ends.append([events(run, peer, "finish")[-1]["digest"] for peer in range(4)])
        sizes.append(sum(events(run, peer, "round")[-1]["bytes_sent"] for peer in range(4)))
    assert ends[0] == ends[1] != ends[2]
    assert sizes[0] == pytest.approx(sizes[2] / 2, rel=0.01) == pytest.approx(sizes[1], rel=0.01)


@pytest.mark.thorough
@pytest.mark.processes
def test_real_peers_end_with_the_bits_of_the_simulator_and_live_their_record_again(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "vectors.safetensors", range(12))
    path = write_contract(tmp_path / "mesh.yaml", 4, topology="{kind: mesh}", training="{rounds: 3, local_epochs: 1}")
    parts = ["--set", "privacy.exchange={kind: submodels, parts: 2}"]
    run, simulated = tmp_path / "run", RunOptions(home=tmp_path / "home", run=tmp_path / "simulated", data=vectors)
    options = ["--data", vectors, "--no-report", "--record", "--out", run]
    code, output = here(tmp_path / "home", "swarm", path, *options, *parts)
    assert code == 0, output
    agreed = load_contract(path, parts[1::2])
    assert simulate(agreed, simulated, Console(quiet=True)) == 0
    for peer in range(4):
        here_, there = (events(folder, peer, "finish")[-1]["digest"] for folder in (run, simulated.run))
        assert here_ == there and replay(run, peer).difference is None
        sent = [json.loads(line) for line in (run / f"egress-{peer}.jsonl").read_text().splitlines()]
        most = max(each["bytes"] for each in sent if each["kind"] in ("offer", "answer"))
        assert 0 <= most - 4 * -(-agreed.model.layout.size // 2) < 100


@pytest.mark.parametrize(
    ("section", "value", "named"),
    [
        ("gossip", {"protocol": "gradient_tracking"}, "gradient_tracking sends its models whole"),
        ("gossip", {"protocol": "push"}, "push sends its models whole"),
        ("gossip", {"aggregation": "median"}, "median"),
        ("gossip", {"compression": "int8"}, "int8"),
        ("gossip", {"weights": "constant"}, "weights constant are of the whole graph"),
        ("gossip", {"hand_out": 5}, "hand_out"),
        ("gossip", {"patience": {"rounds": 3, "of": "everyone"}}, "sketches of the whole model"),
        ("peers", {"loopback": {"count": 6}, "widths": {1: 0.5}}, "widths"),
    ],
)
def test_what_would_show_more_is_refused(section: str, value: Mapping[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        contract(**{section: value, "data": {"validation_fraction": 0.1}})
    with pytest.raises(ValueError, match="decor"):
        contract(privacy={"exchange": {"kind": "submodels"}, "noise": "decor", "budget": {"epsilon": 8}})


def test_a_newcomer_is_given_no_whole_model_and_no_place_is_left_without_a_part() -> None:
    agreed = contract()
    with pytest.raises(ContractError, match="shows nobody a whole one"):
        require_newcomers(agreed, 5)
    with pytest.raises(ContractError, match="1 values are exchanged"):
        carried(agreed, schedule_of(agreed), 0, 1)
