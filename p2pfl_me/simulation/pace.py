"""How long things take on the virtual clock: a training step, and the models of a round on the busiest line."""

from __future__ import annotations

from p2pfl_me.simulation.faults import FaultModel, LinkQuality
from p2pfl_me.topology import DirectedSchedule, Plan

STEP_S = 0.002
"""Virtual seconds of one training step: what the head takes on one core of a common machine."""
ORDINARY = FaultModel(LinkQuality(latency_s=(0.01, 0.03), bandwidth_bps=100e6), compute_s=(STEP_S, STEP_S))
"""Peers in one country behind lines of 100 Mbit/s. `compute_s` is that of one training step here."""


def exchange_seconds(plan: Plan, round: int, message_bytes: int) -> float:
    """About how long a round's exchange takes undisturbed: there and back, and what the busiest peer has to send."""
    sends = [0] * plan.size
    if isinstance(plan, DirectedSchedule):
        for arc in plan.arcs(round):
            sends[arc.sender] += 1
    else:
        for edge in plan.edges(round):
            sends[edge.a] += 1
            sends[edge.b] += 1
    link = ORDINARY.link
    line = 8 * max(sends) * message_bytes / link.bandwidth_bps if link.bandwidth_bps else 0.0
    return sum(link.latency_s) + line
