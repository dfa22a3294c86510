"""Random bits that both ends of an edge draw alike, without a message.

Counter-based (Philox4x64, Salmon et al., SC 2011): a stream has a name and no position to keep in step. NumPy promises
to keep the raw output of its bit generators, unlike its distributions; so only raw output is used.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Edge:
    """One end's view of an edge: who, with whom, on which shared seed, for models of how many values."""

    me: int
    other: int
    seed: int
    size: int

    @property
    def is_low(self) -> bool:
        """Whether one's own id is the lower one: where both ends must subtract the same way round."""
        return self.me < self.other

    def words(self, count: int, *labels: int | str) -> npt.NDArray[np.uint64]:
        """`count` random words of the stream that the edge and `labels` name; both ends get the same."""
        name = repr((self.seed, min(self.me, self.other), max(self.me, self.other), *labels))
        key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest(), "little")
        return np.random.Philox(key=key).random_raw(count)
