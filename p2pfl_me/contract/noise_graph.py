"""The graph of a contract as noise before sharing sees it, and whether that noise is worth its name there."""

from __future__ import annotations

import numpy as np

from p2pfl_me.contract.model import Contract
from p2pfl_me.privacy.noise.decor import Decor, warning
from p2pfl_me.privacy.noising import Standing
from p2pfl_me.topology import schedule_of


def standing(contract: Contract) -> Standing:
    """The graph and its mixing matrix; its edges stand, or the contract would not have been read."""
    schedule = schedule_of(contract)
    peers = range(schedule.size)
    mixing = np.array([[schedule.weights(i, 0).get(j, 0.0) for j in peers] for i in peers])
    np.fill_diagonal(mixing, 1 - mixing.sum(1))
    edges = tuple((i, j) for i in peers for j in schedule.neighbours(i) if i < j)
    return Standing(edges, mixing)


def noise_warning(contract: Contract) -> str:
    """What whoever starts a run should know of its noise; empty where nothing is to be said."""
    noise = contract.privacy.noise
    return warning(standing(contract), noise) if isinstance(noise, Decor) else ""
