"""The seam between a round's exchange and what becomes of the models that it brought: one interface for all rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from p2pfl_me.choice import Choice
from p2pfl_me.message import Vector

NOBODY: Mapping[int, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What one peer holds when the exchange of round `round` of `rounds` is over.

    `own` and the `models` that came, by neighbour, are float32 (P,) and belong to others: nobody writes to them. `row`
    has W_ij of all neighbours of the round, also of those whose model is missing; what is left to 1 is one's own.
    """

    me: int
    round: int
    rounds: int
    own: Vector = field(repr=False)
    row: Mapping[int, float]
    models: Mapping[int, Vector] = field(repr=False)

    @property
    def peers(self) -> tuple[int, ...]:
        """Whose models came, in the order of ids: every sum runs in it, whatever the order of arrival."""
        return tuple(sorted(self.models))


@dataclass(frozen=True, slots=True)
class Mixture:
    """What became of them: the new model, float32 (P,), and of each neighbour whose model came

    its `distance` ||x_j - x_i|| / ||x_i||, its share in the new model (`weights`), or why it has none (`refused`).
    """

    params: Vector = field(repr=False)
    distance: Mapping[int, float]
    weights: Mapping[int, float]
    refused: Mapping[int, str] = field(default_factory=lambda: NOBODY)


class Aggregation(Choice):
    """A rule with its options: a pure function, so equal neighbourhoods give equal bits in every engine."""

    what: ClassVar[str] = "aggregation"
    by_name_alone: ClassVar[bool] = True
    follows_w: ClassVar[bool] = False
    """The rule is the mixing matrix and nothing else: it keeps the average of all peers, and what is predicted of the
    graph's eigenvalues is true of it."""
    robust: ClassVar[bool] = False
    """A few neighbours that lie cannot lead it away, where it has `least_neighbours` or more."""

    @property
    def carried_by(self) -> tuple[str, ...]:
        return ("combine",)

    @property
    def least_neighbours(self) -> int:
        """With fewer neighbours in a round than this the rule cannot do what it is taken for."""
        return 0

    def combine(self, around: Neighbourhood) -> Mixture:
        """The rule itself; `around` has `least_neighbours` models or more."""
        raise self.unfinished("combine")

    def aggregate(self, around: Neighbourhood) -> Mixture:
        """What a peer makes of its round: its own model where too few neighbours are left for the rule."""
        here, least = len(around.models), self.least_neighbours
        if here >= least:
            return self.combine(around)
        why = f"{self.kind} needs {least} neighbours, and {here} {'has' if here == 1 else 'have'} come"
        return Mixture(around.own.copy(), {}, {}, dict.fromkeys(around.peers, why))
