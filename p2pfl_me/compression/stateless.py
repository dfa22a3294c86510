"""The part that compressors without a memory share: nothing to save, nothing to find again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from p2pfl_me.compression.compressor import Saved
from p2pfl_me.compression.streams import Edge
from p2pfl_me.errors import WeightsError


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
