"""What bounds what others can make grow, switched off."""

from __future__ import annotations

import importlib
from contextlib import nullcontext

from tests.switches.switch import Patch, Switch, instead

WEIGHTS, SHEETS = "tests/learning/test_weight_shapes.py", "tests/data/datasets/test_sheet_bombs.py"
STRANGERS, STEPS = "tests/wire/test_strangers.py", "tests/wire/test_sockets_steps.py"


def everybody_waits(patch: Patch) -> None:
    """However many have called before, from one address or from all."""
    room = importlib.import_module("p2pfl_me.wire.admission").WaitingRoom
    patch.setattr(room, "admits", lambda *_: True)
    patch.setattr(room, "enter", lambda *_: None)


def ends_by_an_empty_message(patch: Patch) -> None:
    """Callers are closed as ZeroMQ offers it, at once, whatever of theirs lies unread."""
    leaving = importlib.import_module("p2pfl_me.wire.leaving").Leaving
    patch.setattr(leaving, "begin", lambda self, name, *_, **__: self._has_gone(name))


def the_unread_heard(patch: Patch) -> None:
    """Whoever sends although nobody reads is not cut off."""
    sockets = importlib.import_module("p2pfl_me.wire.sockets").Sockets
    lost = sockets._lost
    patch.setattr(sockets, "_lost", lambda self, one, why: None if "nobody reads" in why else lost(self, one, why))


def logs_kept(patch: Patch) -> None:
    """No log that was put aside is taken away."""
    patch.setattr(importlib.import_module("p2pfl_me.run.lines"), "max", lambda *_: 0, raising=False)


def foreign_files_grow(patch: Patch) -> None:
    """Whoever reads a file that somebody handed over takes what it asks for."""
    for room in ("p2pfl_me.learning.weight_files", "p2pfl_me.data.datasets.workbook"):
        patch.setattr(importlib.import_module(room), "growing_at_most", lambda _: nullcontext())


NEVER = property(lambda self: False)

BOUNDS: tuple[Switch, ...] = (
    Switch(
        "room of idle callers",
        everybody_waits,
        (f"{STRANGERS}::test_idle_callers_are_few_and_do_not_stay",),
    ),
    Switch(
        "addresses counted",
        instead("p2pfl_me.wire.admission:ADDRESSES", 1 << 40),
        (f"{STRANGERS}::test_so_many_addresses_are_counted_and_no_more",),
    ),
    Switch(
        "callers not settled with",
        instead("p2pfl_me.wire.door:Door.shut", lambda *_, **__: None),
        ("tests/wire/test_door.py::test_a_crowd_of_callers_that_nobody_looks_at_is_bounded_and_links_go_on",),
    ),
    Switch(
        "callers that reset",
        ends_by_an_empty_message,
        ("tests/wire/test_leaving.py::test_nothing_is_kept_of_callers_that_fill_the_queue_and_reset",),
    ),
    Switch(
        "bytes that nobody reads",
        the_unread_heard,
        (f"{STEPS}::test_who_sends_on_although_nobody_reads_is_cut_off_at_a_byte_more",),
    ),
    Switch(
        "what is unconfirmed",
        instead("p2pfl_me.wire.session:Session.is_behind", NEVER),
        (
            "tests/wire/test_lying_neighbours.py::test_for_a_neighbour_that_confirms_nothing_little_is_kept",
            "tests/wire/test_multiplexer.py::test_changes_are_not_kept_without_end_for_one_that_reads_nothing",
        ),
    ),
    Switch(
        "what may be told of changes",
        instead("p2pfl_me.peer.changing:Changing._may_tell", lambda *_: True),
        ("tests/membership/test_agreed.py::test_whoever_tells_of_ever_new_changes_is_read_no_more",),
    ),
    Switch(
        "what waits for the loop",
        instead("p2pfl_me.wire.thread_bridge:ThreadBridge.is_full", NEVER),
        ("tests/wire/test_thread_bridge.py::test_everything_arrives_in_order_and_the_thread_is_held_back",),
    ),
    Switch(
        "memory of a foreign file",
        foreign_files_grow,
        (
            f"{WEIGHTS}::test_a_keras_file_that_was_pressed_together_takes_no_more_than_its_size_allows",
            f"{SHEETS}::test_a_sheet_that_asks_for_more_memory_than_its_size_allows_is_refused",
        ),
    ),
    Switch("logs put aside", logs_kept, ("tests/run/test_log.py::test_a_log_that_grows_is_put_aside_and_read_as_one",)),
)
