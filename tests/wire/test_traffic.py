"""The ledger: what a frame takes on the wire, entries in order, heartbeats summed, refusals kept few."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable

import numpy as np

from p2pfl_me.message import Kind, Message
from p2pfl_me.run.ledger import Sent
from p2pfl_me.wire.codec import Schema, encode
from p2pfl_me.wire.refusal_log import BURST, REFILL_S, RefusalLog
from p2pfl_me.wire.session import Outgoing
from p2pfl_me.wire.traffic import TrafficLedger

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


def test_the_ledger_does_not_keep_a_model_alive() -> None:
    ledger = TrafficLedger([1], lambda entry: None, lambda call: None)
    model = np.zeros(1000, dtype=np.float32)
    ledger.message_sent(1, outgoing(Message(Kind.OFFER, 0, 0, model)))
    ledger.close()
    assert ledger._hashed is not None
    del model
    assert ledger._hashed[0]() is None


def test_strangers_cannot_fill_the_log() -> None:
    log = RefusalLog()
    lines = [log.line(1000.0, "garbage") for _ in range(500)]
    assert lines[: int(BURST)] == ["garbage"] * int(BURST) and not any(lines[int(BURST) :])
    later = log.line(1000.0 + REFILL_S, "garbage")
    assert later == f"garbage (and {500 - int(BURST)} more refused since the last line)"
    assert log.line(1000.0 + REFILL_S, "garbage") is None
