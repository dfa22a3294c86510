"""What receivers that lie, and neighbours that tell them all, can compute together under masks: by rank, over all small
cases. A *finding* is a combination of models, with weights that are not all zero; one of few honest models is a leak.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain, combinations, product
from random import Random

import pytest

from p2pfl_me.errors import ContractError
from p2pfl_me.privacy.exchanges.masks import Masks
from p2pfl_me.privacy.mask_keys import sealed
from p2pfl_me.privacy.mask_words import digest_of
from p2pfl_me.privacy.masks import read_pledge
from p2pfl_me.simulation.faults import Crash, FaultModel
from p2pfl_me.topology import Schedule, plan_of, schedule_of
from p2pfl_me.topology.enough import least_in_a_sum
from tests.privacy.around import RECEIVER, Around
from tests.privacy.test_masked_runs import contract, run

Rows = list[list[Fraction]]


# -- linear algebra without rounding --------------------------------------------------------------------------------


def reduced(rows: Rows, columns: Sequence[int]) -> tuple[Rows, Rows]:
    """By Gaussian elimination on some columns: rows with a leading value there, and those that are zero there."""
    rest, leading = [list(row) for row in rows], []
    for column in columns:
        pivot = next((row for row in rest if row[column]), None)
        if pivot is None:
            continue
        rest = [row for row in rest if row is not pivot]
        for row in rest:
            if row[column]:
                factor = row[column] / pivot[column]
                row[:] = [a - factor * b for a, b in zip(row, pivot, strict=True)]
        leading.append(pivot)
    return leading, rest


def fewest(rows: Rows, models: int, below: int) -> int:
    """The fewest models, columns 0 .. `models` - 1, of any finding in the span of `rows`, `below` if there are none of
    fewer."""
    used = [each for each in range(models) if any(row[each] for row in rows)]
    for size in range(1, below):
        for few in combinations(used, size):
            _, left = reduced(rows, [each for each in used if each not in few])
            if any(any(row[:models]) for row in left):
                return size
    return below


def test_the_search_for_findings_finds_those_that_are_there() -> None:
    ones = [[Fraction(value) for value in row] for row in ([1, 1, 1, 0], [1, 1, 1, 1], [2, 2, 2, 0])]
    assert fewest(ones[:1], 4, 4) == 3 and fewest(ones[1:2], 4, 4) == 4
    assert fewest(ones[:2], 4, 4) == 1  # the difference
    assert fewest(ones[::2], 4, 4) == 3  # twice the same says nothing more


# -- receivers that put their sums together -------------------------------------------------------------------------


def subsets(of: Sequence[int], least: int) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(of, size) for size in range(least, len(of) + 1)))


def leaks(name: str, colluders: int, least: int, honest: int) -> Iterator[str]:
    """Of all coalitions of `colluders` + 1 receivers and all rosters that their neighbours would answer, those that
    find something of fewer than `honest` models. Whatever else a receiver says shows it one roster's sum or none
    (below), and another round's models are others: so these are all cases of a round, and of a run."""
    graph = schedule(name)
    peers = range(graph.size)
    weights = {
        peer: {k: Fraction(weight).limit_denominator(1000) for k, weight in graph.weights(peer, 0).items()}
        for peer in peers
    }
    for coalition in combinations(peers, colluders + 1):
        if name in ALIKE and coalition[0] != 0:
            continue
        others = [peer for peer in peers if peer not in coalition]
        rosters = [subsets(graph.neighbours(peer), least) for peer in coalition]
        parts = {}  # what the coalition itself has put in it knows
        for chosen in product(*rosters):
            parts[tuple(tuple(each for each in roster if each in others) for roster in chosen)] = chosen
        for known, chosen in parts.items():
            rows = [
                [weights[receiver][peer] if peer in roster else Fraction(0) for peer in others]
                for receiver, roster in zip(coalition, known, strict=True)
            ]
            if fewest(rows, len(others), honest) < honest:
                yield f"{dict(zip(coalition, chosen, strict=True))}"


GRAPHS: Mapping[str, tuple[int, dict[str, object]]] = {
    "mesh": (6, {"kind": "mesh"}),
    "torus": (9, {"kind": "torus", "rows": 3, "columns": 3}),
    "regular": (8, {"kind": "regular", "degree": 4}),
    "hypercube": (32, {"kind": "hypercube"}),
}
ALIKE = ("mesh", "torus", "hypercube")
"""Graphs on which every peer stands as every other does."""


def schedule(name: str) -> Schedule:
    count, topology = GRAPHS[name]
    return schedule_of(contract(count, exchange={"kind": "plain"}, topology=topology))


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("colluders", [0, 1, 2])
@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.thorough) if each == "hypercube" else each for each in GRAPHS]
)
def test_no_coalition_within_the_contracts_finds_fewer_honest_models_whomever_each_leaves_out(
    name: str, colluders: int, pairs: bool
) -> None:
    form, graph = Masks(kind="masks", colluders=colluders, allow_pairs=pairs), schedule(name)
    least = least_in_a_sum(form, graph)
    if any(len(graph.neighbours(peer)) < least for peer in range(graph.size)):
        count, topology = GRAPHS[name]
        with pytest.raises(ContractError, match="and a sum under masks holds"):
            plan_of(contract(count, exchange=form.model_dump(), topology=topology))
        return
    assert not [*leaks(name, colluders, least, form.honest)]


@pytest.mark.parametrize("name", ["mesh", "regular"])
def test_three_honest_models_in_each_sum_are_not_enough_against_two_receivers(name: str) -> None:
    """What `colluders: 1` was once: four models a sum. One leaves out whom the other does not: there is its model."""
    assert [*leaks(name, 1, Masks(kind="masks", colluders=1).least, 3)]


def test_on_a_mesh_that_expects_collusion_a_sum_holds_all_or_is_not_made() -> None:
    exchange = {"kind": "masks", "colluders": 1}
    faults = FaultModel(compute_s=(1.0, 1.0), crashes=(Crash(4.5, 1, 40.0),), silence_s=0.5)
    simulation, journal = run(faults, count=6, exchange=exchange, training={"rounds": 8})
    assert {each.reason for each in simulation.finished.values()} == {"rounds"}
    assert {len(mixed.weights) for _, _, mixed in journal.all_mixed()} <= {0, 5}
    assert all(len(journal.mixed[peer, 7][0].weights) == 5 for peer in range(6))


# -- one receiver, whatever it tells to whom ------------------------------------------------------------------------


def told_all(
    around: Around,
    circles: Mapping[int, Sequence[int]],
    rosters: Mapping[int, Sequence[int]],
    colluders: frozenset[int],
) -> tuple[Rows, int]:
    """All that a receiver and its colluders know of round 0: a row for each masked model, over the honest models, and
    behind them the masks that they cannot compute. What they can they subtract."""
    honest = [peer for peer in range(around.count) if peer not in colluders]
    pledges = {}
    for peer, roster in rosters.items():
        content = around.givers[peer].pledge(RECEIVER, 0, around.named(*roster))
        assert content is not None
        pledges[peer] = read_pledge(content)
    own = set()
    for peer, pledge in pledges.items():
        digest = digest_of({each: around.lives[each] for each in rosters[peer]})
        tokens = [
            around.keys[other].token(other, peer, around.lives[peer], RECEIVER, 0, digest)
            if other in colluders
            else pledges[other].tokens.get(peer, b"")
            for other in sorted(rosters[peer])
            if other != peer and (other in colluders or other in pledges)
        ]
        if around.keys[peer].own_seed(RECEIVER, 0) in (
            pledge.own,
            sealed(pledge.own, tokens),
        ):  # told without a seal, or open
            own.add(peer)
    shown = {seed for pledge in pledges.values() for seed in pledge.seeds.values()}
    masks: list[object] = [("own", peer) for peer in honest if peer not in own]
    masks += [
        (one, other)
        for one, other in combinations(honest, 2)
        if around.keys[one].seed(other, around.lives[other], RECEIVER, 0) not in shown
    ]
    rows = []
    for peer in honest:
        row = [Fraction(int(each == peer)) for each in honest] + [Fraction(0)] * len(masks)
        laid = [(("own", peer), 1), *(((min(peer, k), max(peer, k)), 1 if k > peer else -1) for k in circles[peer])]
        for mask, sign in laid:
            if mask in masks:
                row[len(honest) + masks.index(mask)] += sign
        rows.append(row)
    return rows, len(honest)


def lies(
    count: int, least: int, colluders: frozenset[int], tries: int
) -> Iterator[tuple[dict[int, tuple[int, ...]], ...]]:
    """What a receiver may tell each of its neighbours of who is around it, and then of whose models it has: drawn, and
    half of the time alike for most, so that sums open."""
    random = Random(f"{count} {least} {sorted(colluders)}")
    honest = [peer for peer in range(count) if peer not in colluders]
    for _ in range(tries):
        ways = subsets(range(count), least)
        alike = random.choice(ways)
        circles, rosters = {}, {}
        for peer in honest:
            circle = random.choice([each for each in ways if peer in each])
            circles[peer] = tuple(range(count)) if random.random() < 0.6 else circle
            within = [each for each in ways if peer in each and set(each) <= set(circles[peer])]
            rosters[peer] = alike if alike in within and random.random() < 0.8 else random.choice(within)
        left_out = [peer for peer in honest if random.random() < 0.1]
        yield circles, {peer: roster for peer, roster in rosters.items() if peer not in left_out}


MORE = ((3, 0), (5, 0), (6, 0), (4, 1), (6, 1), (6, 2))
TRIES = 40


@pytest.mark.parametrize(
    ("count", "colluding"), [(4, 0), (5, 1), *(pytest.param(*each, marks=pytest.mark.thorough) for each in MORE)]
)
def test_whatever_a_receiver_says_of_who_is_around_it_and_who_is_absent_it_finds_one_sum_or_nothing(
    count: int, colluding: int
) -> None:
    colluders = frozenset(range(count - colluding, count))
    found = 0
    for circles, rosters in lies(count, 3 + colluding, colluders, TRIES):
        around = Around(count, least=3 + colluding, circles=circles)
        rows, models = told_all(around, circles, rosters, colluders)
        _, sums = reduced(rows, range(models, len(rows[0])))
        assert len(sums) <= 1, (circles, rosters)  # of two sums there would be a difference
        found += len(sums)
        assert fewest(sums, models, 3) == 3, (circles, rosters)
    assert found
