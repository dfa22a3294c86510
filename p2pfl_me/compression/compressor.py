"""The seam: what a contract names (a compression) and what lives at one end of one edge (its state).

An exchange is atomic: both ends encode, both payloads arrive or neither does, and both ends then apply the same pair of
payloads. Each corrects its model by x_i += sum_j W_ij correction_ij. Where a compression keeps the average,
correction_ij = -correction_ji, bit for bit where no matrix product is involved; with a symmetric W the average of all
models is then conserved, however coarse the compression.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from p2pfl_me.choice import Choice, Registry
from p2pfl_me.compression.streams import Edge
from p2pfl_me.errors import WeightsError
from p2pfl_me.message import Vector

Payload = bytes | bytearray | memoryview
"""What travels one way in one exchange."""
Shapes = tuple[tuple[int, ...], ...]
Saved = dict[str, npt.NDArray[Any]]
"""A state as named arrays, for the checkpoint; empty where there is none."""


class EdgeState(Protocol):
    """One end of one edge. A vector is float32 (P,), with the P that the state was made for."""

    def encode(self, round: int, own: Vector) -> bytes:
        """One's own model as a payload. Changes nothing: the same input gives the same bytes.

        A model that has diverged (NaN, Inf, beyond `MAX_WEIGHT`) is encoded as it is; the other end refuses it.
        """

    def check(self, round: int, payload: Payload) -> None:
        """Look at a payload of the other end before it is used; takes memory in proportion to P at most.

        Raises
        ------
        WireError
            A length, an index or a value that no honest peer would send.
        """

    def exchange(self, round: int, own: Vector, sent: Payload, received: Payload) -> Vector:
        """Apply an exchange: "theirs as seen minus mine as seen", float32 (P,). Both ends' states are then in step.

        Parameters
        ----------
        own:
            The vector that `sent` was encoded from.
        sent:
            What `encode` gave for this round; no other exchange lies between.
        received:
            The other end's payload, which has passed `check`.
        """

    def save(self) -> Saved:
        """What must be found again after a restart."""

    def load(self, saved: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Go on from what `save` gave; from nothing if it is empty.

        Raises
        ------
        WeightsError
            The arrays do not belong to this edge.
        """


class Stateless:
    """One end of an edge that remembers no earlier exchange; a lost or repeated one is harmless."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def save(self) -> Saved:
        """Nothing."""
        return {}

    def load(self, saved: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Accept nothing but nothing."""
        if saved:
            raise WeightsError(
                f"a compression memory of {sorted(saved)}, where none is kept",
                where=f"edge {self._edge.me}-{self._edge.other}",
                fix="resume with the contract that the checkpoint was written under",
            )


class Compression(Choice):
    """A way of compression with its options: what a contract's `gossip.compression` holds, the same for all peers."""

    what: ClassVar[str] = "compression"
    remembers_edges: ClassVar[bool] = False
    """Both ends keep what an edge has told, so edges must stand from round to round."""
    keeps_average: ClassVar[bool] = True
    """The corrections of two ends cancel, so the average of all models stays however coarse it is."""
    sends_part: ClassVar[bool] = False
    """A message holds the values of some places, others for every edge and round, and nothing of the rest."""
    needs_matrices: ClassVar[bool] = False
    """It works on the whole model's matrices, so no part of the model may stay at home."""

    @property
    def carried_by(self) -> tuple[str, ...]:
        return "edge", "limit"

    def edge(
        self, me: int, other: int, seed: int, size: int, shapes: Shapes = (), base: Vector | None = None
    ) -> EdgeState:
        """A fresh state for one end of the edge between peers `me` and `other`.

        Parameters
        ----------
        seed:
            Shared by both ends; every random choice of the edge derives from it.
        size:
            P, the number of values in a model.
        shapes:
            Those of the tensors in it, in the order of the layout; one vector if empty.
        base:
            What all peers exchange before anything is trained, float32 (P,), where this life begins there; an edge may
            take it for what both ends know of each other.
        """
        raise self.unfinished("edge")

    def limit(self, size: int, shapes: Shapes = ()) -> int:
        """The most bytes that a payload for P = `size` has."""
        raise self.unfinished("limit")


COMPRESSIONS = Registry(Compression, "p2pfl_me.compression")
"""Every compression by its name in the contract."""
