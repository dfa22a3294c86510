"""X <- W X in place for all peers at once, by tiles of columns, with the same bits as `gossip.mixing.mix`.

A tile's old values are copied aside, so the memory beyond X is a few tiles, whatever the number of peers. Peers are
sorted by their number of neighbours: the p-th terms of all sums are then a prefix, one gather, product and sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from p2pfl_me.topology import Schedule

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
TILE = 1 << 18
"""Values per tile, 1 MB of float32: larger ones leave the cache, smaller ones are more operations to start."""
NARROWEST = 64
"""Columns of a tile at least, 256 bytes a row: with thousands of peers each row lies on a page of its own."""


@dataclass(frozen=True, slots=True)
class Rows:
    """W of one round in jagged diagonals: peers with most terms first, peer i at `places`[i], int64 (n,); None: at i.

    The p-th term of the first c peers in that order is shares[p] (c, 1) times the models columns[p] (c,).
    """

    places: Tensor | None = field(repr=False)
    columns: tuple[Tensor, ...] = field(repr=False)
    shares: tuple[Tensor, ...] = field(repr=False)

    def to(self, device: torch.device) -> Rows:
        """The same on a device."""
        columns, shares = (tuple(each.to(device) for each in those) for those in (self.columns, self.shares))
        return Rows(None if self.places is None else self.places.to(device), columns, shares)


@dataclass(frozen=True, slots=True)
class Spread:
    """Squared distances to the mean model, summed over peers and columns, before and after mixing."""

    before: float
    after: float


def rows_of(schedule: Schedule, round: int) -> Rows:
    """The rows of W in `round`; each sum runs in the order of peer ids, its own model in its place."""
    count, edges = schedule.size, schedule.edges(round)
    ends = np.fromiter(chain.from_iterable((edge.a, edge.b) for edge in edges), np.int64, 2 * len(edges)).reshape(-1, 2)
    weights = np.fromiter((edge.weight for edge in edges), np.float64, len(edges))
    peers = np.concatenate((ends[:, 0], ends[:, 1], np.arange(count)))
    others = np.concatenate((ends[:, 1], ends[:, 0], np.arange(count)))
    given = np.concatenate((weights, weights, np.zeros(count)))
    by_peer = np.lexsort((others, peers))
    peers, others, given = peers[by_peer], others[by_peer], given[by_peer]
    lengths = np.bincount(peers, minlength=count)
    begins = np.concatenate(([0], np.cumsum(lengths)))
    given[peers == others] = _own(given, begins, lengths)
    order = np.argsort(-lengths, kind="stable")
    columns, shares = [], []
    for place in range(int(lengths.max())):
        there = begins[order[: int((lengths > place).sum())]] + place
        columns.append(torch.from_numpy(others[there]))
        shares.append(torch.from_numpy(given[there].astype(np.float32))[:, None])
    places = None if bool((np.diff(order) == 1).all()) else torch.argsort(torch.from_numpy(order))
    return Rows(places, tuple(columns), tuple(shares))


def _own(given: Numbers, begins: Places, lengths: Places) -> Numbers:
    """What is missing to 1 in each row, float64 (n,), its own term being 0: as `math.fsum` sums, without rounding.

    Rows of as many terms are often of the same ones, and are then summed once.
    """
    out = np.empty(len(lengths))
    for length in np.unique(lengths).tolist():
        mine = np.flatnonzero(lengths == length)
        rows, which = np.unique(
            np.sort(given[begins[mine][:, None] + np.arange(length)], axis=1), axis=0, return_inverse=True
        )
        out[mine] = np.array([1.0 - math.fsum(row) for row in rows.tolist()])[which.reshape(-1)]
    return out


def tiles_of(count: int, size: int) -> list[slice]:
    """The columns of `count` models of `size` values, cut into tiles."""
    width = max(NARROWEST, TILE // count)
    return [slice(begin, min(begin + width, size)) for begin in range(0, size, width)]


def total(spreads: Iterable[Spread]) -> Spread:
    """Of all tiles together."""
    before, after = zip(*((each.before, each.after) for each in spreads), strict=True)
    return Spread(math.fsum(before), math.fsum(after))


def mix_tile(view: Tensor, rows: Rows, average: Tensor) -> Spread:
    """Mix one tile of all models, float32 (n, w), in place, and fill `average`, float32 (w,), with its mean after it.

    Tiles share nothing, so several processes may mix at once.
    """
    with torch.inference_mode():
        return _mixed(view, rows, average)


def replace_tile(view: Tensor, mixed: Tensor, average: Tensor) -> Spread:
    """Put what another rule than W made of one tile, float32 (n, w), in its place; `average` and spread as above."""
    with torch.inference_mode():
        scratch = torch.empty_like(view)
        before, _ = _spread(view, scratch)
        view.copy_(mixed)
        after, mean = _spread(view, scratch)
        average.copy_(mean)
        return Spread(before, after)


def _mixed(view: Tensor, rows: Rows, average: Tensor) -> Spread:
    old = view.contiguous()
    if old.data_ptr() == view.data_ptr():  # a tile as wide as the model is contiguous already
        old = old.clone()
    mixed = torch.index_select(old, 0, rows.columns[0]).mul_(rows.shares[0])
    products = torch.empty_like(old)
    for columns, shares in zip(rows.columns[1:], rows.shares[1:], strict=True):
        part = products[: len(columns)]
        torch.index_select(old, 0, columns, out=part)
        mixed[: len(columns)] += part.mul_(shares)
    before, _ = _spread(old, products)
    if rows.places is not None:
        mixed = torch.index_select(mixed, 0, rows.places, out=old)
    view.copy_(mixed)
    after, mean = _spread(mixed, products)
    average.copy_(mean)
    return Spread(before, after)


def _spread(models: Tensor, scratch: Tensor) -> tuple[float, Tensor]:
    """Sum of squared distances to the mean, and the mean.

    Taken from one model, so equal models are at exactly 0, and with d = x - x_0: sum ||d - mean d||^2 is
    sum ||d||^2 - n ||mean d||^2, in one pass less.
    """
    torch.sub(models, models[0], out=scratch)
    mean = scratch.mean(0)
    flat = scratch.view(-1)
    squares = float(torch.dot(flat, flat)) - len(models) * float(torch.dot(mean, mean))
    return max(0.0, squares), mean.add_(models[0])
