"""Who is whose neighbour, and with which weight: graphs over networkx, schedules, mixing matrices, spectral figures.

Floor 1 of the house: imports the contract and the errors; no socket, thread, clock or file.
"""

from p2pfl_me.topology.graph import build_graph
from p2pfl_me.topology.mixing import drop_edges, metropolis_hastings, mixing_matrix
from p2pfl_me.topology.schedule import ChangingSchedule, Edge, Schedule, StaticSchedule, schedule_of
from p2pfl_me.topology.spectral import Figures, diameter, round_rms, spectral_figures

__all__ = [
    "ChangingSchedule",
    "Edge",
    "Figures",
    "Schedule",
    "StaticSchedule",
    "build_graph",
    "diameter",
    "drop_edges",
    "metropolis_hastings",
    "mixing_matrix",
    "round_rms",
    "schedule_of",
    "spectral_figures",
]
