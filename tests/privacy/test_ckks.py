"""CKKS by tenseal: whole words to the bit, what a receiver's key opens, and bytes that are no ciphertexts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.errors import WireError
from p2pfl_me.message import Packed
from p2pfl_me.privacy import chain as chain_module
from p2pfl_me.privacy.additive import Ring
from p2pfl_me.privacy.fixed_point import Words
from tests.privacy.test_chain import RING, Chain
from tests.switches import Unsealed

pytest.importorskip("tenseal", reason="the extra `ckks` is not installed")
pytest.importorskip("zstandard", reason="the extra `ckks` is not installed")
from p2pfl_me.privacy.ckks import Ckks, CkksMissing, has_ckks, require_ckks

LARGEST = 2**31 - 1


@pytest.fixture(scope="module")
def life() -> Ckks:
    return Ckks(RING, 4)


def words(*values: int) -> Words:
    return np.array(values, "<i4").view("<u4")


@pytest.mark.parametrize("ring", [Ring(4096), Ring(8192)])
def test_sums_are_whole_words_to_the_bit_at_the_ends_of_their_range_too(ring: Ring) -> None:
    life, rng = Ckks(ring, 4), np.random.default_rng(1)
    for size in (1, ring.slots, ring.slots + 3):
        terms = [rng.integers(-(2**29), 2**29, size).astype("<i4").view("<u4") for _ in range(4)]
        for each in terms:
            each[:1] = words(LARGEST // 4)
            each[-1:] = words(-(LARGEST // 4))
        total = None
        for each in terms:
            total = life.adder(life.public).plus(each, total)
            assert total.size == ring.bytes_of(size) == (1 + (size > ring.slots)) * 14 * ring.degree
        assert np.array_equal(life.total(total, size), np.sum(terms, axis=0, dtype=np.uint32))


def test_thirty_terms_leave_room_between_the_noise_and_the_next_word() -> None:
    life = Ckks(RING, 30)
    adder, total = life.adder(life.public), None
    for _ in range(30):
        total = adder.plus(words(*range(-8, 8)), total)
    found = np.array(life.loaded(life._own, total).decrypt())[:16]
    noise = np.abs(found - 30 * np.arange(-8, 8)).max()
    assert 0 < noise < 0.1


def test_no_two_encryptions_are_the_same_and_another_key_opens_none(life: Ckks) -> None:
    adder, other = life.adder(life.public), Ckks(RING, 4)
    one, two = adder.plus(words(5), None), adder.plus(words(5), None)
    assert np.mean(one == two) < 0.01
    with pytest.raises(WireError, match="no sum of words"):
        other.total(one, 1)
    assert life.public != other.public and len(life.public) == RING.key


def opened(life: Ckks, links: dict[int, Packed], size: int) -> list[Words]:
    """All words that the receiver's key finds anywhere in what it was sent."""
    found = []
    for link in links.values():
        for begin in (0, link.size - RING.bytes_of(size)):
            try:
                found.append(life.total(link[begin:][: RING.bytes_of(size)], size))
            except WireError:
                continue
    return found


def test_a_receivers_key_opens_the_sum_and_no_single_model(life: Ckks) -> None:
    chain = Chain(4, life, size=40)
    roster = chain.roster()
    found = opened(life, chain.links(roster), 40)
    assert found and all(np.array_equal(chain.point.values(each), chain.mean(roster)) for each in found)


def test_the_same_search_finds_the_first_model_where_links_are_not_sealed(
    life: Ckks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_module, "AESGCM", Unsealed)
    chain = Chain(4, life, size=40)
    found = opened(life, chain.links(chain.roster()), 40)
    assert any(np.array_equal(each, chain.point.words(chain.models[0], 0.2, 0)) for each in found)


def test_who_hands_a_link_on_reads_nothing_in_it(life: Ckks) -> None:
    """Peer 1 holds what peer 0 encrypted, and a key pair of its own."""
    partial = life.adder(life.public).plus(words(*range(40)), None)
    with pytest.raises(WireError, match="no sum of words"):
        Ckks(RING, 4).total(partial, 40)


def test_bytes_that_are_no_ciphertexts_and_no_keys_are_the_wires_error(life: Ckks) -> None:
    adder, rng = life.adder(life.public), np.random.default_rng(3)
    too_large = np.full(RING.piece, 255, np.uint8)
    for content in (too_large, too_large[:-1], too_large[:0]):
        with pytest.raises(WireError):
            life.total(content, 5)
        with pytest.raises(WireError):
            adder.plus(words(1, 2), content)
    for _ in range(5):
        with pytest.raises(WireError):
            life.total(rng.integers(0, 256, RING.piece, np.uint8), 5)
    for public in (bytes([255]) * RING.key, b"", bytes(RING.key - 1)):
        with pytest.raises(WireError):
            life.adder(public)


def test_one_flipped_bit_anywhere_makes_no_sum(life: Ckks) -> None:
    """Coefficients are of the transformed polynomial: each is in every slot."""
    total, rng = life.adder(life.public).plus(words(*range(100)), None), np.random.default_rng(4)
    for at in rng.integers(0, total.size, 20):
        spoilt = total.copy()
        spoilt[at] ^= 1
        with pytest.raises(WireError):
            life.total(spoilt, 100)


def test_without_the_extra_the_error_says_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for missing in ("tenseal", "zstandard"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, missing, None)
            assert not has_ckks()
            with pytest.raises(CkksMissing) as refused:
                require_ckks()
        assert f"needs {missing}" in refused.value.what
        assert refused.value.fix is not None and "pip install 'p2pfl_me[ckks]'" in refused.value.fix


def test_the_extra_that_the_error_names_is_declared() -> None:
    declared = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert 'ckks = ["tenseal' in declared
