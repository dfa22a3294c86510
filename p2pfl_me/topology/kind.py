"""What a kind of graph declares: its options, its traits, its pairs and its schedule.

A kind is one file of `graphs/`: a subclass with `kind: Literal["its_name"]`. What it leaves out is what most graphs
share: it stands, it is symmetric, and its weights are chosen by `gossip.weights`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar

import networkx as nx

from p2pfl_me.choice import Choice, Registry

if TYPE_CHECKING:
    from p2pfl_me.topology.arcs import DirectedSchedule
    from p2pfl_me.topology.schedule import Schedule
    from p2pfl_me.topology.spectral import Figures

Pairs = Iterable[tuple[int, int]]
Weigh = Callable[[nx.Graph], Mapping[tuple[int, int], float]]
"""graph -> {(a, b): W_ab} for every edge a < b, sorted."""


class Placing(Enum):
    """Where a drawing puts the peers of a kind."""

    CIRCLE = auto()
    ROWS = auto()
    GRID = auto()
    AROUND = auto()
    """One in the middle (the `center` among its `marks`, or peer 0), the others around it."""
    CORNERS = auto()
    """Of a hypercube."""
    BY_HOPS = auto()
    """Those who are near in the graph are near on the page."""


class Topology(Choice):
    """A kind of graph with its options: what a contract's section `topology` holds."""

    what: ClassVar[str] = "topology"
    summary: ClassVar[str] = ""
    """A line on what it is."""
    needs: ClassVar[str] = "any number of peers"
    """A line on which numbers of peers and which options it takes."""
    ready_count: ClassVar[int] = 10
    """Peers of its ready contract."""
    ready_file: ClassVar[str] = ""
    """Name of its ready contract where that is not the kind's."""
    changes: ClassVar[bool] = False
    """Edges differ from round to round, so nothing can be remembered of them."""
    own_weights: ClassVar[bool] = False
    """It brings its mixing weights; `gossip.weights` has no say."""
    placing: ClassVar[Placing] = Placing.CIRCLE

    @classmethod
    def example(cls, count: int) -> dict[str, Any]:
        """The options with which a new contract for `count` peers begins."""
        return {}

    @property
    def one_way(self) -> bool:
        """Whether models go one way along its links, so that only a protocol of arcs can use it."""
        return False

    @property
    def marks(self) -> Mapping[str, Any]:
        """What a drawing needs to know beside the placing."""
        return {}

    @property
    def carried_by(self) -> tuple[str, ...]:
        if self.one_way:
            return "pairs", "arcs"
        return ("pairs", "schedule") if self.changes or self.own_weights else ("pairs",)

    def asked_edges(self, count: int) -> tuple[str, float, float] | None:
        """The option that decides how many edges there are, its value, and the edges that it asks for."""
        return None

    def among(self, present: tuple[int, ...]) -> Topology:
        """This kind on the ranks 0..len(present)-1 of the peers with these ids. Only one that names ids differs."""
        return self

    def pairs(self, count: int) -> Pairs:
        """Everyone who ever meets, in any order, either way round, perhaps more than once.

        Raises
        ------
        ContractError
            There is no such graph of `count` peers; with what would work.
        """
        raise self.unfinished("pairs")

    def schedule(self, count: int, weigh: Weigh) -> Schedule:
        """Who exchanges in which round with which weight. Not asked of a directed kind.

        Raises
        ------
        ContractError
            As for `pairs`.
        """
        from p2pfl_me.topology.graph import build_graph
        from p2pfl_me.topology.schedule import StaticSchedule

        if self.changes or self.own_weights or self.one_way:
            raise self.unfinished("schedule")
        return StaticSchedule(build_graph(self, count), weigh)

    def arcs(self, count: int) -> DirectedSchedule:
        """Who gives how much of itself to whom in which round. Asked of a directed kind only."""
        raise self.unfinished("arcs")

    def remark(self, figures: Figures) -> tuple[str, ...]:
        """What a reader of `topology show` should know of these figures beside them."""
        return ()


TOPOLOGIES = Registry(Topology, "p2pfl_me.topology.graphs")
"""Every kind of graph by its name in the contract."""
