"""The values in the middle, position by position over several vectors, by minima and maxima of whole blocks.

Sorting a column at a time would be ten times as slow: numpy takes minima of two blocks as fast as it adds them. So the
columns go through a network of comparisons (Batcher's merge exchange, Knuth, TAOCP 3, algorithm 5.2.2 M) of which only
what leads to the middle is taken, or, where that is less, through passes that leave the smallest and the largest behind
(ceil(3 k / 2) - 2 comparisons of k, the classical pairing).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from p2pfl_me.aggregation.differences import Measuring, blocks
from p2pfl_me.aggregation.rule import Mixture, Neighbourhood

LENGTH = 1 << 15
"""Values a block."""


def mixture_of_the_middle(around: Neighbourhood, drop: int) -> Mixture:
    """Position by position over one's own model and the neighbours', the mean without the `drop` smallest and largest.

    Huge values never enter a sum, so nobody can make the others' digits disappear. Nobody is in or out as a whole: each
    is said to weigh 1 / n. One pass over the models.
    """
    everyone = {**around.models, around.me: around.own}
    vectors = [everyone[peer] for peer in sorted(everyone)]
    count, size = len(vectors), around.own.size
    selection = middle_of(count, drop)
    mean = np.empty(size, dtype=np.float32)
    scratch = np.empty((count + 1, min(LENGTH, size)), dtype=np.float32)
    share, measuring = np.float32(1.0 / len(selection.middle)), Measuring(around, scratch)
    for block in blocks(size, LENGTH):
        measuring.add(block)
        out = mean[block]
        held = [*(vector[block] for vector in vectors), *scratch[:, : out.size]]
        for compare, one, other, into in selection.steps:
            compare(held[one], held[other], out=held[into])
        first, *others = (held[place] for place in selection.middle)
        if not others:
            out[:] = first
            continue
        np.add(first, others[0], out=out)
        for each in others[1:]:
            out += each
        out *= share
    return Mixture(mean, measuring.found.relative, dict.fromkeys(around.peers, 1.0 / count))


@dataclass(frozen=True, slots=True)
class Selection:
    """Steps (np.minimum or np.maximum, of, and, into) by place: the first n are only read, n + 1 more written to.

    `middle` are the places where, after the last step, all but the dropped values are, in some order.
    """

    steps: tuple[tuple[np.ufunc, int, int, int], ...] = field(repr=False)
    middle: tuple[int, ...]


@cache
def middle_of(count: int, drop: int) -> Selection:
    """How to leave out the `drop` smallest and largest of `count` values, in the fewest steps that are known here."""
    middle = tuple(range(drop, count - drop))
    paired, left = _passes(count, drop)
    ways = [_selection(_pruned(_merge_exchange(count), middle), count, middle)]
    ways.append(_selection(_pruned(paired, left), count, left))
    return min(ways, key=lambda way: len(way.steps))


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The smaller values of two places go to `one`, the larger ones to `other`; not where nothing asks for them."""

    one: int
    other: int
    low: bool = True
    high: bool = True


def _selection(plan: Sequence[_Comparison], count: int, middle: tuple[int, ...]) -> Selection:
    """The plan with a place for each result: one that nobody asks for any more, if it may be written to."""
    at, free = list(range(count)), list(range(2 * count, count - 1, -1))
    steps: list[tuple[np.ufunc, int, int, int]] = []
    for each in plan:
        one, other = at[each.one], at[each.other]
        into = [free.pop()]
        if each.low and each.high:
            into.append(next((place for place in (other, one) if place >= count), -1))
            into[1] = free.pop() if into[1] < 0 else into[1]
            steps += [(np.minimum, one, other, into[0]), (np.maximum, one, other, into[1])]
            at[each.one], at[each.other] = into
        else:
            steps.append((np.minimum if each.low else np.maximum, one, other, into[0]))
            at[each.one if each.low else each.other] = into[0]
        free += [place for place in (one, other) if place >= count and place not in into]
    return Selection(tuple(steps), tuple(at[place] for place in middle))


def _merge_exchange(count: int) -> list[_Comparison]:
    """Sorts `count` places."""
    plan: list[_Comparison] = []
    step = 1
    while step < count:
        apart = step
        while apart >= 1:
            for begin in range(apart % step, count - apart, 2 * apart):
                plan += [
                    _Comparison(one, one + apart)
                    for one in range(begin, min(begin + apart, count - apart))
                    if one // (2 * step) == (one + apart) // (2 * step)
                ]
            apart //= 2
        step *= 2
    return plan


def _passes(count: int, drop: int) -> tuple[list[_Comparison], tuple[int, ...]]:
    """Leaves the smallest and the largest behind, `drop` times."""
    plan, left = [], list(range(count))
    for _ in range(drop):
        pairs = list(zip(left[::2], left[1::2], strict=False))
        plan += [_Comparison(one, other) for one, other in pairs]
        lows, highs = [one for one, _ in pairs], [other for _, other in pairs]
        if len(left) % 2:
            plan.append(_Comparison(left[-1], highs[0]))
            lows.append(left[-1])
        plan += [_Comparison(high, highs[-1]) for high in highs[:-1]]
        plan += [_Comparison(lows[-1], low) for low in lows[:-1]]
        left = [place for place in left if place not in (highs[-1], lows[-1])]
    return plan, tuple(left)


def _pruned(plan: Sequence[_Comparison], wanted: Collection[int]) -> tuple[_Comparison, ...]:
    """The plan without what leads to no place that is `wanted`."""
    live, kept = set(wanted), []
    for each in reversed(plan):
        if each.one in live or each.other in live:
            kept.append(_Comparison(each.one, each.other, each.one in live, each.other in live))
            live |= {each.one, each.other}
    return tuple(reversed(kept))
