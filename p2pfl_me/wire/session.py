"""One neighbour's side of the links: its keys, what is queued for it, what is arriving from it. No socket here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from p2pfl_me.errors import WireError
from p2pfl_me.message import Message, Packed, Vector
from p2pfl_me.wire.codec import Header, Schema, check_weights, decode_header, encode, message_of
from p2pfl_me.wire.noise import Ciphers
from p2pfl_me.wire.records import PAYLOAD, Opener, Sealer, StaleRecord

MESSAGE, BODY, PING, BYE = 16, 17, 18, 19
"""Kinds of record: a frame's header, a piece of its body, a heartbeat, and the last word of whoever leaves.

A BYE is answered by a BYE: then all that was said before it has been read, and the connection may end.
"""


@dataclass(slots=True)
class Outgoing:
    """One message on its way; `offset` bytes of its body have been sealed, -1 before its header."""

    message: Message
    header: bytes
    body: memoryview | None = field(repr=False)
    offset: int = -1
    wire: int = 0

    @property
    def is_done(self) -> bool:
        return self.offset >= (self.body.nbytes if self.body else 0)


def encoded(message: Message, me: int, schema: Schema) -> Outgoing:
    """A message of peer `me`, ready to be queued.

    Raises
    ------
    WireError
        Its model does not have the schema's shape.
    """
    header, body = encode(message, me, schema)
    return Outgoing(message, header, body)


class Session:
    """The sealed conversation with one neighbour, from one handshake to the end of its link."""

    def __init__(self, me: int, peer: int, ciphers: Ciphers, schema: Schema) -> None:
        self._me, self._peer, self._schema = me, peer, schema
        self._sealer, self._opener = Sealer(ciphers.send), Opener(ciphers.receive)
        self._queue: deque[Outgoing] = deque()
        self._pings_due = 0
        self._bye_due = self._bye_said = self._bye_heard = False
        self._header: Header | None = None
        self._content: Vector | Packed | None = None
        self._bytes = memoryview(b"")
        self._received = 0

    # -- out ----------------------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        return not self._queue and not self._pings_due and not self._bye_due

    @property
    def is_over(self) -> bool:
        """Whether everything that was queued here has been read there, or the other end wants nothing more."""
        return self.is_idle and self._bye_heard

    def queue(self, message: Message) -> None:
        self.queue_encoded(encoded(message, self._me, self._schema))

    def queue_encoded(self, out: Outgoing) -> None:
        self._queue.append(out)

    def queue_ping(self) -> None:
        self._pings_due += 1

    def queue_bye(self) -> None:
        """After all that is queued, once."""
        if not self._bye_said:
            self._bye_due = self._bye_said = True

    def next_record(self) -> tuple[memoryview, Outgoing | None] | None:
        """The next record to send and the message it belongs to, None for a ping or a bye.

        A ping may pass between the records of a long body; messages keep their order.
        """
        if self._pings_due:
            self._pings_due -= 1
            return self._sealer.seal(PING, b""), None
        if not self._queue:
            if not self._bye_due:
                return None
            self._bye_due = False
            return self._sealer.seal(BYE, b""), None
        out = self._queue[0]
        if out.offset < 0:
            record = self._sealer.seal(MESSAGE, out.header)
            out.offset = 0
        else:
            assert out.body is not None
            piece = out.body[out.offset : out.offset + PAYLOAD]
            record = self._sealer.seal(BODY, piece)
            out.offset += piece.nbytes
        if out.is_done:
            self._queue.popleft()
        return record, out

    # -- in -----------------------------------------------------------------------------------------------------

    def receive(self, record: memoryview, deliver: Callable[[Message], None]) -> None:
        """Open one record; `deliver` is called once a message is whole.

        Raises
        ------
        WireError
            The record or the message is refused; what was half received is dropped, later messages pass. A record
            that came before costs nothing.
        """
        try:
            kind = record[0] if len(record) else -1
            if kind == PING:
                self._opener.open(record)
            elif kind == BYE:
                self._opener.open(record)
                self._bye_heard = True
                self.queue_bye()
            elif kind == MESSAGE:
                self._begin(record, deliver)
            elif kind == BODY:
                self._continue(record, deliver)
            else:
                raise WireError(f"a record of unknown kind {kind}")
        except StaleRecord:
            raise
        except WireError:
            self._forget()
            raise

    def _begin(self, record: memoryview, deliver: Callable[[Message], None]) -> None:
        data = self._opener.open(record)
        self._forget()  # a message cut short by a refused record ends here
        header = decode_header(data, self._peer, self._schema)
        if not header.body:
            deliver(message_of(header, None))
            return
        self._header, self._received = header, 0
        if self._schema.packed:
            self._content = np.empty(header.body, dtype=np.uint8)
        else:
            self._content = np.empty(self._schema.size, dtype="<f4")
        self._bytes = self._content.data.cast("B")

    def _continue(self, record: memoryview, deliver: Callable[[Message], None]) -> None:
        if self._opener.skips(record):
            self._forget()  # with the record that is missing, this may be the body of another message
        if self._header is None or self._content is None:
            # The rest of a message that was refused: it must still be opened, so that the counter stays in step.
            self._opener.open(record)
            return
        due = min(PAYLOAD, self._bytes.nbytes - self._received)
        self._opener.open_into(record, self._bytes[self._received : self._received + due])
        if not self._schema.packed:  # a packed model is for the core to check: it knows what the edge remembers
            piece = cast(Vector, self._content)[self._received // 4 : (self._received + due) // 4]
            check_weights(self._header, piece)
        self._received += due
        if self._received == self._bytes.nbytes:
            header, content = self._header, self._content
            self._forget()
            deliver(message_of(header, content))

    def _forget(self) -> None:
        self._header, self._content, self._bytes, self._received = None, None, memoryview(b""), 0
