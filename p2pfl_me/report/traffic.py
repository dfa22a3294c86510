"""Bytes that left the peers: from the round logs (cumulative, on the wire) and from the egress ledgers.

On the wire means with the record seals, message headers and ZeroMQ framing; not TCP and IP headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from p2pfl_me.report.run import Run, Traffic


@dataclass(frozen=True, slots=True)
class PeerTraffic:
    """One peer's bytes. `payload` is None without an egress ledger."""

    peer: int
    sent: int
    received: int | None
    payload: int | None


def peer_traffic(run: Run) -> tuple[PeerTraffic, ...]:
    """Bytes sent and received by every peer at its last round; from its ledger where it logged no round."""
    found = []
    for log in run.peers:
        sent = [each.bytes_sent for each in log.rounds if each.bytes_sent is not None]
        received = [each.bytes_received for each in log.rounds if each.bytes_received is not None]
        ledger = run.egress.get(log.peer)
        total = sent[-1] if sent else sum(row.wire for row in ledger) if ledger else None
        if total is not None:
            payload = sum(row.payload for row in ledger) if ledger else None
            found.append(PeerTraffic(log.peer, total, received[-1] if received else None, payload))
    return tuple(found)


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
    """(round, mean bytes a peer has sent by the end of that round) over the peers that logged it."""
    values: dict[int, list[int]] = {}
    for log in run.peers:
        for each in log.rounds:
            if each.bytes_sent is not None:
                values.setdefault(each.round, []).append(each.bytes_sent)
    return tuple((index, sum(values[index]) / len(values[index])) for index in sorted(values))


def total_sent(rows: Sequence[PeerTraffic]) -> int:
    """Bytes sent by all peers together."""
    return sum(row.sent for row in rows)


def readable_bytes(count: float) -> str:
    """Bytes in decimal units with three figures: 41.2 MB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            value = count / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{count:.0f} B"
