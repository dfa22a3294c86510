"""What passed over the links: bytes per neighbour, and the egress ledger's entry for each message that left.

The digest of a model is taken in a thread of its own (29 MB take 17 ms), once for all neighbours that get the model.
"""

from __future__ import annotations

import hashlib
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from p2pfl_me.message import Packed, Vector
from p2pfl_me.run.ledger import Sent
from p2pfl_me.wire.budget import Bucket
from p2pfl_me.wire.framing import on_wire
from p2pfl_me.wire.session import Outgoing

SMALL = 1024
"""Bytes up to which a digest takes less time than to ask another thread for it."""
Ledger = Callable[[Sent], None]
"""Gets one entry for each message that left, and one for the heartbeats to a neighbour since the last."""
WORDS = (1.0, 500.0)
"""Entries for messages without a model to one neighbour, a second and at once: several times what rounds need. Whoever
draws more of them, by asking again and again, gets them summed by kind: it may not fill the disk."""


@dataclass(slots=True)
class Traffic:
    """Bytes on the wire with one neighbour: seals, headers and lengths included."""

    sent: int = 0
    received: int = 0

    @property
    def both(self) -> int:
        return self.sent + self.received


@dataclass(slots=True)
class _Pings:
    count: int = 0
    wire: int = 0


@dataclass(slots=True)
class _Words:
    bucket: Bucket = field(default_factory=lambda: Bucket(*WORDS))
    sums: dict[str, Sent] = field(default_factory=dict)
    """By kind."""


class TrafficLedger:
    """The traffic ledger of one peer's links. Entries are written in the order in which the messages left.

    All methods belong to one thread; `post` has a call made there when a digest is ready.
    """

    def __init__(self, peers: Iterable[int], ledger: Ledger | None, post: Callable[[Callable[[], None]], None]) -> None:
        self.totals = {peer: Traffic() for peer in peers}
        self._pings = {peer: _Pings() for peer in self.totals}
        self._words = {peer: _Words() for peer in self.totals}
        self._ledger, self._post = ledger, post
        self._hasher = ThreadPoolExecutor(1, thread_name_prefix="egress-digest")
        self._due: deque[tuple[Sent, Future[str] | None]] = deque()
        self._hashed: tuple[weakref.ref[Vector | Packed], Future[str]] | None = None

    def frame_sent(self, peer: int, size: int) -> int:
        """Count a frame of `size` bytes; returns what it took on the wire."""
        wire = on_wire(size)
        self.totals[peer].sent += wire
        return wire

    def frame_received(self, peer: int, size: int) -> None:
        self.totals[peer].received += on_wire(size)

    def ping_sent(self, peer: int, wire: int) -> None:
        pings = self._pings[peer]
        pings.count += 1
        pings.wire += wire

    def message_sent(self, peer: int, out: Outgoing) -> None:
        """Book a message whose last record has left."""
        message = out.message
        if self._ledger is None:
            return
        size = len(out.header) + (out.body.nbytes if out.body else 0)
        entry = Sent(peer, message.kind.value, size, out.wire, round=message.round)
        words = self._words[peer]
        if message.content is None and not words.bucket.take(time.monotonic()):
            before = words.sums.get(entry.kind) or Sent(peer, entry.kind, 0, 0, count=0)
            count, wire = (before.count or 0) + 1, before.wire + out.wire
            words.sums[entry.kind] = replace(before, bytes=before.bytes + size, wire=wire, count=count)
            return
        self._sum_words(peer)
        self._due.append((entry, None if message.content is None else self._digest(message.content)))
        self._write()

    def _sum_words(self, peer: int) -> None:
        """Book the words to `peer` that got no entry of their own, before what left after them."""
        sums = self._words[peer].sums
        self._due.extend((entry, None) for entry in sums.values())
        sums.clear()

    def sum_pings(self, peer: int) -> None:
        """Book the heartbeats sent to `peer` since the last time, and what else is summed."""
        self._sum_words(peer)
        pings = self._pings[peer]
        if pings.count and self._ledger is not None:
            self._due.append((Sent(peer, "ping", 0, pings.wire, count=pings.count), None))
        self._write()
        self._pings[peer] = _Pings()

    def close(self) -> None:
        """Write what is due, when its digests are ready."""
        for peer in self.totals:
            self.sum_pings(peer)
        while self._due:
            if (digest := self._due[0][1]) is not None:
                wait([digest])
            self._write()
        self._hasher.shutdown()

    def _digest(self, params: Vector | Packed) -> Future[str]:
        if params.nbytes <= SMALL:
            ready: Future[str] = Future()
            ready.set_result(_sha256(params))
            return ready
        if self._hashed is None or self._hashed[0]() is not params:
            digest = self._hasher.submit(_sha256, params)
            digest.add_done_callback(lambda _: self._post(self._write))
            self._hashed = weakref.ref(params), digest
        return self._hashed[1]

    def _write(self) -> None:
        while self._due and ((digest := self._due[0][1]) is None or digest.done()):
            entry, _ = self._due.popleft()
            if digest is not None:
                entry = replace(entry, sha256=digest.result())
            if self._ledger is not None:
                self._ledger(entry)


def _sha256(params: Vector | Packed) -> str:
    return hashlib.sha256(params.data.cast("B")).hexdigest()
