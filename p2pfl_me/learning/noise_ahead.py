"""The noise of a round's steps, made in a thread of its own while the steps before them are taken.

A step of the head takes as long as the noise of its quarter million values, and the one says nothing to the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from p2pfl_me.privacy.randomness import Stream


def noises(stream: Stream, size: int, deviation: float, steps: int, device: torch.device) -> Iterator[Tensor]:
    """So many vectors of independent N(0, deviation^2), float32 (size,) on the device; each stands until the one after
    the next is asked for."""
    room = [np.empty(size, np.float32) for _ in range(2)]
    made = [torch.from_numpy(each) for each in room]
    with ThreadPoolExecutor(1, "noise") as thread:
        coming = thread.submit(stream.normal, room[0], deviation)
        for step in range(steps):
            coming.result()
            if step + 1 < steps:
                coming = thread.submit(stream.normal, room[(step + 1) % 2], deviation)
            yield made[step % 2].to(device)
