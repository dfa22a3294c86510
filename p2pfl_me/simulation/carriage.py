"""How a message becomes records and a message again: by the real codec, with or without the real seals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.message import Kind, Message
from p2pfl_me.peer.schema import schema_of
from p2pfl_me.wire.codec import Schema, check_weights, decode_header, encode, message_of
from p2pfl_me.wire.framing import on_wire
from p2pfl_me.wire.noise import TAG, Ciphers
from p2pfl_me.wire.records import HEADER, PAYLOAD
from p2pfl_me.wire.session import Session

Record = tuple[memoryview, ...]
"""What travels in one piece; a plain one is a header and its body."""


class Carriage(Protocol):
    """One end of one link, from its coming up to its going down."""

    def pack(self, message: Message) -> Iterator[tuple[Record, int]]:
        """The records of a message, each with its bytes on the wire."""

    def unpack(self, record: Record, deliver: Callable[[Message], None]) -> None:
        """Take a record; `deliver` gets a message once it is whole.

        Raises
        ------
        WireError
            The record is refused.
        """


class Sealed:
    """A `wire.session.Session` whose keys come from the simulation's seed instead of a handshake."""

    def __init__(self, me: int, peer: int, schema: Schema, seed: int, life: int) -> None:
        send, receive = (_key(seed, life, *pair) for pair in ((me, peer), (peer, me)))
        self._session = Session(me, peer, Ciphers(send, receive, b""), schema)

    def pack(self, message: Message) -> Iterator[tuple[Record, int]]:
        self._session.queue(message)
        while (found := self._session.next_record()) is not None:
            record, _, _ = found
            yield (record,), on_wire(len(record))

    def unpack(self, record: Record, deliver: Callable[[Message], None]) -> None:
        self._session.receive(record[0], deliver)


class Plain:
    """The codec alone; sizes are those of the sealed records, so that bytes and times come out the same."""

    def __init__(self, me: int, peer: int, schema: Schema) -> None:
        self._me, self._peer, self._schema = me, peer, schema

    def pack(self, message: Message) -> Iterator[tuple[Record, int]]:
        header, body = encode(message, self._me, self._schema)
        wire = on_wire(len(header) + HEADER + TAG)
        if body is None:
            yield (memoryview(header),), wire
            return
        for begin in range(0, body.nbytes, PAYLOAD):
            wire += on_wire(min(PAYLOAD, body.nbytes - begin) + HEADER + TAG)
        yield (memoryview(header), body), wire

    def unpack(self, record: Record, deliver: Callable[[Message], None]) -> None:
        header = decode_header(bytes(record[0]), self._peer, self._schema)
        if len(record) == 1:
            deliver(message_of(header, None))
        elif self._schema.packed:
            deliver(message_of(header, np.frombuffer(record[1], dtype=np.uint8)))
        else:
            params = np.frombuffer(record[1], dtype="<f4")
            check_weights(header, params, self._schema.most)
            deliver(message_of(header, params))


def model_bytes(contract: Contract) -> int:
    """What a whole model of the contract takes on a real link, with header, seals and lengths, found by packing one."""
    schema = schema_of(contract, contract.model.layout)
    model = np.zeros(schema.size, dtype=np.float32)
    return sum(size for _, size in Plain(1, 0, schema).pack(Message(Kind.OFFER, 1, 1, model)))


def _key(seed: int, life: int, sender: int, to: int) -> bytes:
    return b"".join(derive_seed(seed, "key", life, sender, to, part).to_bytes(8, "big") for part in range(4))
