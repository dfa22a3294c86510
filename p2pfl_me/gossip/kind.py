"""What a protocol declares: its name and options, its traits, and the core that a peer of it runs.

A protocol is one file of `protocols/`. One whose peers count the same rounds is a `RoundProtocol` and says its rule
around D-PSGD's exchange; any other builds its core itself. Every engine asks the traits; none keeps a list of names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from p2pfl_me.choice import Choice, Registry
from p2pfl_me.gossip.protocol import NOTHING, Memory, Protocol
from p2pfl_me.gossip.rules import Rule
from p2pfl_me.gossip.settings import Settings
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.keyring import Keyring
from p2pfl_me.message import Vector
from p2pfl_me.networks.layout import Ranges
from p2pfl_me.topology.directed import Plan
from p2pfl_me.topology.kind import Topology

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract


@dataclass(frozen=True, slots=True)
class Start:
    """Where a core starts: `completed` rounds are behind `params`, float32 (P,).

    `personal`: what of it stays home in personalised learning; `shapes`: of its tensors (of one tensor if empty).
    `keys`: of this life, where the contract hides models from the neighbours. `gathers_s`: all go on from here
    together, under a changed contract, and wait so long for each other. `newcomers`: who has joined the run on its way.
    `joins`: this peer does, and takes the model of a neighbour before anything else, for which it waits `waits_s`.
    """

    params: Vector = field(repr=False)
    completed: int = 0
    progress: Progress = field(default_factory=Progress)
    memory: Memory = field(default_factory=lambda: NOTHING, repr=False)
    personal: Ranges = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    keys: Keyring | None = field(default=None, repr=False)
    gathers_s: float | None = None
    newcomers: frozenset[int] = frozenset()
    joins: bool = False
    waits_s: float | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """What a core is built for: one peer of a contract, on its plan, from its start."""

    contract: Contract
    peer: int
    plan: Plan
    start: Start
    settings: Settings

    @property
    def neighbours(self) -> tuple[int, ...]:
        return tuple(self.plan.neighbours(self.peer))

    def row(self, round: int) -> Mapping[int, float]:
        """This peer's row of a round's mixing matrix, without its own weight. Only where the plan has edges."""
        from p2pfl_me.topology.arcs import DirectedSchedule

        if isinstance(self.plan, DirectedSchedule):
            raise TypeError("a plan of arcs has no symmetric rows")
        return self.plan.weights(self.peer, round)


DEFAULT = "dpsgd"
"""What a contract that names no protocol has."""


class ProtocolKind(Choice):
    """A protocol with its options: what a contract's `gossip.protocol` holds."""

    what: ClassVar[str] = "protocol"
    common_rounds: ClassVar[bool] = False
    """All peers count the same rounds, so gossiped sketches of one round can be summed."""
    in_lockstep: ClassVar[bool] = False
    """It is a rule around one exchange a round, which lockstep can carry."""
    follows_matrix: ClassVar[bool] = False
    """A round's averaging is the graph's mixing matrix, known beforehand."""
    follows_arcs: ClassVar[bool] = False
    """It needs arcs, and so can use directed graphs; symmetric ones are arcs both ways."""
    uses_weights: ClassVar[bool] = True
    """Its averaging takes the weights of the mixing matrix."""
    predicted: ClassVar[bool] = False
    """The graph alone predicts how fast untrained models come together."""
    compressible: ClassVar[bool] = False
    """Both ends of its exchange correct themselves alike, which compression needs."""
    may_be_personal: ClassVar[bool] = False
    """A part of the model may stay at home."""
    may_slice: ClassVar[bool] = False
    """Peers of different widths may exchange the part that both hold."""
    within_hull: ClassVar[bool] = False
    """A model is always a weighted mean of trained ones."""
    keeps_average: ClassVar[bool] = False
    """While both ends of every edge agree, averaging leaves the average of all models as it was."""
    exchanges_model: ClassVar[bool] = False
    """What is exchanged is the trained model itself, and what follows is its average."""
    overlaps: ClassVar[bool] = False
    """A round's models travel while it trains."""
    sends_sums: ClassVar[bool] = False
    """Messages hold running sums, which grow with the rounds: the core itself looks at the models in them."""
    may_sum: ClassVar[bool] = False
    """A receiver needs no more than the sum of its neighbours' models, and may do without it for a round."""
    may_aggregate: ClassVar[bool] = False
    """Another aggregation may take the place of its weighted mean over a round's neighbours."""

    @property
    def carried_by(self) -> tuple[str, ...]:
        return ("core",)

    def exchanged(self, size: int) -> int:
        """float32 values of a message where a peer exchanges models of `size`."""
        return size

    def core(self, seat: Seat) -> Protocol:
        """The core of one peer, ready to be driven by any host."""
        raise self.unfinished("core")

    def rule(self, start: Start, rounds: int) -> Rule:
        """What a peer does around the averaging in a run of so many rounds. Asked of protocols in lockstep only."""
        raise self.unfinished("rule")


class RoundProtocol(ProtocolKind):
    """A protocol whose peers count the same rounds: a rule around D-PSGD's exchange."""

    common_rounds: ClassVar[bool] = True
    in_lockstep: ClassVar[bool] = True
    follows_matrix: ClassVar[bool] = True

    @property
    def carried_by(self) -> tuple[str, ...]:
        return ("rule",)

    def core(self, seat: Seat) -> Protocol:
        from p2pfl_me.gossip.rounds import round_core

        return round_core(seat)


def fitting_protocol(topology: Topology) -> str:
    """The protocol with which a new contract of a topology begins: the plainest that can use it."""
    return next(name for name, kind in PROTOCOLS.items() if kind.follows_arcs) if topology.one_way else DEFAULT


PROTOCOLS = Registry(ProtocolKind, "p2pfl_me.gossip.protocols")
"""Every protocol by its name in the contract."""
