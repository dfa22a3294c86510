"""PowerGossip (Vogels, Karimireddy, Jaggi, NeurIPS 2020): the difference of two models, projected to rank r.

One step of power iteration an exchange, on each matrix D = X_j - X_i without ever forming it. With an orthonormal basis
Q (columns) that both ends share, they exchange X Q, subtract, and correct by (D Q) Q^T; then an orthonormal basis of
D Q becomes the next exchange's, from the left: P (P^T D). Both are projections of D, so there is no step size to tune.
Biases and other vectors go uncompressed.

A basis follows from the exchanges so far, and so from the tag (`history`); where the tags differ nothing is corrected
and both ends begin with the seed's basis. Both compute a basis from lower minus higher id. It may differ in its last
bit between machines whose linear algebra differs, and the corrections then cancel up to float32 rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from p2pfl_me.compression.compressor import Compression, EdgeState, Payload, Saved, Shapes
from p2pfl_me.compression.history import EMPTY, TAG, next_tag, tag_of
from p2pfl_me.compression.limits import require_length, require_sane
from p2pfl_me.compression.streams import Edge
from p2pfl_me.errors import WeightsError
from p2pfl_me.message import Vector

DEPENDENT = 1e-4
"""A column that keeps less than this share of its length beside the earlier ones is rounding noise."""

Matrix = npt.NDArray[np.float32]


class Power(Compression):
    """Differences of rank `rank`, matrix by matrix; a kernel's later axes count as one."""

    kind: Literal["power"] = "power"
    rank: Annotated[int, Field(ge=1, le=64)] = 1
    remembers_edges: ClassVar[bool] = True
    needs_matrices: ClassVar[bool] = True

    def edge(
        self, me: int, other: int, seed: int, size: int, shapes: Shapes = (), base: Vector | None = None
    ) -> EdgeState:
        """See `Compression.edge`; `size` must be that of the shapes."""
        return _PowerEdge(Edge(me, other, seed, size), self._parts(size, shapes))

    def limit(self, size: int, shapes: Shapes = ()) -> int:
        """The longer of the two kinds of payload: X Q has a row for each row of X, and X^T P one for each column."""
        parts = self._parts(size, shapes)
        return TAG + 4 * max(sum(part.values(left) for part in parts) for left in (True, False))

    def _parts(self, size: int, shapes: Shapes) -> tuple[_Part, ...]:
        shapes = shapes or ((size,),)
        if (found := sum(map(prod, shapes))) != size:
            raise ValueError(f"shapes of {found} values for a model of {size}")
        return tuple(_parts(shapes, self.rank))


@dataclass(frozen=True, slots=True)
class _Part:
    """One parameter's place in the model. A rank of 0 marks one that goes uncompressed, as a single column."""

    place: slice
    rows: int
    columns: int
    rank: int

    def values(self, left: bool) -> int:
        """How many values travel when the basis has one row for each row of the matrix (left), or for each column."""
        if self.rank == 0:
            return self.rows
        return self.rank * (self.columns if left else self.rows)

    def matrix(self, model: Vector) -> Matrix:
        return model[self.place].reshape(self.rows, self.columns)


def _parts(shapes: tuple[tuple[int, ...], ...], rank: int) -> Iterator[_Part]:
    start = 0
    for shape in shapes:
        size = prod(shape)
        rows, columns = (shape[0], prod(shape[1:])) if len(shape) > 1 else (size, 1)
        # A low rank that takes more than the whole is of no use.
        whole = rank * max(rows, columns) >= size
        place = slice(start, start + size)
        yield _Part(place, size, 1, 0) if whole else _Part(place, rows, columns, rank)
        start += size


class _PowerEdge:
    def __init__(self, edge: Edge, parts: tuple[_Part, ...]) -> None:
        self._edge = edge
        self._parts = parts
        self._forget()

    def _forget(self) -> None:
        self._tag = EMPTY
        self._left = False
        self._bases = [self._seeded(number, part.columns, part.rank) for number, part in enumerate(self._parts)]

    def encode(self, round: int, own: Vector) -> bytes:
        seen = [self._seen(part, basis, own) for part, basis in zip(self._parts, self._bases, strict=True)]
        return b"".join([self._tag, *(np.ascontiguousarray(one, "<f4").tobytes() for one in seen)])

    def check(self, round: int, payload: Payload) -> None:
        due = {left: TAG + 4 * sum(part.values(left) for part in self._parts) for left in (True, False)}
        require_length(payload, *sorted(set(due.values())))
        # An end with another history may stand at the other side; that is for `exchange` to mend.
        if tag_of(payload) == self._tag:
            require_length(payload, due[self._left])
        require_sane(np.frombuffer(payload, "<f4", offset=TAG))

    def exchange(self, round: int, own: Vector, sent: Payload, received: Payload) -> Vector:
        correction = np.zeros(self._edge.size, np.float32)
        if tag_of(sent) != tag_of(received):
            self._forget()
            return correction
        difference = np.frombuffer(received, "<f4", offset=TAG) - np.frombuffer(sent, "<f4", offset=TAG)
        start = 0
        for number, part in enumerate(self._parts):
            some = difference[start : start + part.values(self._left)]
            start += some.size
            if part.rank == 0:
                correction[part.place] = some
                continue
            projected, basis = some.reshape(-1, part.rank), self._bases[number]
            low_rank = basis @ projected.T if self._left else projected @ basis.T
            correction[part.place] = low_rank.reshape(-1)
            spare = self._seeded(number, len(projected), part.rank)
            self._bases[number] = _orthonormal(-projected if self._edge.is_low else projected, spare)
        self._left = not self._left
        self._tag = next_tag(self._edge, sent, received)
        return correction

    def _seen(self, part: _Part, basis: Matrix, own: Vector) -> Matrix:
        matrix = part.matrix(own)
        if part.rank == 0:
            return matrix
        with np.errstate(all="ignore"):  # a model that has diverged: the other end refuses it
            product: Matrix = matrix.T @ basis if self._left else matrix @ basis
        return product

    def _seeded(self, number: int, rows: int, rank: int) -> Matrix:
        """An orthonormal basis of random directions, the same at both ends."""
        if rank == 0:
            return np.zeros((0, 0), np.float32)
        words = self._edge.words(rows * rank, "basis", number, rows)
        uniform = (words >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1
        raw = uniform.reshape(rows, rank)
        return _orthonormal(raw, raw)

    def save(self) -> Saved:
        if self._tag == EMPTY:
            return {}
        bases = {f"basis{number}": basis.copy() for number, basis in enumerate(self._bases) if basis.size}
        return {"tag": np.frombuffer(self._tag, np.uint8), "left": np.array([self._left]), **bases}

    def load(self, saved: Mapping[str, npt.NDArray[np.generic]]) -> None:
        self._forget()
        if not saved:
            return
        left = bool(saved["left"].any()) if "left" in saved else False
        due: dict[str, tuple[tuple[int, ...], str]] = {"tag": ((TAG,), "|u1"), "left": ((1,), "|b1")}
        for number, part in enumerate(self._parts):
            if part.rank:
                due[f"basis{number}"] = ((part.rows if left else part.columns, part.rank), "<f4")
        if {name: (array.shape, array.dtype.str) for name, array in saved.items()} != due:
            raise WeightsError(
                "a compression memory of another kind or size",
                where=f"edge {self._edge.me}-{self._edge.other}",
                fix="resume with the contract that the checkpoint was written under",
            )
        self._tag, self._left = saved["tag"].tobytes(), left
        for number, part in enumerate(self._parts):
            if part.rank:
                self._bases[number] = saved[f"basis{number}"].astype(np.float32)


def _orthonormal(columns: npt.NDArray[np.floating], spare: npt.NDArray[np.floating]) -> Matrix:
    """The columns, made orthonormal by Gram-Schmidt (twice, in float64); those that depend on earlier ones, or are
    zero, are replaced by `spare` ones, since models that agree in one direction may differ in another."""
    basis = np.zeros(columns.shape, np.float64)
    for number in range(columns.shape[1]):
        for source in (columns[:, number], spare[:, number], *np.eye(len(columns), columns.shape[1]).T):
            column = source.astype(np.float64)
            length = np.linalg.norm(column)
            for _ in range(2):
                column = column - basis[:, :number] @ (basis[:, :number].T @ column)
            kept = np.linalg.norm(column)
            if kept > DEPENDENT * length:
                basis[:, number] = column / kept
                break
    return basis.astype(np.float32)
