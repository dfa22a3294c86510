"""Messages to frames and back: a msgpack header and raw little-endian float32. Never pickle; limits before memory.

The decoder takes any bytes and raises nothing but `WireError`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import msgpack
import numpy as np

from p2pfl_me.errors import WireError
from p2pfl_me.message import HIDDEN, KEYS, MAX_ROUND, MAX_WEIGHT, MODELS, Kind, Message, Packed, Vector
from p2pfl_me.wire.bounded import is_flat, unpacked_list

VERSION = 1
MAX_HEADER = 1024

_KINDS = {kind.value: kind for kind in Kind}
_BYTES = HIDDEN | KEYS
"""Under masks only."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The shape of the models that travel: number of float32 values, and the digest of their layout (32 bytes).

    Under a contract with compression `packed` is the most bytes that a compressed model may have, otherwise 0.
    `largest` is the magnitude above which a value is absurd; infinite where messages hold running sums, which grow as
    long as a run goes on, and the core checks the models in them. `norm` is that of a whole model, above which no peer
    goes on training; infinite where noise over a model may have any.
    """

    size: int
    digest: bytes
    packed: int = 0
    largest: float = MAX_WEIGHT
    norm: float = MAX_WEIGHT

    @property
    def most(self) -> tuple[float, float]:
        """The magnitude of a value and the norm of a model above which they are absurd."""
        return self.largest, max(self.norm, self.largest)


@dataclass(frozen=True, slots=True)
class Header:
    """The small part of a frame. `body` is the number of bytes that follow."""

    kind: Kind
    round: int
    at: int
    sender: int
    body: int


def encode(message: Message, sender: int, schema: Schema) -> tuple[bytes, memoryview | None]:
    """A message as header bytes and, for a model, a view of its bytes, not copied: little-endian float32, or packed."""
    body = None
    if message.params is not None:
        params = np.ascontiguousarray(message.params, dtype="<f4")
        if params.shape != (schema.size,):
            raise WireError(f"a model of shape {params.shape} cannot be sent as one of {schema.size} values")
        body = params.data.cast("B")
    elif message.packed is not None:
        body = message.packed.data
    fields = [VERSION, message.kind.value, message.round, message.at, sender, schema.digest, body.nbytes if body else 0]
    return msgpack.packb(fields), body


def decode_header(data: bytes, sender: int, schema: Schema) -> Header:
    """Read and check a header from the peer that the channel has authenticated as `sender`.

    Raises
    ------
    WireError
        Anything but a header of this version, from this sender, for this schema.
    """
    fields = unpacked_list(data, "a header", MAX_HEADER)
    if len(fields) != 7 or not is_flat(fields):
        raise WireError("a header that is not a list of seven fields")
    version, name, round, at, claimed, digest, body = fields
    if type(version) is not int or version != VERSION:
        raise WireError(f"wire version {_shown(version)} (this is {VERSION}); update the older p2pme")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise WireError(f"an unknown kind of message {_shown(name)}")
    for value in (round, at, claimed, body):
        if type(value) is not int or not 0 <= value <= MAX_ROUND:
            raise WireError(f"a number out of range in a header: {_shown(value)}")
    if claimed != sender:
        raise WireError(f"peer {sender} speaks as peer {claimed}")
    if digest != schema.digest:
        raise WireError("a model of another layout; compare the `model` part of the contracts")
    due = schema.packed if kind in _BYTES else 0
    if kind in MODELS:
        due = schema.packed or 4 * schema.size
    if body != due and not (schema.packed and 0 < body < due):
        at_most = "at most " if schema.packed else ""
        raise WireError(f"{kind.value} with {body} bytes where {at_most}{due} were due")
    return Header(kind, round, at, sender, body)


def _shown(value: object) -> str:
    """A field that is neither list nor dictionary, short enough for a log's line."""
    return repr(value)[:32]


def check_weights(
    header: Header, piece: Vector, most: tuple[float, float] = (MAX_WEIGHT, MAX_WEIGHT), before: float = 0.0
) -> float:
    """Check some of a model's weights, best while they are still in the cache; the sum of the squares so far.

    `most` is the largest value and norm, `before` the sum of the squares of what came before in the same model.

    Raises
    ------
    WireError
        NaN, infinity or an absurd size among them, or with them a model whose norm is absurd.
    """
    largest, norm = most
    with np.errstate(invalid="ignore", over="ignore"):
        squares = before + float(piece @ piece)
        if squares <= min(largest, norm) ** 2 < math.inf:
            return squares
        least, highest = float(piece.min()), float(piece.max())  # NaN survives both
    finite = math.isfinite(least) and math.isfinite(highest)
    is_sane = finite and least >= -largest and highest <= largest
    if is_sane and squares <= norm**2:
        return squares
    what = "weights of an absurd norm" if is_sane else "weights of absurd size" if finite else "NaN or infinite weights"
    raise WireError(f"{header.kind.value} of round {header.round} holds {what}")


def message_of(header: Header, content: Vector | Packed | None) -> Message:
    """The message of a header and what followed it: checked parameters, or a packed model for the core to check."""
    if content is not None and content.dtype == np.uint8:
        return Message(header.kind, header.round, header.at, packed=cast(Packed, content))
    return Message(header.kind, header.round, header.at, cast("Vector | None", content))
