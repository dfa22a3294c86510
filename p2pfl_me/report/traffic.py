"""Bytes that left the peers: from their event logs (cumulative, on the wire) and from the egress ledgers.

A round's counter is read before the round's own answers have left, a life's last one is missing where the peer was
killed, and the ledger has no handshakes: none of them counts what has not left, so the largest comes nearest.

On the wire means with the record seals, message headers and lengths; not TCP and IP headers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from p2pfl_me.message import HIDDEN, MODELS
from p2pfl_me.report.run import Run, Traffic

_CARRIERS = frozenset(kind.value for kind in MODELS | HIDDEN)
"""The kinds of message that may carry a model, hidden or not, as a ledger names them."""


@dataclass(frozen=True, slots=True)
class PeerTraffic:
    """One peer's bytes. `payload` is what carried models; None without an egress ledger."""

    peer: int
    sent: int
    received: int | None
    payload: int | None


def peer_traffic(run: Run) -> tuple[PeerTraffic, ...]:
    """Bytes sent and received by every peer in the whole run, as far as its log and its ledger know."""
    found = []
    for log in run.peers:
        ledger = run.egress.get(log.peer)
        sent = _largest(*(each.bytes_sent for each in log.rounds), log.sent or None, _wire(ledger or ()))
        if sent is not None:
            received = _largest(*(each.bytes_received for each in log.rounds), log.received or None)
            payload = sum(row.payload for row in ledger if row.kind in _CARRIERS) if ledger else None
            found.append(PeerTraffic(log.peer, sent, received, payload))
    return tuple(found)


def nobody_began(run: Run) -> bool:
    """Whether every peer said why it ended and nothing before: of one whose files are elsewhere nothing is known."""
    began = any(log.starts or log.rounds or run.egress.get(log.peer) or not log.finish for log in run.peers)
    return len(run.peers) == run.contract.peers.count and not began


def no_model_left(run: Run) -> bool:
    """Whether the ledgers of all peers say so."""
    known = all(run.egress.get(log.peer) for log in run.peers)
    return known and not any(row.kind in _CARRIERS for ledger in run.egress.values() for row in ledger)


def by_kind(run: Run) -> tuple[Traffic, ...]:
    """All peers' ledgers summed by kind of message, largest first."""
    sums: dict[str, Traffic] = {}
    for row in (row for ledger in run.egress.values() for row in ledger):
        seen = sums.get(row.kind, Traffic(row.kind, 0, 0, 0))
        sums[row.kind] = Traffic(
            row.kind, seen.messages + row.messages, seen.payload + row.payload, seen.wire + row.wire
        )
    return tuple(sorted(sums.values(), key=lambda row: (-row.wire, row.kind)))


def sent_by_round(run: Run) -> tuple[tuple[int, float], ...]:
    """(round, mean bytes a peer has sent for that round and those before) over the peers that logged it.

    All that a peer has sent belongs to its last round at the latest.
    """
    totals = {row.peer: row.sent for row in peer_traffic(run)}
    values: dict[int, list[int]] = {}
    for log in run.peers:
        booked = _by_round(run.egress.get(log.peer, ()))
        for each in log.rounds:
            if each.round == log.last_round:
                sent = totals.get(log.peer)
            else:
                sent = _largest(each.bytes_sent, booked(each.round))
            if sent is not None:
                values.setdefault(each.round, []).append(sent)
    return tuple((index, sum(values[index]) / len(values[index])) for index in sorted(values))


def _by_round(ledger: Sequence[Traffic]) -> Callable[[int], int | None]:
    """Bytes of the messages of a round and those before; None where the ledger holds none."""
    sums: dict[int, int] = {}
    for row in ledger:
        if row.round is not None:
            sums[row.round] = sums.get(row.round, 0) + row.wire
    rounds = sorted(sums)
    totals = list(accumulate(sums[each] for each in rounds))

    def booked(round: int) -> int | None:
        place = bisect_right(rounds, round)
        return totals[place - 1] if place else None

    return booked


def _wire(ledger: Sequence[Traffic]) -> int | None:
    return sum(row.wire for row in ledger) if ledger else None


def _largest(*counts: int | None) -> int | None:
    return max((count for count in counts if count is not None), default=None)


def total_sent(rows: Sequence[PeerTraffic]) -> int:
    """Bytes sent by all peers together."""
    return sum(row.sent for row in rows)


def alike(rows: Sequence[PeerTraffic]) -> bool:
    """Whether all sent the same, up to a hundredth: bars of one length tell nothing, and so does a single one."""
    sent = [row.sent for row in rows]
    return sum(sent) > 0 and min(sent) > 0.99 * max(sent)


def model_share(rows: Sequence[PeerTraffic]) -> str:
    """A sentence on how much of it was models; empty where it is not known."""
    payload = [row.payload for row in rows if row.payload is not None]
    if len(payload) < len(rows):
        return ""
    if not sum(payload):
        return " No model was among them: these are seals, headers, framing and heartbeats."
    return (
        f" Of these bytes {100 * sum(payload) / total_sent(rows):.2f} % are model weights; the rest is seals, headers, "
        "framing and heartbeats."
    )
