"""Stochastic gradient push (Assran et al., ICML 2019) by cumulative sums (Spiridonoff et al., JMLR 2020).

Mass (x, w) flows along directed edges; the model is z = x / w, the local update is added to x. A message holds the sum
of all that was ever sent over its edge, and the receiver takes what has been added since the last one that arrived.
So a lost message is made good by the next, a repeated or late one changes nothing, and a peer that returns from an
older checkpoint takes back what it has forgotten having sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from p2pfl_me.gossip.kind import ProtocolKind, Seat
from p2pfl_me.gossip.protocol import Memory, Protocol, Refuse, Send
from p2pfl_me.gossip.waitfree import Merged, waitfree_core
from p2pfl_me.message import MAX_WEIGHT, Kind, Message, Vector
from p2pfl_me.topology.arcs import DirectedSchedule, as_directed

Mass = npt.NDArray[np.float64]
"""x and, last, w: float64 (P + 1,)."""
LEAST_WEIGHT = 0.05
"""Below this share of mass a model is mostly rounding; a flow that takes back more must wait."""
ROUNDING = 1e-6
"""Weight below which a flow is rounding of the sums it comes from."""
Shares = Callable[[int], Mapping[int, float]]
"""round -> {peer: share}."""


class PushSumProtocol(ProtocolKind):
    kind: Literal["push_sum"] = "push_sum"
    follows_matrix: ClassVar[bool] = True
    follows_arcs: ClassVar[bool] = True
    predicted: ClassVar[bool] = True
    sends_sums: ClassVar[bool] = True

    def exchanged(self, size: int) -> int:
        """The model and its weight, each value as two float32."""
        return 2 * (size + 1)

    def core(self, seat: Seat) -> Protocol:
        plan, peer = seat.plan, seat.peer
        arcs = plan if isinstance(plan, DirectedSchedule) else as_directed(plan)
        flows = Flows(lambda round: arcs.receivers(peer, round), lambda round: arcs.senders(peer, round))
        pushing = PushSum(peer, flows, seat.start.params, seat.start.memory, seat.contract.peers.count)
        return waitfree_core(seat, pushing)


@dataclass(frozen=True, slots=True)
class Flows:
    """This peer's part of a directed schedule: what it sends to whom, and who sends to it."""

    receivers: Shares
    senders: Shares


class PushSum:
    """One peer's mass. Shares are of the mass at the moment of sending; the rest stays.

    `peers` is how many share the mass: a message that brings more weight than twice all there is, or a model whose
    values are absurd, is refused. The running sums themselves grow with the rounds, and have no limit.
    """

    waits: ClassVar[bool] = True

    def __init__(self, me: int, flows: Flows, params: Vector, memory: Memory, peers: int = 1000) -> None:
        self._me, self._flows, self._peers = me, flows, peers
        self._last: dict[int, int] = {}
        """receiver -> the last round in which something was sent to it."""
        self._told: dict[int, Vector] = {}
        """receiver -> what was: the same array for who asks again, so that it does not travel twice over a link."""
        own = memory.get("mass")
        self._mass: Mass = _with_weight(params, 1.0) if own is None else own.copy()
        self._sent = _by_peer(memory, "sent")
        self._taken = _by_peer(memory, "taken")
        self._come: dict[int, tuple[int, Vector]] = {}
        self._latest: dict[int, int] = {}

    def trained(self, round: int, start: Vector, params: Vector, there: frozenset[int]) -> list[Send]:
        # A step moves z = x / w by 1 / w of itself: who has given nearly all away and heard nobody would leap.
        weigh = min(1.0, float(self._mass[-1]) / LEAST_WEIGHT)
        self._mass[:-1] += weigh * (params.astype(np.float64) - start)
        shares = {peer: share for peer, share in sorted(self._flows.receivers(round).items()) if peer in there}
        before = self._mass.copy()
        sends = []
        for peer, share in shares.items():
            flow = before * share
            self._mass -= flow
            total = self._sent[peer] + flow if peer in self._sent else flow
            self._sent[peer], self._last[peer] = total, round
            self._told[peer] = encode_mass(total)
            sends.append(Send(peer, Message(Kind.PUSH, round, round, self._told[peer])))
        return sends

    def due(self, round: int) -> Mapping[int, bool]:
        """All who send to this peer in this round; what they sent later holds what they sent before."""
        return {peer: self._latest.get(peer, -1) >= round for peer in self._flows.senders(round)}

    def merge(self, round: int) -> Merged:
        own = self._mass.copy()
        flows = {}
        for peer, (_, total) in sorted(self._come.items()):
            mass = decode_mass(total)
            flow = mass - self._taken[peer] if peer in self._taken else mass
            if flow[-1] < 0 and self._mass[-1] + flow[-1] < LEAST_WEIGHT:
                continue  # a sender that came back takes back what is no longer here; its later sums will do it
            self._taken[peer], flows[peer] = mass, flow
            self._mass += flow
        self._come.clear()
        params = _model(self._mass)
        weights = {peer: float(flow[-1] / self._mass[-1]) for peer, flow in flows.items() if flow[-1] > 0}
        mine = _model(own)
        norm = float(np.linalg.norm(mine)) or 1.0
        distance = {peer: float(np.linalg.norm(_model(flows[peer]) - mine)) / norm for peer in weights}
        return Merged(params, weights, distance)

    def take(self, sender: int, message: Message, params: Vector) -> Sequence[Send | Refuse]:
        if message.kind is Kind.WITHDRAW and self._last.get(sender, -1) >= message.round:
            # It waits for what was sent in that round or later: here it is again.
            last = self._last[sender]
            return [Send(sender, Message(Kind.PUSH, last, last, self._told[sender]))]
        if message.kind is not Kind.PUSH or message.params is None or self._latest.get(sender, -1) >= message.round:
            return []
        if fault := self._fault(sender, decode_mass(message.params)):
            return [Refuse(sender, fault)]
        self._latest[sender] = message.round
        self._come[sender] = message.round, message.params
        return []

    def _fault(self, sender: int, total: Mass) -> str | None:
        """Why what a neighbour's sums bring beyond those that were taken cannot be, or None."""
        flow = total - self._taken[sender] if sender in self._taken else total
        weight = abs(float(flow[-1]))
        if weight > 2 * self._peers:
            return f"a message with the weight of {weight:.3g} peers, where there are {self._peers}"
        if float(np.linalg.norm(flow[:-1])) > MAX_WEIGHT * (weight + LEAST_WEIGHT):
            return "a message whose model holds absurd weights"
        return None

    def lost(self, peer: int) -> None:
        """A fresh link may lead to an earlier life of the peer, whose rounds begin lower."""
        self._latest.pop(peer, None)

    def memory(self) -> Memory:
        return {
            "mass": self._mass.copy(),
            **{f"sent.{peer}": total for peer, total in self._sent.items()},
            **{f"taken.{peer}": total for peer, total in self._taken.items()},
        }


def encode_mass(mass: Mass) -> Vector:
    """float64 (n,) as float32 (2n,): each value as a float32 and the float32 of what that leaves, about 48 bits."""
    high = mass.astype(np.float32)
    low = (mass - high).astype(np.float32)
    return np.concatenate((high, low))


def decode_mass(values: Vector) -> Mass:
    """The inverse of `encode_mass`."""
    high, low = np.split(values, 2)
    return high.astype(np.float64) + low


def _with_weight(params: Vector, weight: float) -> Mass:
    return np.append(params.astype(np.float64), weight)


def _model(mass: Mass) -> Vector:
    model: Vector = (mass[:-1] / mass[-1]).astype(np.float32)
    return model


def _by_peer(memory: Memory, name: str) -> dict[int, Mass]:
    found = {int(key.rpartition(".")[2]): value for key, value in memory.items() if key.startswith(f"{name}.")}
    return {peer: found[peer].copy() for peer in sorted(found)}
