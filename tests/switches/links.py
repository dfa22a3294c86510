"""Strangers, the line and lying neighbours: what keeps them out, switched off."""

from __future__ import annotations

import importlib
import os
from typing import Any

import msgpack
import numpy as np
import yaml

from p2pfl_me.wire.sightings import Seen, Sight
from tests.switches.switch import Patch, Switch, instead, nothing

STRANGERS, SESSION = "tests/wire/test_strangers.py", "tests/wire/test_session.py"
HANDSHAKER = "tests/wire/test_handshaker.py"
HANDSHAKE, IDENTITY = "tests/wire/test_handshake.py", "tests/wire/test_identity.py"
AGREED = "tests/membership/test_agreed.py"


class Never(Exception):
    """Raised by nobody."""


def any_sender(patch: Patch) -> None:
    """A header is taken at its word about who speaks."""
    module = importlib.import_module("p2pfl_me.wire.codec")
    read = module.decode_header

    def believed(data: bytes, sender: int, schema: object) -> object:
        claimed = module.unpacked_list(data, "a header", module.MAX_HEADER)[4]
        return read(data, claimed if type(claimed) is int else sender, schema)

    patch.setattr(module, "decode_header", believed)
    patch.setattr(importlib.import_module("tests.wire.test_codec"), "decode_header", believed)


def prologues_unbound(patch: Patch) -> None:
    """What is claimed before a handshake is no part of it."""
    module = importlib.import_module("p2pfl_me.wire.handshake")
    for name in ("Initiator", "Responder"):
        kind = getattr(module, name)
        if name == "Initiator":
            patch.setattr(module, name, lambda own, remote, prologue, *more, kind=kind: kind(own, remote, b"", *more))
        else:
            patch.setattr(module, name, lambda own, prologue, *more, kind=kind: kind(own, b"", *more))


def links_followed(patch: Patch) -> None:
    patch.setattr(os, "O_NOFOLLOW", 0)


def bytes_unread(data: bytes, what: str, most_bytes: int) -> object:
    """What comes is read without bounds, and by nobody who minds."""
    return msgpack.unpackb(data)


def told_unasked(self: Any, kind: int, payload: bytes) -> Seen:
    """Whatever is said of others is taken."""
    return Seen(3, Sight.GONE, 0.0)


def a_stranger_among_the_ends(edges: Any, challenge: bytes, answer: bytes) -> Any:
    return next(iter(edges), None)


def unknown_by_anybody(patch: Patch) -> None:
    """Whoever is on the line may say that a key is not known."""
    module = importlib.import_module("p2pfl_me.wire.handshaker")
    patch.setattr(module, "is_from", lambda *_: True)
    patch.setattr(module, "answered_by", lambda pairs, *_: next(iter(pairs), None))


def not_taken_back(self: Any, peer: int, round: int, weight: float, own: Any, sent: Any, got: Any) -> Any:
    """The noise over what was sent stays with the other."""
    return np.float32(weight) * (got - own)


def without_ciphers(patch: Patch) -> None:
    """Records are sealed under nothing."""
    patch.setattr(importlib.import_module("p2pfl_me.wire.records"), "AESGCM", Bare)
    patch.setattr(importlib.import_module("p2pfl_me.wire.noise"), "AESGCM", Bare)


class Bare:
    """A cipher that hides nothing."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == 32

    def encrypt(self, nonce: bytes, data: Any, more: Any) -> bytes:
        return bytes(data) + bytes(16)

    def decrypt(self, nonce: bytes, data: Any, more: Any) -> bytes:
        return bytes(data[:-16])

    def encrypt_into(self, nonce: bytes, data: Any, more: Any, out: Any) -> int:
        out[: len(data)], out[len(data) :] = bytes(data), bytes(16)
        return len(out)

    def decrypt_into(self, nonce: bytes, data: Any, more: Any, out: Any) -> int:
        out[:] = bytes(data[:-16])
        return len(out)


def any_yaml(text: str, where: str) -> Any:
    """Whatever YAML may hold is built."""
    return yaml.parse(text, Loader=yaml.SafeLoader)


def anybodys_hours(hours: Any, said: Any, there: int) -> None:
    """A single word ends a run."""
    hours._ends_at = min([hours._latest - hours._spent, *said])


LINKS = (
    Switch(
        "a count of deadlines that passed",
        instead("p2pfl_me.gossip.misses:MISS", 0),
        (
            "tests/gossip/test_misses.py::test_whatever_share_is_withheld_a_deadline_passes_in_one_round_of_six_at_most[0.5]",
        ),
    ),
    Switch(
        "a round's model counts once",
        instead("p2pfl_me.gossip.edge:Edge.is_first", lambda edge, round: True),
        ("tests/gossip/test_deadline.py::test_a_model_that_is_told_again_makes_no_deadline_good_and_stretches_none",),
    ),
    Switch(
        "two words that the run is under way",
        instead("p2pfl_me.gossip.gathering:BELIEVED", 0.0),
        (
            "tests/gossip/test_gathering.py::test_one_that_says_that_the_run_is_in_its_last_round_has_nobody_begin[mesh-dpsgd]",
        ),
    ),
    Switch(
        "a newcomer's model of several",
        instead("p2pfl_me.gossip.newcomer:_enough", lambda givers: 1),
        ("tests/gossip/test_turning.py::test_under_a_rule_a_newcomer_begins_with_no_single_model[one more]",),
    ),
    Switch(
        "the hours of most who are there",
        instead("p2pfl_me.gossip.hours:Hours.hear", anybodys_hours),
        ("tests/gossip/test_hours.py::test_one_that_says_that_the_time_is_over_ends_nobody[push]",),
    ),
    Switch(
        "no aliases",
        instead("p2pfl_me.contract.source:_plain_events", any_yaml),
        ("tests/contract/test_contract.py::test_a_contract_has_no_aliases",),
    ),
    Switch(
        "a stranger's key",
        instead("p2pfl_me.wire.handshaker:caller_of", a_stranger_among_the_ends),
        (f"{STRANGERS}::test_a_stranger_that_knows_every_public_key_gets_a_greeting_and_that_its_key_is_not_known",),
    ),
    Switch(
        "who says that a key is not known",
        unknown_by_anybody,
        (
            f"{HANDSHAKER}::test_whoever_is_on_the_line_convinces_nobody_that_a_key_is_not_known",
            f"{HANDSHAKER}::test_what_was_said_on_another_call_convinces_nobody",
        ),
    ),
    Switch(
        "bounded reading",
        instead("p2pfl_me.wire.codec:unpacked_list", bytes_unread),
        ("tests/test_fuzzing.py::test_a_decoder_raises_nothing_but_its_declared_error",),
    ),
    Switch(
        "budgets",
        instead("p2pfl_me.wire.budget:Bucket.take", lambda self, now: True),
        (
            "tests/wire/test_lying_neighbours.py::test_names_that_change_with_every_handshake_fill_no_log",
            "tests/wire/test_traffic.py::test_a_neighbour_that_draws_words_without_end_fills_no_ledger",
        ),
    ),
    Switch(
        "the length of a record",
        instead("p2pfl_me.wire.multiplexer:RECORD", 1 << 30),
        (
            "tests/wire/test_lying_neighbours.py::test_whoever_announces_a_model_and_sends_none_of_it_takes_the_memory_of_one",
        ),
    ),
    Switch(
        "only what was asked is heard",
        instead("p2pfl_me.wire.sightings:Sightings.hear", told_unasked),
        ("tests/wire/test_watcher.py::test_what_nobody_asked_and_what_nobody_says_is_refused",),
    ),
    Switch(
        "digests of a view are looked at",
        instead("p2pfl_me.membership.views:_digest", lambda told: told),
        (f"{AGREED}::test_a_view_that_cannot_be_written_down_is_refused_as_none",),
    ),
    Switch(
        "a word to who is there twice",
        instead("p2pfl_me.wire.session:Session.queue_twice", nothing),
        ("tests/wire/test_links.py::test_two_processes_with_one_identity_are_both_told_and_so_is_their_neighbour",),
    ),
    Switch(
        "noise is taken back",
        instead("p2pfl_me.gossip.zero_sum:ZeroSumEdges.correction", not_taken_back),
        ("tests/privacy/test_zero_sum.py::test_the_average_stays_to_the_rounding_of_floats_whatever_is_lost",),
    ),
    Switch(
        "a terminal for a passphrase",
        instead("p2pfl_me.passphrase:_require_terminal", nothing),
        (
            "tests/wire/test_sealed_keys.py::test_a_passphrase_comes_from_a_private_file_or_a_descriptor_and_else_from_a_terminal",
        ),
    ),
    Switch(
        "the proof to a relay",
        instead("p2pfl_me.wire.relay:caller_of", a_stranger_among_the_ends),
        (
            "tests/wire/test_relay.py::test_strangers_get_a_greeting_and_nothing_else_and_hold_no_more_than_their_places",
        ),
    ),
    Switch(
        "ciphers of the line",
        without_ciphers,
        (
            "tests/wire/test_noise.py::test_the_published_vector",
            "tests/wire/test_relay.py::test_nothing_that_goes_through_a_relay_names_anybody_or_holds_a_weight",
        ),
    ),
    Switch(
        "conversations outlive a relay",
        instead("p2pfl_me.wire.session:Session.goes_on", lambda self, theirs: False),
        ("tests/wire/test_relay.py::test_a_relay_that_ends_in_mid_transfer_costs_what_a_cut_line_costs_nothing",),
    ),
    Switch(
        "approvals are counted by one's own key",
        instead(
            "p2pfl_me.membership.agreed:Witness.approvers",
            lambda self, contract, view: frozenset(self.keys(contract)),
        ),
        (f"{AGREED}::test_a_liar_cannot_announce_anothers_leave_or_approve_for_it",),
    ),
    Switch(
        "calls a second",
        instead("p2pfl_me.wire.admission:WaitingRoom.looks", lambda self, now: 0.0),
        (f"{STRANGERS}::test_calls_are_looked_at_at_a_bounded_rate",),
    ),
    Switch(
        "lines about strangers",
        instead("p2pfl_me.wire.refusal_log:RefusalLog.line", lambda self, now, reason: reason),
        ("tests/wire/test_traffic.py::test_strangers_cannot_fill_the_log",),
    ),
    Switch(
        "the contract's digest is masked",
        instead("p2pfl_me.wire.handshake:masked", lambda key, challenge, digest: digest),
        (f"{HANDSHAKE}::test_nothing_in_clear_is_said_twice",),
    ),
    Switch(
        "rekeying",
        instead("p2pfl_me.wire.records:_Key.next", lambda self: self),
        ("tests/wire/test_records.py::test_both_sides_rekey_by_the_counter",),
    ),
    Switch(
        "only what is authentic counts",
        instead("p2pfl_me.wire.multiplexer:Unauthentic", Never),
        (f"{STRANGERS}::test_flipped_bits_blame_nobody_and_lose_nothing[True]",),
    ),
    Switch(
        "conversations outlive connections",
        instead("p2pfl_me.wire.session:Session.goes_on", lambda self, theirs: False),
        (f"{SESSION}::test_however_connections_break_all_messages_arrive_once_and_in_order",),
    ),
    Switch(
        "a model is queued once",
        instead("p2pfl_me.wire.session:Session.queue_encoded", lambda self, out: self._queue.append(out)),
        (f"{SESSION}::test_an_answer_that_is_asked_for_again_does_not_travel_again",),
    ),
    Switch(
        "the claimed digest is in the prologue",
        prologues_unbound,
        (f"{HANDSHAKE}::test_the_claimed_digest_cannot_be_exchanged_on_the_way",),
    ),
    Switch(
        "who speaks",
        any_sender,
        ("tests/wire/test_codec.py::test_each_field_is_checked",),
    ),
    Switch(
        "no writing through links",
        links_followed,
        (f"{IDENTITY}::test_a_link_in_the_shared_folder_is_neither_followed_nor_emptied",),
    ),
    Switch(
        "whose a file is, is looked at",
        instead("p2pfl_me.files:_refuse_foreign", nothing),
        ("tests/test_files.py::test_what_is_its_users_own_is_read_through_no_link_and_from_nobody_else",),
    ),
    Switch(
        "who is not called asks",
        instead("p2pfl_me.wire.dialling:Dialler.ask", nothing),
        (f"{STRANGERS}::test_whom_nobody_calls_asks_and_hears_that_its_key_is_not_known",),
    ),
    Switch(
        "former neighbours are none",
        instead("p2pfl_me.wire.neighbour:Neighbour.is_former", property(lambda _: False, nothing)),
        (
            f"{HANDSHAKER}::test_a_neighbour_of_the_contract_before_cannot_say_that_its_follower_refuses",
            "tests/wire/test_multiplexer.py::test_calls_and_frames_go_where_they_belong",
        ),
    ),
    Switch(
        "a refusal is withdrawn",
        instead("p2pfl_me.peer.refusals:Refusals.withdraw", nothing),
        ("tests/peer/test_host.py::test_who_has_mended_its_contract_refuses_no_more_though_it_is_not_linked_yet",),
    ),
    Switch(
        "one call of a neighbour at a time",
        instead("p2pfl_me.wire.handshake_stages:calls_of", lambda *_: []),
        (f"{HANDSHAKER}::test_of_one_neighbour_that_calls_again_and_again_the_newest_call_is_kept_alone",),
    ),
)
