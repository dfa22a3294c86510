"""What protects, switched off: each row takes a mechanism away and names tests of docs/security.md that must notice.

`python -m tests.switches` takes each away in turn, in this process, runs its tests and says which noticed, a line each:
`NAME<tab>noticed|unnoticed<tab>seconds`. The switches are here and nowhere else: the program has none.
"""

from __future__ import annotations

import importlib
import os
from types import SimpleNamespace
from typing import Any

from p2pfl_me.privacy.additive import InClear
from tests.switches.bounds import BOUNDS
from tests.switches.links import LINKS
from tests.switches.parts import OF_PARTS
from tests.switches.sums import SUMS
from tests.switches.switch import Patch, Switch, instead, nothing


def in_clear(self: Any, seed: bytes) -> memoryview:
    """A mask of zeros."""
    return memoryview(bytes(len(self._clear)))


def one_roster_no_more(patch: Patch) -> None:
    """Every roster is answered."""
    giver = importlib.import_module("p2pfl_me.privacy.masks").Giver
    pledge = giver.pledge

    def again(self: Any, receiver: int, round: int, content: Any) -> Any:
        if (given := self._given.get((receiver, round))) is not None:
            given.roster = None
        return pledge(self, receiver, round, content)

    patch.setattr(giver, "pledge", again)


def no_clipping(patch: Patch) -> None:
    """Gradients of single samples are summed as they are."""
    dp_head = importlib.import_module("p2pfl_me.learning.dp_head")
    patch.setattr(dp_head, "_squares", lambda rows: 0 * rows.sum(1))


def no_noise(patch: Patch) -> None:
    module = importlib.import_module("p2pfl_me.learning.dp_trainer")
    made = module.noises
    patch.setattr(module, "noises", lambda stream, size, deviation, *more: made(stream, size, 0.0, *more))


def no_stop(patch: Patch) -> None:
    """The ledger writes payments down and never says no."""
    module = importlib.import_module("p2pfl_me.privacy.ledger")
    patch.setattr(module, "ROUNDING", 1e9)


def noise_from_a_seed(patch: Patch) -> None:
    module = importlib.import_module("p2pfl_me.privacy.randomness")
    patch.setattr(module, "os", SimpleNamespace(urandom=bytes))


class Unsealed:
    """Seals that seal nothing."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == 32

    def encrypt(self, nonce: bytes, data: memoryview, more: None) -> bytes:
        return bytes(data) + bytes(16)

    def decrypt(self, nonce: bytes, data: memoryview, more: None) -> bytes:
        return bytes(data[:-16])


def in_the_open(patch: Patch) -> None:
    """Words are added as they are, under nobody's key."""
    cipher = importlib.import_module("p2pfl_me.privacy.ckks").Ckks
    patch.setattr(cipher, "plus", lambda self, context, *given: InClear(self.ring).plus(*given))
    patch.setattr(cipher, "total", lambda self, *given: InClear(self.ring).total(*given))


def everybody_is_the_first(edges: Any, challenge: bytes, answer: bytes) -> Any:
    return next(iter(edges), None)


def one_challenge(patch: Patch) -> None:
    module = importlib.import_module("p2pfl_me.wire.handshaker")
    patch.setattr(module, "os", SimpleNamespace(urandom=bytes))


def keys_open(patch: Patch) -> None:
    """Files are written for everybody to read."""
    for name in ("files", "atomic"):
        patch.setattr(importlib.import_module(f"p2pfl_me.{name}"), "PRIVATE", 0o644)


def links_followed(patch: Patch) -> None:
    patch.setattr(os, "O_NOFOLLOW", 0)


def no_room_limit(patch: Patch) -> None:
    patch.setattr(importlib.import_module("p2pfl_me.wire.admission").WaitingRoom, "enter", lambda *_: None)


def as_it_is(self: Any, parts: Any) -> Any:
    return (bytes(part) for part in parts)


IDENTITY, HANDSHAKE, KEYS = (
    "tests/wire/test_identity.py",
    "tests/wire/test_handshake.py",
    "tests/peer/test_key_changes.py",
)
STRANGERS, LEDGER, MASKS = "tests/wire/test_strangers.py", "tests/privacy/test_ledger.py", "tests/privacy/test_masks.py"
SEALED, DP = "tests/peer/test_sealed_checkpoints.py", "tests/learning/test_dp.py"

SWITCHES: tuple[Switch, ...] = (
    Switch(
        "admission proof",
        instead("p2pfl_me.wire.admission:caller_of", everybody_is_the_first),
        (f"{HANDSHAKE}::test_a_proof_is_good_for_one_end_of_one_edge",),
    ),
    Switch(
        "fresh challenge",
        one_challenge,
        (f"{STRANGERS}::test_a_handshake_is_refused_after_a_restart_too_without_a_memory_of_it[fresh]",),
    ),
    Switch(
        "room for strangers",
        no_room_limit,
        (f"{STRANGERS}::test_a_crowd_at_one_address_does_not_push_out_whoever_comes_from_another",),
    ),
    Switch("private mode of files", keys_open, (f"{IDENTITY}::test_a_key_survives_the_disk_with_mode_0600",)),
    Switch(
        "looking at a key's mode",
        instead("p2pfl_me.wire.identity:_require_private", nothing),
        (f"{IDENTITY}::test_an_exposed_key_is_refused",),
    ),
    Switch("links are not followed", links_followed, (f"{IDENTITY}::test_a_link_a_pipe_and_a_folder_are_no_keys",)),
    Switch(
        "seal of a key",
        instead("p2pfl_me.wire.identity:sealed", lambda private, passphrase: private),
        ("tests/wire/test_sealed_keys.py::test_a_sealed_key_opens_with_its_passphrase_alone",),
    ),
    Switch(
        "seal of a checkpoint",
        instead("p2pfl_me.sealing:Seal.parts", as_it_is),
        (f"{SEALED}::test_a_sealed_checkpoint_comes_back_whole_and_shows_nothing_before",),
    ),
    Switch(
        "revocation",
        instead("p2pfl_me.membership.certificates:Book.with_revocation", lambda self, given: self),
        (f"{KEYS}::test_a_key_that_is_revoked_by_itself_is_refused_by_all_who_know_and_has_no_follower",),
    ),
    Switch(
        "seals of a rotation",
        instead("p2pfl_me.membership.certificates:Rotation.holds", lambda self, private: True),
        (f"{KEYS}::test_a_rotation_that_the_old_key_and_the_new_one_did_not_seal_is_refused",),
    ),
    Switch(
        "one follower a key",
        instead(
            "p2pfl_me.membership.certificates:Book.with_rotation",
            lambda self, given: type(self).of([*self.rotations.values(), given]),
        ),
        (f"{KEYS}::test_of_two_rotations_from_one_key_the_second_is_refused_and_two_that_lie_there_count_neither",),
    ),
    Switch(
        "the members' share",
        instead("p2pfl_me.peer.trust:_require_signers", nothing),
        (f"{KEYS}::test_members_revoke_by_the_contracts_share_and_one_alone_does_not",),
    ),
    Switch(
        "links heed revocations",
        instead("p2pfl_me.wire.handshaker:Handshaker.look", lambda self: []),
        (
            "tests/wire/test_key_changes.py::test_when_a_rotation_is_over_or_a_key_revoked_its_link_goes_and_is_not_made_again[0]",
        ),
    ),
    Switch(
        "authentic lengths",
        instead(
            "p2pfl_me.wire.framing:Lengths._tag",
            lambda self, size: importlib.import_module("p2pfl_me.wire.framing")._CLEAR,
        ),
        ("tests/wire/test_framing.py::test_a_flipped_bit_of_a_length_is_found_before_anything_is_waited_for",),
    ),
    Switch(
        "check of weights",
        instead("p2pfl_me.wire.codec:check_weights", nothing),
        ("tests/wire/test_codec.py::test_bad_weights_are_refused_wherever_they_stand",),
    ),
    Switch(
        "masks",
        instead("p2pfl_me.privacy.mask_keys:Streams.of", in_clear),
        ("tests/privacy/test_masked_search.py::test_a_receivers_whole_memory_and_wire_hold_no_neighbours_model",),
    ),
    Switch(
        "seal of a mask of one's own",
        instead("p2pfl_me.privacy.masks:sealed", lambda seed, tokens: seed),
        (f"{MASKS}::test_no_lie_about_who_is_absent_shows_a_sum_of_fewer_than_three",),
    ),
    Switch(
        "rosters that the graph asks for",
        instead("p2pfl_me.privacy.exchanges.masks:Masks.least_where", lambda self, common, all_meet: self.least),
        (
            "tests/privacy/test_coalitions.py::test_no_coalition_within_the_contracts_finds_fewer_honest_models_whomever_each_leaves_out[mesh-1-False]",
        ),
    ),
    Switch(
        "one roster a round",
        one_roster_no_more,
        (f"{MASKS}::test_a_second_roster_is_refused_and_the_same_one_answered_again",),
    ),
    Switch(
        "seal of a chain's link",
        instead("p2pfl_me.privacy.chain:AESGCM", Unsealed),
        (
            "tests/privacy/test_ckks.py::test_a_receivers_key_opens_the_sum_and_no_single_model",
            "tests/privacy/test_chained_runs.py::test_a_receivers_whole_memory_and_wire_hold_no_neighbours_model",
        ),
    ),
    Switch(
        "encryption of a chain's link",
        in_the_open,
        ("tests/privacy/test_ckks.py::test_who_hands_a_link_on_reads_nothing_in_it",),
    ),
    Switch("clipping", no_clipping, (f"{DP}::test_no_unit_moves_a_steps_sum_by_more_than_the_norm",)),
    Switch("noise", no_noise, (f"{DP}::test_the_noise_is_what_is_paid_for_and_never_twice_the_same",)),
    Switch(
        "noise of the system",
        noise_from_a_seed,
        ("tests/privacy/test_randomness.py::test_the_system_repeats_nothing_and_a_rehearsal_everything",),
    ),
    Switch(
        "the ledger's stop",
        no_stop,
        (f"{LEDGER}::test_however_a_peer_is_killed_all_that_it_ever_sent_stays_within_the_budget",),
    ),
    Switch(
        "the ledger's memory",
        instead("p2pfl_me.privacy.ledger:PrivacyLedger._require", nothing),
        (f"{LEDGER}::test_a_lost_or_shortened_ledger_ends_the_run",),
    ),
    Switch(
        "the private folder's memory of payments",
        instead("p2pfl_me.peer.spent:Spent.require", nothing),
        (
            "tests/peer/test_spent.py::test_a_lost_folder_an_older_copy_and_another_folder_end_the_peer",
            "tests/peer/test_spent.py::test_a_longer_ledger_of_another_run_is_told_from_ones_own",
        ),
    ),
    Switch(
        "one process's memory of payments",
        instead("p2pfl_me.peer.spent:Spent._claim", nothing),
        ("tests/peer/test_spent.py::test_two_processes_in_two_folders_do_not_each_spend_the_budget",),
    ),
    Switch(
        "clipping of a round's change",
        instead("p2pfl_me.privacy.noising:cut", lambda start, trained, norm: trained),
        ("tests/privacy/test_noise.py::test_a_change_is_cut_whatever_it_is",),
    ),
    *SUMS,
    *OF_PARTS,
    *LINKS,
    *BOUNDS,
)
