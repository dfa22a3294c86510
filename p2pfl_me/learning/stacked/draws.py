"""What the generators of many peers draw in a local epoch: the order of the samples, their variants, random bytes.

They are the very numbers that `trainer.FeatureTrainer` draws, from a generator of the processor whatever the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from torch import Tensor

THREADED = 1 << 16
"""Words of an epoch from which on threads draw them; fewer are there sooner than a thread is."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch's draws of n learners, on the device.

    `order` int64 (n, S): places of the samples, 0 beyond a learner's own. `variant` int64 (n, S), or None. `words`
    int64 (n, W): random bits, those of step s from `s * words_of(batch)` on, of no meaning beyond a learner's own.
    """

    order: Tensor = field(repr=False)
    variant: Tensor | None = field(repr=False)
    words: Tensor = field(repr=False)


class Draws:
    """The generators of some learners in one round.

    Parameters
    ----------
    seeds:
        One a learner.
    sizes:
        Samples of each.
    words_of:
        64-bit words that a step on so many samples takes.
    variants:
        Of each sample, 0 where there is nothing to choose from.
    pool:
        Threads to draw in; torch lets Python's lock go meanwhile.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        sizes: Sequence[int],
        batch: int,
        words_of: Callable[[int], int],
        variants: int,
        device: torch.device,
        pool: ThreadPoolExecutor | None,
    ) -> None:
        self._sizes, self._variants, self._device, self._pool = sizes, variants, device, pool
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        taken = {size: words_of(batch) * (size // batch) + words_of(size % batch) for size in set(sizes)}
        self._words = [taken[size] for size in sizes]
        self._width = words_of(batch) * -(-max(sizes) // batch)

    def epoch(self) -> Epoch:
        """The next one's."""
        count, most = len(self._sizes), max(self._sizes)
        pinned = self._device.type == "cuda"
        order = torch.zeros(count, most, dtype=torch.int64, pin_memory=pinned)
        variant = torch.zeros(count, most, dtype=torch.int64, pin_memory=pinned) if self._variants else None
        words = torch.empty(count, self._width, dtype=torch.int64, pin_memory=pinned)

        def draw(some: range) -> None:
            with torch.inference_mode():  # of this thread
                for place in some:
                    size, random = self._sizes[place], self._generators[place]
                    torch.randperm(size, generator=random, out=order[place, :size])
                    if variant is not None:
                        variant[place, :size] = torch.randint(self._variants, (size,), generator=random)
                    if drawn := self._words[place]:
                        # One call for all steps: nothing else is drawn between them. Without bounds, random_ leaves
                        # the top bit of int64 unset.
                        words[place, :drawn].random_(-(2**63), None, generator=random)

        if self._pool is None or sum(self._words) < THREADED:
            draw(range(count))
        else:
            shares = [range(begin, min(begin + 16, count)) for begin in range(0, count, 16)]
            if len(shares) < 2:
                shares = [range(place, place + 1) for place in range(count)]
            list(self._pool.map(draw, shares))
        there = [
            None if each is None else each.to(self._device, non_blocking=pinned) for each in (order, variant, words)
        ]
        assert there[0] is not None and there[2] is not None
        return Epoch(there[0], there[1], there[2])
