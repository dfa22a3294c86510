"""Where noise comes from: the operating system's generator, and never the contract's seed, which every neighbour knows.

A stream of AES-256 in counter mode under a key of its own, as the system's generator is one itself; reading every byte
through a system call would take twenty times as long. Rehearsals, which send nothing to anybody, derive the key from a
seed instead, so that equal seeds give equal runs.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import Protocol

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from p2pfl_me.choice import derive_seed
from p2pfl_me.message import Vector

PAIRS = 1 << 14
"""Pairs of values whose words lie together in a stream: first what their radii are made of, then their angles."""
AT_ONCE = 8
"""So many times as many are made at once: each operation lets other threads go on and then waits for Python's lock
again, so a step that goes on beside it wants few of them; what they touch still stays in the cache."""
KEY = 32


class Randomness(Protocol):
    """Gives each draw a stream of its own."""

    def stream(self, *labels: str | int) -> Stream: ...


class System:
    """Fresh bytes of the operating system for every draw; labels say nothing."""

    def stream(self, *labels: str | int) -> Stream:
        return Stream(os.urandom(KEY))


class Rehearsed:
    """The same draw for the same seed and labels, for runs that protect nobody: simulations and tests."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def stream(self, *labels: str | int) -> Stream:
        text = str(derive_seed(self._seed, "rehearsed", *labels))
        return Stream(hashlib.sha256(text.encode()).digest())


class Stream:
    """Gaussian values and uniform numbers out of a key of 32 bytes, each used once."""

    def __init__(self, key: bytes) -> None:
        self._cipher = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        self._words = bytearray()
        self._zeros = memoryview(b"")
        self._angle = np.empty((0, PAIRS), np.float32)
        self._turned = np.empty((0, PAIRS), np.float32)

    def normal(self, out: Vector, deviation: float) -> None:
        """Fill `out`, float32 (P,), with independent N(0, deviation^2): Box and Muller (1958), no value beyond 6.7.

        Values are float32: that their last bits tell nothing (Mironov, CCS 2012) is not promised.
        """
        done, at_once = 0, 2 * PAIRS * AT_ONCE
        for begin in range(0, out.size - 2 * PAIRS + 1, at_once):
            blocks = min(AT_ONCE, (out.size - begin) // (2 * PAIRS))
            done = begin + 2 * PAIRS * blocks
            self._fill(out[begin:done].reshape(blocks, 2, PAIRS), deviation)
        if rest := out.size - done:
            last = np.empty((1, 2, (rest + 1) // 2), np.float32)
            self._fill(last, deviation)
            out[done:] = last.reshape(-1)[:rest]

    def _fill(self, out: npt.NDArray[np.float32], deviation: float) -> None:
        """Fill `out`, float32 (blocks, 2, pairs)."""
        blocks, _, pairs = out.shape
        if len(self._angle) < blocks:
            self._angle = np.empty((blocks, PAIRS), np.float32)
            self._turned = np.empty((blocks, PAIRS), np.float32)
        words = self._take(out.size).reshape(out.shape)
        radius, angle, turned = out[:, 0], self._angle[:blocks, :pairs], self._turned[:blocks, :pairs]
        radius[...] = words[:, 0]
        radius += np.float32(0.5)
        radius *= np.float32(2**-32)
        np.log(radius, out=radius)
        radius *= np.float32(-2 * deviation * deviation)
        np.sqrt(radius, out=radius)
        angle[...] = words[:, 1]
        angle *= np.float32(2 * np.pi * 2**-32)
        np.sin(angle, out=turned)
        np.multiply(radius, turned, out=out[:, 1])
        np.cos(angle, out=turned)
        radius *= turned

    def chosen(self, count: int, rate: float) -> npt.NDArray[np.int64]:
        """Which of `count` units are drawn, each by itself with probability `rate` (Poisson sampling), in order.

        The probability is `rate` rounded down to 2^-32.
        """
        if rate >= 1:
            return np.arange(count, dtype=np.int64)
        bar, found = int(rate * 2**32), []
        for begin in range(0, count, 2 * PAIRS):
            words = self._take(min(2 * PAIRS, count - begin))
            found.append(np.flatnonzero(words < bar) + begin)
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def _take(self, count: int) -> npt.NDArray[np.uint32]:
        """The next so many 32-bit words; they stand until the next call."""
        if len(self._zeros) < 4 * count:
            self._zeros, self._words = memoryview(bytes(4 * count)), bytearray(4 * count + 32)
        self._cipher.update_into(self._zeros[: 4 * count], self._words)
        return np.frombuffer(self._words, np.uint32, count)


def secret() -> bytes:
    """32 bytes that nobody else knows."""
    return secrets.token_bytes(KEY)
