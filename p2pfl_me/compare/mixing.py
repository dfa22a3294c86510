"""Each set-up of a comparison once more without training, beside what its graph predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from p2pfl_me.compare.grid import Group
from p2pfl_me.contract import Contract

if TYPE_CHECKING:
    from p2pfl_me.report.mixing import Mixing

MOST_PEERS = 256
"""More would take longer to mix here than the page is worth."""
MOST_ROUNDS = 400
LEFT = 1e-4
"""The share of the first distance that is predicted to be left when the mixing ends."""


def mixings_of(groups: Sequence[Group]) -> tuple[tuple[Mixing, ...], tuple[str, ...]]:
    """The undisturbed set-ups that only mixed, and the names of those for whom that says nothing."""
    from p2pfl_me.simulation.mixing_alone import follows_its_matrix

    found: dict[bytes, Mixing] = {}
    left_out = []
    for group in groups:
        contract = group.contract
        if contract.peers.count > MOST_PEERS or contract.peers.count < 2:
            continue
        if not follows_its_matrix(contract):
            left_out.append(group.name)
            continue
        # What differs in training alone mixes alike.
        key = f"{contract.topology!r}{contract.gossip!r}{contract.peers.count}".encode()
        if key in found:
            found[key] = replace(found[key], alike=(*found[key].alike, group.name))
        else:
            found[key] = mixing_of(group.name, contract)
    return tuple(found.values()), tuple(dict.fromkeys(left_out))


def mixing_of(name: str, contract: Contract) -> Mixing:
    """One set-up, for as many rounds as its graph needs."""
    from p2pfl_me.report.mixing import Mixing
    from p2pfl_me.simulation.carriage import model_bytes
    from p2pfl_me.simulation.mixing_alone import mix_alone
    from p2pfl_me.topology import plan_of
    from p2pfl_me.topology.averaging import mixing_curve

    predicted = mixing_curve(plan_of(contract), MOST_ROUNDS)
    near = np.flatnonzero(predicted <= LEFT)
    rounds = int(near[0]) if near.size else MOST_ROUNDS
    course = mix_alone(contract, rounds)
    megabytes = course.models * model_bytes(contract) / 1e6
    return Mixing(name, course.distance, predicted[: rounds + 1], megabytes)
