"""Whether both ends of an edge remember the same exchanges.

A memory that is built from exchanges is the same at both ends only if both applied the same ones. So each payload
begins with a tag: a hash chained over all exchanges since the memory was empty. After a crash, an old checkpoint or an
exchange that only one end applied, the tags differ; both ends see it in the same exchange, correct nothing, and begin
anew. A counter would not do: an old checkpoint can bear the right number.
"""

from __future__ import annotations

import hashlib

from p2pfl_me.compression.compressor import Payload
from p2pfl_me.compression.streams import Edge

TAG = 8
"""Bytes of a tag."""
EMPTY = bytes(TAG)
"""The tag of an end that remembers nothing."""


def tag_of(payload: Payload) -> bytes:
    """The sender's tag, which every payload of a compressor with a memory begins with."""
    return bytes(memoryview(payload)[:TAG])


def next_tag(edge: Edge, sent: Payload, received: Payload) -> bytes:
    """The tag after an exchange, the same at both ends; the payloads bring the one before with them."""
    lower, higher = (sent, received) if edge.is_low else (received, sent)
    digest = hashlib.blake2b(lower, digest_size=TAG)
    digest.update(higher)
    return digest.digest()
