"""Masks: sums are those of the models, what is told is told once, and a receiver that lies learns less, never more."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, product
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.errors import WireError
from p2pfl_me.privacy import masks
from p2pfl_me.privacy.fixed_point import FixedPoint
from p2pfl_me.privacy.mask_keys import MaskKeys, sealed
from p2pfl_me.privacy.mask_words import Pledge, digest_of
from p2pfl_me.privacy.masks import Giver, read_pledge
from tests.privacy.around import RECEIVER, SIZE, Around, ring

Rosters = dict[int, tuple[int, ...]]
"""What the receiver tells each of its neighbours of who is there."""


# -- numbers --------------------------------------------------------------------------------------------------------


@given(
    bits=st.sampled_from([8, 16, 32]),
    terms=st.integers(1, 20),
    seed=st.integers(0, 2**32),
    scale=st.sampled_from([1e-3, 0.5, 1.0, 3.0]),
)
def test_a_sum_of_words_is_the_sum_of_the_values_but_for_their_rounding(
    bits: int, terms: int, seed: int, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    point = FixedPoint(bits, 1.0, terms)
    values = (rng.uniform(-scale, scale, (terms, 50))).astype(np.float32)
    weights = rng.dirichlet(np.ones(terms + 1))[:terms]
    total = point.nothing(50)
    for number, (own, weight) in enumerate(zip(values, weights, strict=True)):
        total += point.words(own, float(weight), number)
    wanted = np.clip(values, -1, 1).astype(np.float64).T @ weights
    assert np.abs(point.values(total) - wanted).max() <= point.error + 1e-6


def test_small_values_are_not_lost_by_few_bits() -> None:
    """Rounding to the nearest would make nothing of what is less than half a step."""
    point = FixedPoint(8, 1.0, 4)
    words = point.words(np.full(20_000, 0.01, np.float32), 0.2, 1)
    assert 0.0015 < float(point.values(words).mean()) < 0.0025


# -- sums -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("roster", [(0, 1, 2, 3, 4), (0, 2, 3, 4), (1, 2, 4)])
def test_a_roster_opens_to_the_sum_of_its_models_whoever_is_absent(bits: int, roster: tuple[int, ...]) -> None:
    around = Around(5, bits=bits)
    pledges = {peer: told(around, peer, roster) for peer in roster}
    lives = {peer: around.lives[peer] for peer in roster}
    total = around.summer.total(lives, around.read, pledges, SIZE)
    assert np.abs(total - around.mean(lives)).max() <= around.point.error + 1e-6


def test_a_sum_lacks_its_opening_as_long_as_one_pledge_does() -> None:
    around = Around(4)
    pledges = {peer: told(around, peer, (0, 1, 2, 3)) for peer in (0, 1, 2)}
    with pytest.raises(WireError, match="without its word on peer"):
        around.summer.total(around.lives, around.read, pledges, SIZE)


def test_those_who_masked_for_others_are_left_off_the_roster() -> None:
    """A neighbour that has begun anew, and one that has not heard of it yet."""
    around = Around(5)
    anew = MaskKeys(4, ring(4, 5, life=1)).public
    assert set(around.summer.roster(around.lives, around.read)) == {0, 1, 2, 3, 4}
    assert set(around.summer.roster({**around.lives, 4: anew}, around.read)) == {0, 1, 2, 3}
    assert around.summer.roster({0: around.lives[0], 1: around.lives[1]}, around.read) == {}


# -- what is told ---------------------------------------------------------------------------------------------------


def test_neighbours_that_are_all_killed_in_a_round_are_in_no_second_sum_of_it() -> None:
    """Three of five come again, train the round to the same bits and are asked for a roster of themselves: the two sums
    would show what the other two sum to. Who had pledged itself to nothing gives again."""
    kept = {peer: ring(peer, 5) for peer in range(5)}
    around = {RECEIVER: frozenset(range(5))}
    lives = [Around(5), Around(5)]
    first = {peer: Giver(peer, MaskKeys(peer, kept[peer]), lives[0].point, 3, around) for peer in range(5)}
    lives[0].givers = first
    for peer in range(5):
        assert lives[0].give(peer, 1) is not None and lives[0].give(peer, 2) is not None
        assert first[peer].pledge(RECEIVER, 1, lives[0].named(0, 1, 2, 3, 4)) is not None
    keys = {peer: MaskKeys(peer, ring(peer, 5, life=1, before=kept[peer])) for peer in (0, 1, 2)}
    circle = {**lives[0].lives, **{peer: each.public for peer, each in keys.items()}}
    again = {peer: Giver(peer, each, lives[0].point, 3, around) for peer, each in keys.items()}
    for peer, giver in again.items():
        model = lives[0].models[peer]
        assert giver.give(RECEIVER, 1, model, 0.2, circle, peer) is None
        assert giver.give(RECEIVER, 2, model, 0.2, circle, peer) is not None


def test_no_model_is_masked_twice_for_one_receiver_and_round() -> None:
    around = Around(4)
    assert around.givers[0].give(RECEIVER, 0, around.models[1], 0.2, around.lives, 0) is None
    assert around.givers[0].give(RECEIVER, 1, around.models[1], 0.2, around.lives, 0) is not None


def test_a_model_is_kept_from_a_circle_that_is_too_small_or_of_strangers() -> None:
    around = Around(4)
    giver, lives = around.givers[0], around.lives
    assert giver.give(RECEIVER, 1, around.models[0], 0.2, {0: lives[0], 1: lives[1]}, 0) is None
    strangers = {**lives, 2: lives[2], 77: lives[3]}
    del strangers[3]
    assert giver.others(RECEIVER, strangers) == {1: lives[1], 2: lives[2]}
    assert giver.give(RECEIVER, 1, around.models[0], 0.2, {1: lives[1], 2: lives[2], 3: lives[3]}, 0) is None


def test_a_second_roster_is_refused_and_the_same_one_answered_again() -> None:
    around = Around(5)
    giver = around.givers[0]
    first = giver.pledge(RECEIVER, 0, around.named(0, 1, 2, 3))
    assert first is not None
    again = giver.pledge(RECEIVER, 0, around.named(0, 1, 2, 3))
    assert again is not None and np.array_equal(first, again)
    with pytest.raises(WireError, match="a second roster"):
        giver.pledge(RECEIVER, 0, around.named(0, 1, 2, 4))


@pytest.mark.parametrize("roster", [(0, 1), (1, 2, 3), (0,)])
def test_a_roster_that_is_too_short_or_without_its_reader_is_answered_by_nothing(roster: tuple[int, ...]) -> None:
    around = Around(5)
    with pytest.raises(WireError):
        around.givers[0].pledge(RECEIVER, 0, around.named(*roster))
    assert around.givers[0].pledge(RECEIVER, 0, around.named(0, 1, 2)) is not None


def test_a_receiver_that_hands_round_a_key_of_its_own_making_knows_no_mask() -> None:
    """The pair's secret is made of the contract's keys, too."""
    forged = MaskKeys(1, ring(RECEIVER, 10))
    victim, real = MaskKeys(0, ring(0, 10)), MaskKeys(1, ring(1, 10))
    seed = victim.seed(1, forged.public, RECEIVER, 0)
    assert forged.seed(0, victim.public, RECEIVER, 0) != seed
    assert victim.seed(1, real.public, RECEIVER, 0) == real.seed(0, victim.public, RECEIVER, 0)


def test_masks_are_of_one_contract_life_receiver_and_round() -> None:
    one, other = MaskKeys(0, ring(0, 4)), MaskKeys(1, ring(1, 4))
    anew = MaskKeys(1, ring(1, 4, life=1))
    elsewhere = MaskKeys(0, ring(0, 4, contract=b"d" * 32)), MaskKeys(1, ring(1, 4, contract=b"d" * 32))
    seeds = {
        one.seed(1, other.public, 2, 0),
        one.seed(1, other.public, 2, 1),
        one.seed(1, other.public, 3, 0),
        one.seed(1, anew.public, 2, 0),
        elsewhere[0].seed(1, elsewhere[1].public, 2, 0),
        one.own_seed(2, 0),
    }
    assert len(seeds) == 6


# -- a receiver that lies -------------------------------------------------------------------------------------------


def told(around: Around, peer: int, roster: tuple[int, ...]) -> Pledge:
    content = around.givers[peer].pledge(RECEIVER, 0, around.named(*roster))
    assert content is not None
    return read_pledge(content)


def learned(around: Around, rosters: Rosters, colluders: frozenset[int] = frozenset()) -> list[frozenset[int]]:
    """The least sets of honest neighbours whose models' sum follows from the pledges, by all that the receiver has.

    Own masks open where all tokens are there; models that share a mask which nobody told stay together. Every sum that
    is found is computed, too: what is not shown here cannot be a gap of this search alone.
    """
    honest = [peer for peer in range(around.count) if peer not in colluders]
    pledges = {peer: told(around, peer, rosters[peer]) for peer in honest if peer in rosters}
    own: dict[int, bytes] = {}
    for peer, pledge in pledges.items():
        tokens = []
        for other in rosters[peer]:
            if other == peer:
                continue
            if other in colluders:
                digest = digest_of({each: around.lives[each] for each in rosters[peer]})
                keys = around.keys[other]
                tokens.append(keys.token(other, peer, around.lives[peer], RECEIVER, 0, digest))
            elif other in pledges and rosters[other] == rosters[peer]:
                tokens.append(pledges[other].tokens[peer])
        if len(tokens) == len(rosters[peer]) - 1:
            own[peer] = sealed(pledge.own, tokens)
        if pledge.own == around.keys[peer].own_seed(RECEIVER, 0):
            own[peer] = pledge.own  # told without a seal
    pairs: dict[tuple[int, int], bytes] = {}
    for one, other in product(range(around.count), repeat=2):
        if one in colluders and one != other:
            pairs[min(one, other), max(one, other)] = around.keys[one].seed(other, around.lives[other], RECEIVER, 0)
        elif one in pledges and other in pledges[one].seeds:
            pairs[min(one, other), max(one, other)] = pledges[one].seeds[other]
    groups = [frozenset([peer]) for peer in honest]
    for one, other in combinations(honest, 2):
        if (one, other) not in pairs:
            joined = next(g for g in groups if one in g) | next(g for g in groups if other in g)
            groups = [g for g in groups if not g & joined] + [joined]
    found = [
        group for group in groups if all(own.get(peer) == around.keys[peer].own_seed(RECEIVER, 0) for peer in group)
    ]
    for group in found:
        total = around.point.nothing(SIZE)
        for peer in sorted(group):
            total += around.point.from_bytes(around.read[peer].words)
            total -= around.point.from_bytes(masks.Streams(4 * SIZE).of(own[peer]))
            for other in around.read[peer].circle:
                if other not in group:
                    mask = around.point.from_bytes(
                        masks.Streams(4 * SIZE).of(pairs[min(peer, other), max(peer, other)])
                    )
                    total = total - mask if other > peer else total + mask
        assert np.abs(around.point.values(total) - around.mean(dict.fromkeys(group, b""))).max() < 1e-5
    return found


def lists(count: int, peer: int, least: int) -> list[tuple[int, ...]]:
    others = [each for each in range(count) if each != peer]
    sets = chain.from_iterable(combinations(others, size) for size in range(least - 1, count))
    return [tuple(sorted((peer, *each))) for each in sets]


def lies(count: int, least: int, honest: range, tries: int) -> Iterator[Rosters]:
    """What a receiver may tell each of its neighbours: everything where that is few, else drawn at random."""
    choices = [lists(count, peer, least) for peer in honest]
    if np.prod([len(each) for each in choices]) <= tries:
        for chosen in product(*choices):
            yield dict(zip(honest, chosen, strict=True))
        return
    random = Random(count)
    for _ in range(tries):
        # Half of the draws keep to few rosters, so that some of them are complete.
        shared = [random.choice(random.choice(choices)) for _ in range(2)]
        yield {
            peer: random.choice([each for each in shared if peer in each] or choices[peer - honest[0]])
            for peer in honest
            if random.random() < 0.95
        }


@pytest.mark.few(2)
@pytest.mark.parametrize(("count", "tries"), [(3, 1), (4, 256), (5, 120), (6, 60)])
def test_no_lie_about_who_is_absent_shows_a_sum_of_fewer_than_three(count: int, tries: int) -> None:
    opened = 0
    for rosters in lies(count, 3, range(count), tries):
        around = Around(count)
        sums = learned(around, rosters)
        opened += bool(sums)
        assert all(len(each) >= 3 for each in sums), rosters
    assert opened  # honest rosters are among them


@pytest.mark.parametrize("count", [4, 5])
def test_nor_with_a_neighbour_that_tells_the_receiver_all_it_knows(count: int) -> None:
    opened = 0
    for rosters in lies(count, 4, range(count - 1), 60):
        around = Around(count, least=4)
        sums = learned(around, rosters, colluders=frozenset({count - 1}))
        opened += bool(sums)
        assert all(len(each) >= 3 for each in sums), rosters
    assert opened


@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_lie_shows_a_single_model_only_where_own_masks_are_told_unsealed(
    is_sealed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 hears that all but 3 are there, the others that 0 is absent: with the seal switched off its model is open."""
    if not is_sealed:
        monkeypatch.setattr(masks, "sealed", lambda seed, tokens: seed)
    around = Around(4)
    rosters = {0: (0, 1, 2), 1: (1, 2, 3), 2: (1, 2, 3), 3: (1, 2, 3)}
    pledges = {peer: told(around, peer, roster) for peer, roster in rosters.items()}
    shown = around.point.from_bytes(around.read[0].words).copy()
    shown -= around.point.from_bytes(masks.Streams(4 * SIZE).of(pledges[0].own))
    for other in (1, 2, 3):
        shown -= around.point.from_bytes(masks.Streams(4 * SIZE).of(pledges[other].seeds[0]))
    missed = np.abs(around.point.values(shown) - np.float32(0.2) * around.models[0]).max()
    assert missed > 1e-2 if is_sealed else missed < 1e-5
