"""Peers that lie, for swarms on this machine, the simulator and tests: an attack wraps an honest core or poisons data.

The rooms of a peer that a user starts lie no higher than this one, so `p2pme peer` cannot reach what is here.
"""

from p2pfl_me.adversary.attack import Attack
from p2pfl_me.adversary.liar import Board, Deceit, Observed
from p2pfl_me.adversary.lies import ATTACKS, Lies, parse_lies

__all__ = ["ATTACKS", "Attack", "Board", "Deceit", "Lies", "Observed", "parse_lies"]
