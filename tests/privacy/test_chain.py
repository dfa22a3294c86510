"""A chain of ciphertexts around one receiver: what comes out of it, and what a receiver that lies gets to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
import pytest

from p2pfl_me.errors import WireError
from p2pfl_me.keyring import Keyring
from p2pfl_me.message import Packed, Vector
from p2pfl_me.privacy.additive import Cipher, InClear, Ring
from p2pfl_me.privacy.chain import UNREAD, ChainedSums
from p2pfl_me.privacy.fixed_point import FixedPoint
from tests.privacy.around import RECEIVER, SIZE, ring

RING = Ring(4096)


@dataclass
class Chain:
    """`count` givers of one receiver, who have all given their word for round 0."""

    count: int
    cipher: Cipher = field(default_factory=lambda: InClear(RING))
    least: int = 3
    size: int = SIZE
    weight: float = 0.2

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.count)
        self.point = FixedPoint(32, 1000.0, self.count)
        neighbours = frozenset(range(self.count))
        self.receiver = self.sums(RECEIVER, {RECEIVER: neighbours}, self.cipher)
        # Of a giver's own key pair nothing is used here.
        self.givers = {peer: self.sums(peer, {RECEIVER: neighbours}, self.cipher) for peer in neighbours}
        self.lives = {peer: self.receiver.read_key(peer, giver.key) for peer, giver in self.givers.items()}
        self.models = {peer: rng.uniform(-1, 1, self.size).astype(np.float32) for peer in neighbours}
        for giver in self.givers.values():
            giver.read_key(RECEIVER, self.receiver.key)
        self.given = {peer: self.give(peer) for peer in neighbours}

    def sums(
        self, me: int, around: Mapping[int, frozenset[int]], cipher: Cipher, keys: Keyring | None = None
    ) -> ChainedSums:
        return ChainedSums(me, keys or ring(me, RECEIVER + 1), self.point, self.least, around, cipher)

    def give(self, peer: int, round: int = 0) -> Mapping[int, bytes]:
        content = self.givers[peer].give(RECEIVER, round, self.models[peer], self.weight, self.lives)
        assert content is not None
        return self.receiver.read_masked(content, self.size)

    def roster(self, *peers: int) -> dict[int, bytes]:
        return {peer: self.lives[peer] for peer in peers or self.lives}

    def links(self, roster: Mapping[int, bytes], round: int = 0) -> dict[int, Packed]:
        """Each link of a chain, as the receiver gets it."""
        links: dict[int, Packed] = {}
        while asked := self.receiver.asks(roster, links):
            ((peer, ask),) = asked.items()
            link = self.givers[peer].pledge(RECEIVER, round, ask)
            assert link is not None
            links[peer] = self.receiver.read_pledge(link, self.size)
        return links

    def asked(self, peer: int, roster: Mapping[int, bytes], before: Packed | None = None, round: int = 0) -> object:
        """What a giver answers to any roster with any link."""
        head = self.receiver.say_roster(roster)
        return self.givers[peer].pledge(RECEIVER, round, head if before is None else np.concatenate([head, before]))

    def mean(self, roster: Mapping[int, bytes]) -> Vector:
        words = [self.point.words(self.models[peer], self.weight, 0) for peer in roster]
        return self.point.values(np.sum(words, axis=0, dtype=np.uint32))


@pytest.mark.parametrize("count", [3, 4, 7])
def test_a_chain_sums_all_that_are_on_the_roster_to_the_bits_of_fixed_point(count: int) -> None:
    chain = Chain(count)
    for round, roster in enumerate((chain.roster(), chain.roster(*range(count - 3, count))), 1):
        for peer in chain.givers:
            chain.give(peer, round)
        total = chain.receiver.total(roster, chain.given, chain.links(roster, round), SIZE)
        assert np.array_equal(total, chain.mean(roster))


def test_only_the_last_link_is_open_and_none_is_said_twice() -> None:
    chain = Chain(4)
    roster = chain.roster()
    links = chain.links(roster)
    sizes = [links[peer].size - RING.bytes_of(SIZE) for peer in sorted(links)]
    assert sizes == [16, 16, 16, 0]
    assert not any(np.asarray(chain.asked(peer, roster, links[peer])).size for peer in range(4))


def test_a_second_roster_one_too_short_and_one_of_strangers_are_answered_by_nothing() -> None:
    chain = Chain(5)
    assert isinstance(chain.asked(0, chain.roster(0, 1, 2)), np.ndarray)
    for peer, roster, words in (
        (0, chain.roster(0, 1, 2, 3), "a second roster"),
        (4, chain.roster(1, 2, 3), "others than those"),
        (1, chain.roster(1, 2), "holds 3 at least"),
        (1, {**chain.roster(1, 2), 3: bytes(32)}, "others than those"),
        (1, {**chain.roster(1, 2, 3), 8: bytes(32)}, "others than those"),
        (1, {**chain.roster(2, 3), 1: bytes(32)}, "others than those"),
    ):
        with pytest.raises(WireError, match=words):
            chain.asked(peer, roster)


def test_a_link_goes_to_the_next_of_its_chain_and_to_nobody_else() -> None:
    """Whatever else a receiver puts in its place, of all that it was ever given, is answered by nothing."""
    chain, other = Chain(5), Chain(5)
    three, four = chain.roster(0, 1, 2), other.roster(0, 1, 2, 3)
    links = [*chain.links(three).values(), *other.links(four).values()]
    for peer in range(5):
        chain.give(peer, 1)
    later = chain.links(chain.roster(0, 1, 2), 1)
    fresh = Chain(5)
    forged = [*links, *later.values(), *(each[:-16] for each in links), np.zeros(RING.bytes_of(SIZE) + 16, np.uint8)]
    for before in forged:
        assert fresh.asked(4, fresh.roster(0, 2, 4), before) is UNREAD
    link = fresh.asked(0, fresh.roster(0, 2, 4))
    assert isinstance(link, np.ndarray)
    for at in (0, 100, link.size - 1):
        spoilt = link.copy()
        spoilt[at] ^= 1
        assert fresh.asked(2, fresh.roster(0, 2, 4), spoilt) is UNREAD
    assert isinstance(fresh.asked(2, fresh.roster(0, 2, 4), link), np.ndarray)


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_whoever_is_asked_first_the_first_of_the_roster_begins(order: tuple[int, ...]) -> None:
    """A receiver that asks out of turn, without a link, gets none."""
    chain = Chain(3)
    answers = [chain.asked(peer, chain.roster()) for peer in order]
    assert [peer for peer, answer in zip(order, answers, strict=True) if answer is not UNREAD] == [0]
    assert chain.receiver.read_pledge(UNREAD, SIZE) is None, "a word that tells who could not read what"


def test_a_later_life_adds_itself_to_no_second_sum_of_a_round() -> None:
    chain = Chain(4)
    chain.givers[3] = chain.sums(3, {RECEIVER: frozenset(range(4))}, chain.cipher)
    first = ring(3, RECEIVER + 1)
    giver = chain.sums(3, {RECEIVER: frozenset(range(4))}, chain.cipher, first)
    giver.read_key(RECEIVER, chain.receiver.key)
    chain.lives[3] = giver.public
    chain.givers[3] = giver
    for round in (1, 2):
        for peer in range(4):
            chain.give(peer, round)
    chain.links(chain.roster(), 1)
    again = chain.sums(3, {RECEIVER: frozenset(range(4))}, chain.cipher, ring(3, RECEIVER + 1, life=1, before=first))
    again.read_key(RECEIVER, chain.receiver.key)
    lives = {**chain.lives, 3: again.public}
    given = [again.give(RECEIVER, round, chain.models[3], 0.2, lives) for round in (1, 2, 3)]
    assert [each is not None for each in given] == [False, True, True], (
        "what was asked for in no roster may be given again"
    )


def test_a_model_is_promised_once_for_a_receiver_and_round_and_to_those_who_know_enough() -> None:
    chain = Chain(4)
    giver, model = chain.givers[0], chain.models[0]
    assert giver.give(RECEIVER, 0, model, 0.2, chain.lives) is None, "given before"
    assert giver.give(RECEIVER, 1, model, 0.2, chain.roster(0, 1)) is None, "too few for a sum"
    assert giver.give(RECEIVER, 1, model, 0.2, {**chain.lives, 0: bytes(32)}) is None, "an earlier life of mine"
    strange = chain.sums(0, {RECEIVER: frozenset(range(4))}, InClear(RING))
    assert strange.give(RECEIVER, 1, model, 0.2, {**chain.lives, 0: strange.public}) is None, "no key of the receiver"
    assert not strange.knows(RECEIVER, {**chain.lives, 0: strange.public}, all_there=False)
    assert giver.knows(RECEIVER, chain.lives, all_there=True)
    assert not giver.knows(RECEIVER, chain.roster(0, 1, 2), all_there=True)
    assert giver.pledge(RECEIVER, 9, chain.receiver.say_roster(chain.roster())) is None, "nothing was given"


def test_a_receivers_new_life_has_a_key_of_its_own() -> None:
    chain = Chain(3)
    key = np.concatenate([np.full(32, 7, np.uint8), chain.receiver.key[32:]])
    assert chain.givers[0].read_key(RECEIVER, key) == bytes([7]) * 32
    with pytest.raises(WireError, match="a public key of 4 bytes"):
        chain.givers[0].read_key(RECEIVER, key[:36])


@pytest.mark.parametrize("content", [b"", b"abc", b"\x02\0\0\0" + bytes(36), b"\xff\xff\xff\xff" + bytes(36)])
def test_what_is_no_roster_is_the_wires_error(content: bytes) -> None:
    chain = Chain(3)
    with pytest.raises(WireError):
        chain.givers[0].read_roster(np.frombuffer(content, np.uint8))
    with pytest.raises(WireError, match="a link of"):
        chain.receiver.read_pledge(np.zeros(RING.bytes_of(SIZE) + 1, np.uint8), SIZE)
