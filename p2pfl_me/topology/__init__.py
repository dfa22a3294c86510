"""Who is whose neighbour, and with which weight: graphs over networkx, schedules, mixing matrices, spectral figures.

Floor 1 of the house: imports the contract and the errors; no socket, thread, clock or file.
"""

from p2pfl_me.topology.arcs import Arc, DirectedSchedule, as_directed
from p2pfl_me.topology.directed import Plan, directed_schedule_of, link_count, plan_of
from p2pfl_me.topology.graph import build_graph, graph_of
from p2pfl_me.topology.mixing import drop_edges, metropolis_hastings, mixing_matrix
from p2pfl_me.topology.schedule import (
    ChangingSchedule,
    CompleteSchedule,
    Edge,
    Schedule,
    StaticSchedule,
    schedule_of,
)
from p2pfl_me.topology.spectral import (
    Figures,
    diameter,
    directed_figures,
    directed_round_rms,
    round_rms,
    spectral_figures,
)

__all__ = [
    "Arc",
    "ChangingSchedule",
    "CompleteSchedule",
    "DirectedSchedule",
    "Edge",
    "Figures",
    "Plan",
    "Schedule",
    "StaticSchedule",
    "as_directed",
    "build_graph",
    "diameter",
    "directed_figures",
    "directed_round_rms",
    "directed_schedule_of",
    "drop_edges",
    "graph_of",
    "link_count",
    "metropolis_hastings",
    "mixing_matrix",
    "plan_of",
    "round_rms",
    "schedule_of",
    "spectral_figures",
]
