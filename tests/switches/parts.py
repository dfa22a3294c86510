"""A part of each model for a neighbour: switched off."""

from __future__ import annotations

from typing import Any

import numpy as np

from p2pfl_me.contract.history import FREE
from tests.switches.switch import Switch, instead

PARTS = "tests/privacy/test_submodels.py"


def whole_models(contract: Any, dealt: Any, peer: int, neighbours: Any, size: int) -> dict[int, Any]:
    """Every edge carries every place."""
    return dict.fromkeys(neighbours, np.arange(size))


def another_part_each_round(self: Any, peer: int, round: int, own: Any) -> Any:
    """An edge carries the places of its part, moved on by the round."""
    return np.ascontiguousarray(own[(self._places[peer] + round) % own.size], dtype="<f4").view(np.uint8)


def in_two_parts(self: Any, size: int, seed: int) -> tuple[Any, ...]:
    """Each part but the first has the places of the one before, too."""
    cuts = [size * part // self.parts for part in range(self.parts + 1)]
    return tuple(np.arange(cuts[max(0, part - 1)], cuts[part + 1]) for part in range(self.parts))


def by_the_reader(self: Any, peer: int, other: int, round: int) -> float:
    """Each end has a weight of its own."""
    return 0.5 if peer < other else 0.25


OF_PARTS = (
    Switch(
        "parts of a model",
        instead("p2pfl_me.gossip.rounds:by_part", whole_models),
        (f"{PARTS}::test_no_neighbour_is_ever_sent_a_value_of_a_place_outside_of_its_part[dpsgd]",),
    ),
    Switch(
        "one part for good",
        instead("p2pfl_me.gossip.slices:Sliced.pack", another_part_each_round),
        (f"{PARTS}::test_no_neighbour_is_ever_sent_a_value_of_a_place_outside_of_its_part[dpsgd]",),
    ),
    Switch(
        "parts without a common place",
        instead("p2pfl_me.privacy.exchanges.submodels:Submodels.dealt", in_two_parts),
        (
            f"{PARTS}::test_every_place_is_in_one_part_and_parts_are_equal[1715-2]",
            f"{PARTS}::test_so_many_neighbours_together_hold_so_many_parts_at_most[topology0-4-2]",
        ),
    ),
    Switch(
        "a graph that stays",
        instead("p2pfl_me.contract.history:_free", lambda contract: frozenset(FREE)),
        ("tests/contract/test_history.py::test_who_shows_each_neighbour_a_part_only_keeps_graph_and_members",),
    ),
    Switch(
        "weights that both ends share",
        instead("p2pfl_me.topology.submodels:Dealt.weight", by_the_reader),
        (
            f"{PARTS}::test_every_value_is_mixed_by_a_doubly_stochastic_matrix_of_its_own_whatever_is_lost[topology0-4-2]",
            f"{PARTS}::test_all_come_to_agree_on_the_average_of_every_value[topology0-6-2]",
        ),
    ),
)
