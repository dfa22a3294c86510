"""What travels over an edge in D-PSGD's exchange, and the average that follows: whole models, or compressed ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, cast

import numpy as np

from p2pfl_me.aggregation import Aggregation, Mixture, Neighbourhood
from p2pfl_me.compression import Compression, EdgeState, Shapes
from p2pfl_me.errors import WireError
from p2pfl_me.gossip.protocol import NOTHING, Memory
from p2pfl_me.message import MAX_WEIGHT, Kind, Message, Packed, Vector

Content = Vector | Packed


class Exchange(Protocol):
    """One peer's side of its edges. `own` is the vector that the peer exchanges in this round, float32 (E,)."""

    def pack(self, peer: int, round: int, own: Vector) -> Content:
        """What to send to `peer`; says the same until `average` has been called for the round."""

    def fault(self, peer: int, round: int, content: Content) -> str | None:
        """Why what came from `peer` cannot be used, or None."""

    def average(
        self, own: Vector, row: Mapping[int, float], round: int, sent: Mapping[int, Content], got: Mapping[int, Content]
    ) -> Mixture:
        """The average with those neighbours of `row` whose exchange is complete: the keys of `got`."""

    def correction(
        self, peer: int, round: int, weight: float, own: Vector, sent: Content, got: Content
    ) -> Vector | None:
        """What the exchange with `peer` adds, float32 (E,), when it is settled after its round was averaged without.

        `own` is the vector that this peer exchanged in that round. None where the rule keeps no average: what it would
        have made of all models of that round is gone.
        """

    def memory(self) -> Memory:
        """What must be found again after a restart."""


class Whole:
    """Models travel as they are, and the contract's rule makes one of them.

    Raises
    ------
    ContractError
        Nothing carries out the rule.
    """

    def __init__(self, me: int, aggregation: Aggregation, rounds: int) -> None:
        aggregation.require_finished()
        self._me, self._aggregation, self._rounds = me, aggregation, rounds

    def pack(self, peer: int, round: int, own: Vector) -> Content:
        return own

    def fault(self, peer: int, round: int, content: Content) -> str | None:
        return None if content.dtype == np.float32 else "a compressed model where a whole one was due"

    def average(
        self, own: Vector, row: Mapping[int, float], round: int, sent: Mapping[int, Content], got: Mapping[int, Content]
    ) -> Mixture:
        models = cast(Mapping[int, Vector], got)
        return self._aggregation.aggregate(Neighbourhood(self._me, round, self._rounds, own, row, models))

    def correction(
        self, peer: int, round: int, weight: float, own: Vector, sent: Content, got: Content
    ) -> Vector | None:
        return np.float32(weight) * (cast(Vector, got) - own) if self._aggregation.follows_w else None

    def memory(self) -> Memory:
        return NOTHING


class Compressed:
    """Both ends of an edge apply the same pair of payloads: x_i += W_ij (theirs as seen - mine as seen).

    The correction of one end is the other's with the sign turned (JWINS apart), so the average of all peers is kept
    however coarse the compression is. One that says that the other's model is larger than anybody trains on is not
    applied: values are checked as they come, and what they make together only here.
    """

    def __init__(
        self,
        me: int,
        neighbours: Iterable[int],
        compression: Compression,
        size: int,
        seed: int,
        memory: Memory,
        shapes: Shapes = (),
        base: Vector | None = None,
    ) -> None:
        self._edges: dict[int, EdgeState] = {}
        for peer in sorted(neighbours):
            self._edges[peer] = compression.edge(me, peer, seed, size, shapes, base)
            prefix = f"edge.{peer}."
            self._edges[peer].load(
                {name.removeprefix(prefix): values for name, values in memory.items() if name.startswith(prefix)}
            )

    def pack(self, peer: int, round: int, own: Vector) -> Content:
        return np.frombuffer(self._edges[peer].encode(round, own), dtype=np.uint8)

    def fault(self, peer: int, round: int, content: Content) -> str | None:
        try:
            self._edges[peer].check(round, content.data.cast("B"))
        except WireError as error:
            return str(error)
        return None

    def average(
        self, own: Vector, row: Mapping[int, float], round: int, sent: Mapping[int, Content], got: Mapping[int, Content]
    ) -> Mixture:
        mixed, distance = own.copy(), {}
        norm = float(np.linalg.norm(own)) or 1.0
        for peer in sorted(got):
            correction = self._edges[peer].exchange(round, own, sent[peer].data.cast("B"), got[peer].data.cast("B"))
            if _is_absurd(own, norm, correction):
                continue
            distance[peer] = float(np.linalg.norm(correction)) / norm
            mixed += np.float32(row[peer]) * correction
        return Mixture(mixed, distance, {peer: row[peer] for peer in distance})

    def correction(self, peer: int, round: int, weight: float, own: Vector, sent: Content, got: Content) -> Vector:
        both = sent.data.cast("B"), got.data.cast("B")
        correction = self._edges[peer].exchange(round, own, *both)
        if _is_absurd(own, float(np.linalg.norm(own)), correction):
            return np.zeros_like(own)
        return np.float32(weight) * correction

    def memory(self) -> Memory:
        saved = {peer: state.save() for peer, state in self._edges.items()}
        return {f"edge.{peer}.{name}": values for peer, found in saved.items() for name, values in found.items()}


def _is_absurd(own: Vector, norm: float, correction: Vector) -> bool:
    """Whether the other's model, as one's own with the correction, is; nobody's, where noise makes one's own so."""
    return norm <= MAX_WEIGHT and not float(np.linalg.norm(own + correction)) <= MAX_WEIGHT  # NaN is not


def carrying(kind: Kind, round: int, at: int, content: Content) -> Message:
    """A message with a model in whichever form."""
    if content.dtype == np.uint8:
        return Message(kind, round, at, packed=cast(Packed, content))
    return Message(kind, round, at, cast(Vector, content))
