"""How the words about masks travel: lives, masked models, pledges, as bytes and back. Decoders raise only
`WireError`."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from p2pfl_me.errors import WireError
from p2pfl_me.message import Packed
from p2pfl_me.privacy.circles import Lives
from p2pfl_me.privacy.mask_keys import SEED, TOKEN

_COUNT, _LIFE = struct.Struct("<I"), struct.Struct("<I32s")
_TOKEN, _SEED = struct.Struct(f"<I{TOKEN}s"), struct.Struct(f"<I{SEED}s")


@dataclass(frozen=True, slots=True)
class Masked:
    """A model for one receiver, times its weight, as words under masks. `circle` are those with whom they are
    shared."""

    circle: Lives
    words: memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pledge:
    """What a peer says once it has committed itself to a roster, and to no other of that receiver and round.

    `own` is the seed of its own mask, sealed under the tokens that all others of the roster give it; `tokens` are those
    that it gives to them; `seeds` those of the masks that it shares with who is not on the roster.
    """

    own: bytes = field(repr=False)
    tokens: Mapping[int, bytes] = field(repr=False)
    seeds: Mapping[int, bytes] = field(repr=False)


def lives_to_bytes(lives: Lives) -> bytes:
    return b"".join(_LIFE.pack(peer, key) for peer, key in sorted(lives.items()))


def lives_from(data: memoryview) -> dict[int, bytes]:
    """Raises `WireError` unless these are lives in order of their ids."""
    if data.nbytes % _LIFE.size:
        raise WireError(f"lives of {data.nbytes} bytes, where {_LIFE.size} are due for each")
    return _in_order(_LIFE.iter_unpack(data))


def digest_of(lives: Lives) -> bytes:
    return hashlib.sha256(lives_to_bytes(lives)).digest()


def room_for(circle: Lives, size: int) -> tuple[Packed, Packed]:
    """A masked model to be: the whole of it, and the part for its words, `size` bytes at a multiple of four."""
    head = np.frombuffer(_COUNT.pack(len(circle)) + lives_to_bytes(circle), np.uint8)
    whole = np.empty(head.size + size, np.uint8)
    whole[: head.size] = head
    return whole, whole[head.size :]


def masked_from(data: memoryview, size: int) -> Masked:
    """A masked model of `size` bytes. Raises `WireError` if it is none."""
    begin = _COUNT.size + _LIFE.size * _count(data)
    if data.nbytes != begin + size:
        raise WireError(f"a masked model of {data.nbytes} bytes, where {begin + size} were due")
    return Masked(lives_from(data[_COUNT.size : begin]), data[begin:])


def pledge_to_bytes(pledge: Pledge) -> bytes:
    tokens = [_TOKEN.pack(*each) for each in sorted(pledge.tokens.items())]
    seeds = [_SEED.pack(*each) for each in sorted(pledge.seeds.items())]
    return b"".join((_COUNT.pack(len(tokens)), pledge.own, *tokens, *seeds))


def pledge_from(data: memoryview) -> Pledge:
    """Raises `WireError` if it is none."""
    own = _COUNT.size + SEED
    tokens = own + _TOKEN.size * _count(data)
    if data.nbytes < tokens or (data.nbytes - tokens) % _SEED.size:
        raise WireError(f"a pledge of {data.nbytes} bytes, which nobody says")
    given = _in_order(_TOKEN.iter_unpack(data[own:tokens]))
    return Pledge(bytes(data[_COUNT.size : own]), given, _in_order(_SEED.iter_unpack(data[tokens:])))


def _count(data: memoryview) -> int:
    if data.nbytes < _COUNT.size:
        raise WireError(f"a word of {data.nbytes} bytes, which nobody says")
    (count,) = _COUNT.unpack_from(data)
    return int(count)


def _in_order(pairs: Iterable[tuple[int, bytes]]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    last = -1
    for peer, what in pairs:
        if peer <= last:
            raise WireError("peers out of order, or named twice")
        found[peer] = what
        last = peer
    return found
