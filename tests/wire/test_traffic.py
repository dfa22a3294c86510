"""The ledger: what a frame takes on the wire, entries in order, heartbeats summed, refusals kept few."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable

import numpy as np
import pytest

from p2pfl_me.message import Kind, Message
from p2pfl_me.run.ledger import Sent
from p2pfl_me.wire.codec import Schema, encode
from p2pfl_me.wire.refusal_log import BURST, REFILL_S, RefusalLog, StrangersLog
from p2pfl_me.wire.session import Outgoing
from p2pfl_me.wire.traffic import SMALL, WORDS, TrafficLedger

SCHEMA = Schema(1000, bytes(32))


def outgoing(message: Message) -> Outgoing:
    header, body = encode(message, 0, SCHEMA)
    return Outgoing(message, header, body, wire=5000)


def test_entries_stand_in_the_order_in_which_messages_left() -> None:
    entries: list[Sent] = []
    calls: deque[Callable[[], None]] = deque()
    ledger = TrafficLedger([1, 2], entries.append, calls.append)
    model = np.arange(1000, dtype=np.float32)
    for peer in (1, 2):
        ledger.message_sent(peer, outgoing(Message(Kind.OFFER, 7, 7, model)))
    ledger.message_sent(1, outgoing(Message(Kind.SKIP, 7, 7)))
    for _ in range(3):
        ledger.ping_sent(2, ledger.frame_sent(2, 25))
    ledger.close()
    while calls:  # news of digests that are written already
        calls.popleft()()
    assert ledger.totals[2].sent == 3 * 33
    digest = hashlib.sha256(np.arange(1000, dtype=np.float32).tobytes()).hexdigest()
    assert [(e.to, e.kind, e.sha256) for e in entries] == [
        (1, "offer", digest),
        (2, "offer", digest),
        (1, "skip", None),
        (2, "ping", None),
    ]
    assert entries[0].wire == 5000 and entries[0].bytes > 4000
    assert entries[3] == Sent(to=2, kind="ping", bytes=0, wire=99, count=3)


def test_each_model_is_digested_once_small_ones_at_once_and_heartbeats_are_booked_since_the_last_time() -> None:
    entries: list[Sent] = []
    ledger = TrafficLedger([1, 2], entries.append, lambda call: None)
    small = np.arange(256, dtype=np.float32)
    schema = Schema(256, bytes(32))

    def sent(model: np.ndarray) -> Outgoing:
        message = Message(Kind.OFFER, 7, 7, model)
        return Outgoing(message, *encode(message, 0, schema if model is small else SCHEMA), wire=5)

    assert small.nbytes == SMALL
    ledger.message_sent(1, sent(small))
    assert [entry.sha256 for entry in entries] == [hashlib.sha256(small.tobytes()).hexdigest()], "in no other thread"
    assert ledger._hashed is None
    one, other = np.zeros(1000, np.float32), np.ones(1000, np.float32)
    futures = [ledger._digest(each) for each in (one, one, other, other)]
    assert futures[0] is futures[1] is not futures[2] is futures[3]
    for peer, wire in ((1, 10), (1, 20), (2, 30)):
        ledger.ping_sent(peer, wire)
    ledger.sum_pings(1)
    ledger.sum_pings(1)
    ledger.ping_sent(1, 40)
    ledger.frame_received(2, 10)
    ledger.close()
    pings = [(entry.to, entry.count, entry.wire) for entry in entries if entry.kind == "ping"]
    assert pings == [(1, 2, 30), (1, 1, 40), (2, 1, 30)]
    assert (ledger.totals[2].received, ledger.totals[2].sent, ledger.totals[1].received) == (18, 0, 0)
    silent = TrafficLedger([1], None, lambda call: None)
    silent.message_sent(1, sent(one))
    silent.ping_sent(1, 5)
    assert not silent._due
    silent.close()
    for closed in (ledger, silent):
        with pytest.raises(RuntimeError, match="after shutdown"):
            closed._hasher.submit(bytes)


def test_a_neighbour_that_draws_words_without_end_fills_no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each kind one line a second; no byte and no message is left out, and models have lines of their own."""
    entries: list[Sent] = []
    now = 0.0
    monkeypatch.setattr("p2pfl_me.wire.traffic.time.monotonic", lambda: now)
    ledger = TrafficLedger([1, 2], entries.append, lambda call: None)
    many, model = 40_000, np.ones(1000, np.float32)
    for number in range(many):
        now = number / 200
        ledger.message_sent(1, outgoing(Message(Kind.SKIP if number % 2 else Kind.PRESENT, 7, 7)))
    ledger.message_sent(1, outgoing(Message(Kind.OFFER, 7, 7, model)))
    ledger.message_sent(2, outgoing(Message(Kind.SKIP, 8, 8)))
    ledger.close()
    words = [entry for entry in entries if entry.to == 1 and entry.kind != "offer"]
    assert len(words) <= WORDS[1] + 3 * (WORDS[0] * many / 200 + 1)
    for kind in ("skip", "present"):
        assert sum(entry.count or 1 for entry in words if entry.kind == kind) == many / 2
    assert sum(entry.wire for entry in words) == 5000 * many
    assert [(entry.kind, entry.count) for entry in entries[-2:]] == [("offer", None), ("skip", None)]


def test_the_ledger_does_not_keep_a_model_alive() -> None:
    ledger = TrafficLedger([1], lambda entry: None, lambda call: None)
    model = np.zeros(1000, dtype=np.float32)
    ledger.message_sent(1, outgoing(Message(Kind.OFFER, 0, 0, model)))
    ledger.close()
    assert ledger._hashed is not None
    del model
    assert ledger._hashed[0]() is None


def test_what_a_stranger_repeats_is_said_ever_more_rarely_and_leaves_room_for_what_is_new() -> None:
    """One whose key is not known calls every five seconds, for as long as it likes."""
    log = StrangersLog()
    said = [at for at in range(0, 7200, 5) if log.line(float(at), "a key") is not None]
    assert said == [0, 60, 180, 420, 900, 1860, 3780]
    assert log.line(7200.0, "a connection") == "a connection (and 683 more refused since the last line)"
    many = [at for at in range(600) if log.line(8000.0 + at, f"from {at}") is not None]
    assert len(many) <= BURST + 600 / REFILL_S, "ever new ones have the same room"


def test_strangers_cannot_fill_the_log() -> None:
    log = RefusalLog()
    lines = [log.line(1000.0, "garbage") for _ in range(500)]
    assert lines[: int(BURST)] == ["garbage"] * int(BURST) and not any(lines[int(BURST) :])
    later = log.line(1000.0 + REFILL_S, "garbage")
    assert later == f"garbage (and {500 - int(BURST)} more refused since the last line)"
    assert log.line(1000.0 + REFILL_S, "garbage") is None
