"""Sealed records: what a finished handshake carries. Pure bytes in and out; no socket, no message.

A record is `kind (1 byte) | counter (8 bytes, big-endian) | AES-256-GCM ciphertext and tag`. Keys, nonces and REKEY are
Noise's. Two things differ from Noise's transport messages, on purpose: a record may hold 2 MiB where Noise stops at
65,535 bytes, because few large ones cost least; and the counter is explicit (Noise section 11.4), so that a simulated
network may lose records. Kind and counter are authenticated; the counter must rise.
"""

from __future__ import annotations

import struct

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from p2pfl_me.errors import WireError
from p2pfl_me.wire.noise import TAG, nonce

_HEADER = struct.Struct(">BQ")
HEADER = 9
PAYLOAD = 1 << 21
"""Most plaintext bytes in one record."""
RECORD = HEADER + PAYLOAD + TAG
"""Most bytes of one record on the wire."""
REKEY_SHIFT = 16
"""Both sides REKEY after 2^16 records (128 GiB at most), far below AES-GCM's limits for one key."""

Buffer = bytes | bytearray | memoryview


class Unauthentic(WireError):
    """Bytes that the neighbour did not send so: cut, flipped, replayed, out of order. They say nothing about it."""


class StaleRecord(Unauthentic):
    """A record of a counter that has passed. It changes nothing, not even a message that is half received."""


class _Key:
    """The key of one direction in the epoch that a counter belongs to."""

    def __init__(self, key: bytes) -> None:
        self.epoch = 0
        self._key = key
        self.aead = AESGCM(key)

    def next(self) -> _Key:
        """Noise section 4.2, REKEY: the first 32 bytes of ENCRYPT(k, 2^64 - 1, "", zeros)."""
        following = _Key(AESGCM(self._key).encrypt(nonce(2**64 - 1), bytes(32), b"")[:32])
        following.epoch = self.epoch + 1
        return following


class Sealer:
    """Seals the records of one direction, each into a buffer of its own, so that it can be sent without a copy."""

    def __init__(self, key: bytes) -> None:
        self._key = _Key(key)
        self._counter = 0

    def seal(self, kind: int, payload: Buffer) -> memoryview:
        """The record, as a view of fresh memory.

        Parameters
        ----------
        kind:
            0..255, authenticated but readable by anyone.
        payload:
            At most `PAYLOAD` bytes, contiguous.
        """
        size = memoryview(payload).nbytes
        if size > PAYLOAD:
            raise WireError(f"a record of {size} bytes (at most {PAYLOAD})")
        if self._counter >> REKEY_SHIFT != self._key.epoch:
            self._key = self._key.next()
        out = np.empty(HEADER + size + TAG, dtype=np.uint8).data
        out[:HEADER] = header = _HEADER.pack(kind, self._counter)
        self._key.aead.encrypt_into(nonce(self._counter), payload, header, out[HEADER:])
        self._counter += 1
        return out


class Opener:
    """Opens the records of one direction. What fails to open changes nothing."""

    def __init__(self, key: bytes) -> None:
        self._key = _Key(key)
        self._least = 0

    def skips(self, record: Buffer) -> bool:
        """Whether records between the last one that opened and this one are missing."""
        return int.from_bytes(record[1:HEADER], "big") > self._least

    def open(self, record: Buffer) -> bytes:
        """The payload of a small record."""
        out = bytearray(max(0, len(record) - HEADER - TAG))
        self.open_into(record, memoryview(out))
        return bytes(out)

    def open_into(self, record: Buffer, out: memoryview) -> None:
        """Open straight into `out`, which must be exactly as long as the payload.

        Raises
        ------
        Unauthentic
            Truncated, oversized, replayed, out of order or corrupted.
        ValueError
            `out` is not as long as the payload.
        """
        size = len(record)
        if not HEADER + TAG <= size <= RECORD:
            raise Unauthentic(f"a record of {size} bytes (at least {HEADER + TAG}, at most {RECORD})")
        if len(out) != size - HEADER - TAG:
            raise ValueError(f"{len(out)} bytes for a payload of {size - HEADER - TAG}")
        header = bytes(record[:HEADER])
        counter = int.from_bytes(header[1:], "big")
        if counter < self._least:
            raise StaleRecord(f"record {counter} again or late (next is {self._least}): replayed or out of order")
        key = self._key
        if (epoch := counter >> REKEY_SHIFT) != key.epoch:
            if epoch != key.epoch + 1:
                raise Unauthentic(f"record {counter} lies too far ahead of {self._least}")
            key = key.next()
        try:
            key.aead.decrypt_into(nonce(counter), record[HEADER:], header, out)
        except InvalidTag as error:
            raise Unauthentic("a record that does not authenticate: corrupted, or not from this link") from error
        self._key, self._least = key, counter + 1
