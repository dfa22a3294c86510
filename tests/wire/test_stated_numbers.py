"""Numbers that docs, logs and peers of other labs rely on, as they stand there; whoever changes one means to.

A limit is what it is by what was measured or reckoned beside it, and half or double of it would break no other test.
"""

from __future__ import annotations

import pytest

from p2pfl_me import machine, message
from p2pfl_me.wire import (
    admission,
    bounded,
    codec,
    dialling,
    echo,
    framing,
    handshake,
    handshake_stages,
    handshaker,
    identity,
    leaving,
    links,
    multiplexer,
    neighbour,
    noise,
    pace,
    records,
    session,
    sockets,
    stream_sockets,
    thread_bridge,
    traffic,
    unknown,
)
from p2pfl_me.wire.dialling import delay
from p2pfl_me.wire.framing import Lengths, on_wire
from p2pfl_me.wire.handshake import greeting
from p2pfl_me.wire.links import Liveness
from p2pfl_me.wire.refusal_log import RefusalLog

STATED = [
    # what two versions must share to understand each other
    (handshake.VERSION, 2),
    (codec.VERSION, 1),
    ((handshake.HELLO, handshake.REPLY, handshake.GREETING), (1, 2, 3)),
    ((unknown.UNKNOWN, unknown.ANSWER, unknown.SEAL), (4, 5, 32)),
    (handshaker.UNKNOWNS, (1.0, 8.0)),
    ((session.MESSAGE, session.BODY, session.RECEIVED), (16, 17, 18)),
    ((session.BYE, session.STANDING, session.TWICE), (19, 20, 21)),
    ((echo.ECHO, echo.ECHOED), (22, 23)),
    ((admission.CHALLENGE, admission.PROOF, handshake.DIGEST), (16, 32, 32)),
    ((noise.KEY, noise.TAG, noise.MAX_HANDSHAKE), (32, 16, 65_535)),
    ((records.HEADER, records.PAYLOAD, records.RECORD), (9, 2 * 1024**2, 9 + 2 * 1024**2 + 16)),
    (2**records.REKEY_SHIFT, 65_536),
    (framing.PREFIX, 8),
    # bounds before anything is known of the sender
    ((codec.MAX_HEADER, message.MAX_ROUND, bounded.MAX_ITEMS), (1024, 2**31, 64)),
    ((handshake.MAX_PAYLOAD, handshake.MAX_FRAME), (4096, 4352)),
    ((handshake_stages.FIRST_RECORD, handshake_stages.NEWS_RECORD), (256, 9 + 2 * 1024**2 + 16)),
    (identity.LONGEST, 4096),
    ((admission.WAITING, handshake_stages.HANDSHAKE_S), (64, 10.0)),
    # what is kept, and for how long
    ((session.MOST_MESSAGES, session.MOST_MODELS, session.MOST_BYTES), (4096, 16, 256 * 1024**2)),
    (session.SHORT_PIECE, 1024),
    ((sockets.MOST_HELD, sockets.UNSETTLED, sockets.UNHEARD_S), (8 * 1024**2, 64, 1.0)),
    ((leaving.LAST_WORDS_S, leaving.LAST_PIECES, leaving.SETTLED_S), (1.0, 64, 1.0)),
    ((stream_sockets.CONNECT_S, stream_sockets.LINGER_S), (10.0, 1.0)),
    ((sockets.CALLS, sockets.CHUNKS, stream_sockets.BACKLOG), (16, 256, 256)),
    ((stream_sockets.QUEUED_OUT, stream_sockets.QUEUED_IN, sockets.BURST), (16, 128, 4)),
    ((framing.SCRATCH, sockets.COPIED), (16 * 1024, 16 * 1024)),
    ((thread_bridge.UNREAD, multiplexer.BURST), (4, 4)),
    # the pace: 4 KiB for half a second of 64 kbit/s, 32 MiB for 1 Gbit/s over 250 ms
    ((pace.LAG_S, pace.LEAST_WINDOW, pace.MOST_WINDOW), (0.5, 4096, 32 * 1024**2)),
    ((pace.LEAST_PIECE, pace.PIECES), (1024, 4)),
    ((dialling.FIRST_S, dialling.MOST_S), (0.1, 2.0)),
    # what a neighbour may cost: a second, and at once
    ((neighbour.HANDSHAKES, neighbour.RECORDS, neighbour.MESSAGES), ((1, 10), (1000, 10_000), (200, 2000))),
    # what only costs time or memory, as it was measured
    ((links.PART_POLL_S, traffic.SMALL), (0.002, 1024)),
    ((admission.ADDRESSES, machine._M_TRIM_THRESHOLD, machine._M_MMAP_THRESHOLD), (1024, -1, -3)),
]


@pytest.mark.parametrize(("found", "stated"), STATED)
def test_they_are_what_is_stated(found: object, stated: object) -> None:
    assert found == stated


def test_a_greeting_takes_26_bytes_and_a_length_is_big_endian_behind_a_clear_tag() -> None:
    assert len(Lengths().write(18) + greeting(bytes(16))) == 26 == on_wire(len(greeting(bytes(16))))
    assert Lengths().write(0x010203) == bytes([0, 1, 2, 3, 0, 0, 0, 0])
    assert Lengths(b"k" * 32).write(18)[:4] == bytes([0, 0, 0, 18])


def test_a_neighbour_is_called_at_once_then_after_a_tenth_of_a_second_that_doubles_up_to_two() -> None:
    assert [delay(failures) for failures in range(8)] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert delay(5000) == 2.0


def test_ten_lines_at_once_then_one_in_six_seconds_which_counts_those_between() -> None:
    log = RefusalLog()
    assert [log.line(0.0, "no") for _ in range(13)] == ["no"] * 10 + [None] * 3
    assert log.line(5.9, "no") is None
    assert log.line(6.0, "no") == "no (and 4 more refused since the last line)"
    assert log.line(12.0, "no") == "no", "none was swallowed since"


def test_a_neighbour_is_silent_after_twenty_seconds() -> None:
    assert Liveness().silence_s == 20.0
