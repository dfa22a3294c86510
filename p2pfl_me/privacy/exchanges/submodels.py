"""To each neighbour a part of the model and never the rest (after Shatter: Biswas et al., PoPETs 2025)."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from p2pfl_me.message import Places
from p2pfl_me.privacy.exchanging import ExchangeForm


class Submodels(ExchangeForm):
    """The places of a model are dealt to `parts` sub-models at random, once, for all peers alike; two neighbours
    exchange one of them, in every round the same one. Each is averaged along edges of its own, which connect all peers;
    so no neighbour ever sees more than 1 / `parts` of a model, and still all of it comes together.
    """

    kind: Literal["submodels"] = "submodels"
    parts_only: ClassVar[bool] = True
    parts: Annotated[int, Field(ge=2, le=100)] = 2

    @property
    def part_count(self) -> int:
        return self.parts

    def limit(self, size: int, peers: int) -> int:
        return 4 * -(-size // self.parts)

    def dealt(self, size: int, seed: int) -> tuple[Places, ...]:
        return _dealt(size, self.parts, seed)


@lru_cache(maxsize=2)  # all peers of a process share one
def _dealt(size: int, parts: int, seed: int) -> tuple[Places, ...]:
    # A number's low bits hold its place: so all differ, and any sort gives the same order. Raw words of Philox are kept
    # by NumPy from version to version, its permutations are not.
    low = np.uint64((1 << size.bit_length()) - 1)
    words = np.random.Philox(key=seed).random_raw(size) & ~low | np.arange(size, dtype=np.uint64)
    words.sort()
    shuffled = (words & low).astype(np.int64)
    found = tuple(np.sort(each) for each in np.array_split(shuffled, parts))
    for each in found:
        each.setflags(write=False)
    return found
