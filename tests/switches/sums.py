"""Sums under masks and ciphertexts, noise that takes itself back, and what is counted: switched off."""

from __future__ import annotations

import hmac
import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.switches.switch import Patch, Switch, instead, nothing

MASKS, RUNS, CHAIN = "tests/privacy/test_masks.py", "tests/privacy/test_masked_runs.py", "tests/privacy/test_chain.py"
CHAINED, ZERO = "tests/privacy/test_chained_runs.py", "tests/privacy/test_zero_sum.py"


def any_roster(me: int, public: bytes, roster: Any, known: Any, least: int, round: int) -> dict[int, bytes]:
    """Whatever a receiver names is answered."""
    return {peer: key for peer, key in roster.items() if peer != me}


def given_again(room: str) -> Callable[[Patch], None]:
    """A model is given as often as it is asked for."""

    def off(patch: Patch) -> None:
        module, _, name = room.partition(":")
        giver = getattr(importlib.import_module(module), name)
        give = giver.give

        def again(self: Any, receiver: int, round: int, *told: Any) -> Any:
            self._given.pop((receiver, round), None)
            return give(self, receiver, round, *told)

        patch.setattr(giver, "give", again)

    return off


def same_key_in_every_life(patch: Patch) -> None:
    keys = importlib.import_module("p2pfl_me.privacy.mask_keys").MaskKeys
    made = keys.__init__
    patch.setattr(keys, "__init__", lambda self, me, ring: made(self, me, replace(ring, life=ring.private)))


def keys_of_lives_alone(patch: Patch) -> None:
    """The secret of two is of what the receiver hands round, and not of the contract's keys."""
    keys = importlib.import_module("p2pfl_me.privacy.mask_keys").MaskKeys
    made, one = keys.__init__, X25519PrivateKey.from_private_bytes(bytes(31) + b"1")
    public = one.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def alike(self: Any, me: int, ring: Any) -> None:
        made(self, me, replace(ring, private=bytes(31) + b"1", publics=dict.fromkeys(ring.publics, public)))

    patch.setattr(keys, "__init__", alike)


def masks_of_no_round(key: bytes, label: bytes, receiver: int, round: int) -> bytes:
    return hmac.digest(key, label, "sha256")


def one_key_for_all_links(self: Any, *told: Any) -> bytes:
    return bytes(32)


def no_pledge_is_known(patch: Patch) -> None:
    patch.setattr(importlib.import_module("p2pfl_me.keyring").Pledges, "__contains__", lambda self, given: False)


def any_sum_will_do(patch: Patch) -> None:
    module = importlib.import_module("p2pfl_me.gossip.roster")
    patch.setattr(module, "FAR", 1e12)
    patch.setattr(module, "EVEN", 1e12)


def no_noise_of_its_own(self: Any, size: int, round: int, to: int, deviation: float) -> Any:
    return np.zeros(size, np.float32)


def noise_of_one_round(patch: Patch) -> None:
    noise = importlib.import_module("p2pfl_me.privacy.zero_sum_noise").ZeroSumNoise
    drawn = noise._drawn
    patch.setattr(noise, "_drawn", lambda self, size, round, to, deviation: drawn(self, size, 0, to, deviation))


def counted_by_halves(patch: Patch) -> None:
    module = importlib.import_module("p2pfl_me.privacy.accounting")
    counted = module._epsilon
    patch.setattr(module, "_epsilon", lambda *told: counted(*told) / 2)


def masks_of_absent_untold(patch: Patch) -> None:
    module = importlib.import_module("p2pfl_me.privacy.masks")
    pledge = module.Pledge
    patch.setattr(module, "Pledge", lambda own, tokens, seeds: pledge(own, tokens, {}))


def nobody_waits(self: Any, now: float) -> None:
    return None


def all_places(size: int, parts: int, seed: int) -> Any:
    """Every part is the whole."""
    return tuple(np.arange(size) for _ in range(parts))


SUMS = (
    Switch(
        "places are dealt to one part",
        instead("p2pfl_me.privacy.exchanges.submodels:_dealt", all_places),
        ("tests/privacy/test_submodels.py::test_every_place_is_in_one_part_and_parts_are_equal",),
    ),
    Switch(
        "the least of a sum",
        instead("p2pfl_me.privacy.masks:require_roster", any_roster),
        (f"{MASKS}::test_a_roster_that_is_too_short_or_without_its_reader_is_answered_by_nothing",),
    ),
    Switch(
        "masks of the absent are told",
        masks_of_absent_untold,
        (f"{RUNS}::test_who_crashes_after_giving_its_model_is_left_out_and_its_masks_are_told",),
    ),
    Switch(
        "waiting for company",
        instead("p2pfl_me.gossip.life:Life._wait_for_company", nobody_waits),
        (f"{RUNS}::test_one_that_never_comes_back_ends_the_wait_with_the_patience_of_the_start",),
    ),
    Switch(
        "no model twice",
        given_again("p2pfl_me.privacy.masks:Giver"),
        (f"{MASKS}::test_no_model_is_masked_twice_for_one_receiver_and_round",),
    ),
    Switch(
        "masks of one round",
        instead("p2pfl_me.privacy.mask_keys:MaskKeys._of", staticmethod(masks_of_no_round)),
        (f"{MASKS}::test_masks_are_of_one_contract_life_receiver_and_round",),
    ),
    Switch(
        "a key for each life",
        same_key_in_every_life,
        (f"{MASKS}::test_masks_are_of_one_contract_life_receiver_and_round",),
    ),
    Switch(
        "the contract's keys in a pair's secret",
        keys_of_lives_alone,
        (f"{MASKS}::test_a_receiver_that_hands_round_a_key_of_its_own_making_knows_no_mask",),
    ),
    Switch(
        "a seal against many rosters",
        instead("p2pfl_me.privacy.masks:sealed", lambda seed, tokens: seed),
        (
            "tests/privacy/test_coalitions.py::test_whatever_a_receiver_says_of_who_is_around_it_and_who_is_absent_it_finds_one_sum_or_nothing",
            f"{MASKS}::test_nor_with_a_neighbour_that_tells_the_receiver_all_it_knows",
        ),
    ),
    Switch(
        "pledges of all lives",
        no_pledge_is_known,
        (
            f"{MASKS}::test_neighbours_that_are_all_killed_in_a_round_are_in_no_second_sum_of_it",
            f"{CHAIN}::test_a_later_life_adds_itself_to_no_second_sum_of_a_round",
            "tests/peer/test_pledged.py::test_pledges_are_known_to_the_next_life_and_a_torn_one_was_not_given",
        ),
    ),
    Switch(
        "doubts of who breaks its word",
        instead("p2pfl_me.gossip.doubts:Doubts.broken", nothing),
        (
            f"{RUNS}::test_one_that_gives_models_and_no_pledges_costs_ever_fewer_sums",
            f"{CHAINED}::test_one_that_hands_no_link_on_costs_ever_fewer_sums",
        ),
    ),
    Switch(
        "a look at each sum",
        any_sum_will_do,
        (f"{RUNS}::test_a_giver_whose_masks_are_none_costs_its_receivers_the_sum",),
    ),
    Switch(
        "doubts of who may have spoilt a sum",
        instead("p2pfl_me.gossip.doubts:Doubts.spoilt", nothing),
        (
            f"{RUNS}::test_one_whose_masks_are_none_in_every_round_is_found_and_costs_ever_fewer_sums[8]",
            f"{CHAINED}::test_one_that_hands_on_what_nobody_can_read_is_named_with_the_next_and_then_found",
        ),
    ),
    Switch(
        "a link's own key",
        instead("p2pfl_me.privacy.mask_keys:MaskKeys.link", one_key_for_all_links),
        (f"{CHAIN}::test_a_link_goes_to_the_next_of_its_chain_and_to_nobody_else",),
    ),
    Switch(
        "one roster of a chain",
        instead("p2pfl_me.privacy.chain:require_roster", any_roster),
        (f"{CHAIN}::test_a_second_roster_one_too_short_and_one_of_strangers_are_answered_by_nothing",),
    ),
    Switch(
        "a reason for a lost chain",
        instead("p2pfl_me.gossip.masked:Masked._lose", lambda self, why, *by: self._due.clear()),
        (f"{CHAINED}::test_who_falls_silent_in_the_middle_of_a_chain_costs_its_receivers_that_round_with_a_reason",),
    ),
    Switch(
        "the length of ciphertexts",
        instead("p2pfl_me.privacy.ckks:_require_pieces", nothing),
        ("tests/privacy/test_ckks.py::test_bytes_that_are_no_ciphertexts_and_no_keys_are_the_wires_error",),
    ),
    Switch(
        "noise for each neighbour",
        instead("p2pfl_me.privacy.zero_sum_noise:ZeroSumNoise._drawn", no_noise_of_its_own),
        (
            f"{ZERO}::test_no_neighbour_sees_less_noise_than_was_asked_for_and_what_stays_at_home_takes_all_back",
            f"{ZERO}::test_all_neighbours_together_do_not_open_a_model",
        ),
    ),
    Switch(
        "noise of its own in every round",
        noise_of_one_round,
        (f"{ZERO}::test_noise_is_new_in_every_round_life_and_for_every_peer",),
    ),
    Switch(
        "the accountant",
        counted_by_halves,
        ("tests/privacy/test_accounting.py::test_epsilon_is_within_a_percent_of_the_accountants_finest_orders",),
    ),
    Switch(
        "the curious neighbour in DECOR's accounting",
        instead("p2pfl_me.privacy.noise.decor:warning", lambda graph, kind: ""),
        ("tests/privacy/test_noise.py::test_what_cancelling_noise_leaves_on_a_graph",),
    ),
    Switch(
        "the chance behind a bound on epsilon",
        instead("p2pfl_me.privacy.membership:_chance", lambda *told: 0.0),
        ("tests/privacy/test_membership.py::test_a_bound_on_epsilon_holds_for_a_mechanism_whose_epsilon_is_known",),
    ),
)
