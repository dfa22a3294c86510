"""The traffic figure: bytes every peer put on the wire, headers and encryption counted."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from p2pfl_me.report.document import Picture, figure_named
from p2pfl_me.report.numbers import Row
from p2pfl_me.report.style import BLUE, INK, MUTED, RULE, headline, new_figure
from p2pfl_me.report.traffic import PeerTraffic, readable_bytes, total_sent

MOST_BARS = 40


def traffic_picture(rows: Sequence[PeerTraffic]) -> Picture | None:
    """Bytes by peer; None if no peer counted any."""
    if not rows or not total_sent(rows):
        return None
    payload = sum(row.payload or 0 for row in rows)
    known = all(row.payload is not None for row in rows)
    total = total_sent(rows)
    share = (
        f" Of these bytes {100 * payload / total:.2f} % are model weights; the rest is seals, headers, "
        "framing and heartbeats."
        if known and payload
        else ""
    )
    shown = "" if len(rows) <= MOST_BARS else f" The {MOST_BARS} busiest of {len(rows)} peers are drawn."
    return Picture(
        name="traffic",
        title=f"Bytes sent: {readable_bytes(total)} in all, {readable_bytes(total / len(rows))} a peer",
        reading=(
            "Everything a peer put on the wire, with encryption, headers and lengths. A peer pays for each "
            f"of its neighbours.{share}{shown}"
        ),
        alt="Bar chart of bytes sent by peer",
        draw=traffic_figure,
        header=("peer", "bytes_sent", "bytes_received", "payload_sent"),
        rows=tuple((row.peer, row.sent, row.received, row.payload) for row in rows),
    )


@figure_named("traffic")
def traffic_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows."""
    sent = {int(row["peer"]): int(row["bytes_sent"]) for row in rows}
    drawn = sorted(sorted(sent, key=lambda peer: -sent[peer])[:MOST_BARS])
    figure, axes = new_figure(0.7 + 0.215 * max(len(drawn), 2), width)
    axes.barh(range(len(drawn)), [sent[peer] for peer in drawn], height=0.62, color=BLUE, alpha=0.85)
    for place, peer in enumerate(drawn):
        axes.annotate(
            readable_bytes(sent[peer]),
            xy=(sent[peer], place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
    axes.set_yticks(range(len(drawn)), [f"peer {peer}" for peer in drawn])
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    axes.set_xlim(0, max(sent.values()))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: readable_bytes(value) if value else "0"))
    axes.tick_params(axis="y", colors=RULE, labelcolor=MUTED)
    axes.spines["left"].set_visible(False)
    headline(axes, "bytes on the wire")
    return figure
