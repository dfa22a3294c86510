"""From time stamps as they come to samples of one rate: frame numbers say nothing about time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


class Resampler:
    """Interpolates values linearly at the times index / rate; a gap longer than `gap_s` is left empty."""

    def __init__(self, rate: float, gap_s: float) -> None:
        self._rate, self._gap_s = rate, gap_s
        self._last: tuple[float, Values] | None = None

    def push(self, time_s: float, values: Values | None) -> Iterator[tuple[int, Values]]:
        """The samples (index, values) that lie after the last picture and up to this one; None breaks the line."""
        if values is None:
            self._last = None
            return
        before, self._last = self._last, (time_s, values)
        if before is None or not 0 < time_s - before[0] <= self._gap_s:
            return
        begin_s, begin = before
        for index in range(math.floor(begin_s * self._rate) + 1, math.floor(time_s * self._rate) + 1):
            share = (index / self._rate - begin_s) / (time_s - begin_s)
            yield index, begin + share * (values - begin)
