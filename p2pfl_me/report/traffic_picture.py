"""The traffic figure: bytes every peer put on the wire, headers and encryption counted."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from p2pfl_me.counting import readable_bytes
from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import RunPart, figure_named, in_run
from p2pfl_me.report.numbers import Row
from p2pfl_me.report.run import Run
from p2pfl_me.report.style import bars, few_ticks, headline, new_figure
from p2pfl_me.report.traffic import alike, model_share, peer_traffic, total_sent

MOST_BARS = 40


@in_run(RunPart.COST)
def traffic_picture(run: Run) -> Picture | None:
    """Bytes by peer; None if no peer counted any, or where all sent the same, which is a sentence."""
    rows = peer_traffic(run)
    if not total_sent(rows) or alike(rows):
        return None
    total, share = total_sent(rows), model_share(rows)
    shown = "" if len(rows) <= MOST_BARS else f" The {MOST_BARS} busiest of {len(rows)} peers are drawn."
    put = "would have put" if run.manifest.rehearsed else "put"
    return Picture(
        name="traffic",
        title=f"Bytes sent: {readable_bytes(total)} in all, {readable_bytes(total / len(rows))} a peer",
        reading=(
            f"Everything a peer {put} on the wire, with encryption, headers and lengths. A peer pays for each of "
            f"its neighbours.{share}{shown}"
        ),
        alt="Bar chart of bytes sent by peer",
        header=("peer", "bytes_sent", "bytes_received", "payload_sent"),
        rows=tuple((row.peer, row.sent, row.received, row.payload) for row in rows),
    )


@figure_named("traffic")
def traffic_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows."""
    sent = {int(row["peer"]): int(row["bytes_sent"]) for row in rows}
    drawn = sorted(sorted(sent, key=lambda peer: -sent[peer])[:MOST_BARS])
    figure, axes = new_figure(0.7 + 0.215 * max(len(drawn), 2), width)
    bars(axes, [(f"peer {peer}", sent[peer], sent[peer], readable_bytes(sent[peer])) for peer in drawn])
    axes.set_xlim(0, max(sent.values()))
    few_ticks(axes, 4)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: readable_bytes(value) if value else "0"))
    headline(axes, "bytes on the wire")
    return figure
