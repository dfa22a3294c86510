"""The conversation with one neighbour: what is queued for it, what is arriving, and the keys that are in use.

A conversation outlives its connections: what one of them has broken off goes on over the next, at the very byte, as
long as both ends remember it. So a line that flaps, or a flipped bit, loses no message. No socket and no clock here.
"""

from __future__ import annotations

import os
import struct
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from p2pfl_me.errors import WireError
from p2pfl_me.message import Kind, Message, Packed, Vector
from p2pfl_me.wire.codec import Header, Schema, check_weights, decode_header, encode, message_of
from p2pfl_me.wire.echo import ECHO, ECHOED, Echoes
from p2pfl_me.wire.noise import TAG, Ciphers
from p2pfl_me.wire.records import HEADER, PAYLOAD, Opener, Sealer, Unauthentic
from p2pfl_me.wire.sightings import ASKED, TOLD, Seen, Sightings

MESSAGE, BODY, RECEIVED, BYE, STANDING, TWICE = 16, 17, 18, 19, 20, 21
"""Kinds of record: a frame's header, a piece of its body, what has come so far (a heartbeat, too), the last word of
whoever leaves, the first one on a connection (which conversation this is, and how far it has come), and the news that
two processes speak with the receiver's key.

A BYE is answered by a BYE: then all that was said before it has been read, and the connection may end.
"""
CHANGE = 26
"""A change of the contract that members have approved (`membership`), whole."""
SHORT_PIECE = 1 << 10
"""A piece of a body is not shorter, but for its last: what a piece costs to open is bounded by what it brings."""
MOST_MESSAGES, MOST_MODELS, MOST_BYTES = 4096, 16, 1 << 28
"""Kept for an end that does not say it has received them: so many messages, and so many models or bytes of models,
whichever is more; and so many changes, of which it is told anew over another link. One that is further behind, or says
so, is no company."""
_RECEIVED = struct.Struct(">QQ")
_STANDING = struct.Struct(">8s8sQQ")
_NOBODY = bytes(8)


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


@dataclass(slots=True)
class _Incoming:
    """A message whose body is arriving: `received` bytes of `bytes`, which is `content` as it lies in memory."""

    header: Header
    content: Vector | Packed = field(repr=False)
    bytes: memoryview = field(repr=False)
    received: int = 0
    squares: float = 0.0
    """Of the weights that have come."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What one end says first: its name for this conversation, the other's as far as it knows it, how many messages
    have come to it whole, and how many bytes of the next one's body."""

    mine: bytes
    yours: bytes
    messages: int
    bytes: int

    @classmethod
    def read(cls, record: memoryview, opener: Opener) -> Standing:
        """Of the first record on a connection.

        Raises
        ------
        WireError
            It is something else.
        """
        data = opener.open(record)
        if record[0] != STANDING or len(data) != _STANDING.size:
            raise WireError("something else than a connection's first record")
        return cls(*_STANDING.unpack(data))


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
    """One end of a conversation.

    With `ciphers` it begins at once, over one connection that loses what it loses, as simulated ones do. Without, it
    has to be `connected` first, and remembers what the other end has not said it has received.
    """

    def __init__(self, me: int, peer: int, ciphers: Ciphers | None, schema: Schema) -> None:
        self._me, self._peer, self._schema = me, peer, schema
        self._remembers = ciphers is None
        self._name, self._other = os.urandom(8) if self._remembers else _NOBODY, _NOBODY
        if ciphers:
            self._sealer, self._opener = Sealer(ciphers.send), Opener(ciphers.receive)
        self._queue: deque[Outgoing] = deque()
        """Not yet received whole by the other end, as far as we know; the first `_sent` of them have left."""
        self._sent = self._confirmed = 0
        self._model: tuple[tuple[Kind, int, int], weakref.ref[Vector | Packed]] | None = None
        self._pings_due = 0
        self._twice_due = False
        self.is_twice = False
        """Whether the other end has seen two of us."""
        self._bye_due = self._bye_said = self._bye_heard = False
        self._changes_due: deque[bytes] = deque()
        self.changes: deque[bytes] = deque()
        """What the other end has told of changes."""
        self._echoes = Echoes()
        self.is_echoed = False
        """Whether what was to be echoed has come back."""
        self.sightings = Sightings()
        self.seen: list[Seen] = []
        """What the other end has told of others, until somebody takes it."""
        self._incoming: _Incoming | None = None
        self._whole = self.begun = 0
        """Messages that came whole or were refused, and those that began."""
        self.received = 0
        """Bytes of bodies that have come over this connection."""
        self.acknowledged = 0
        """Bytes of bodies sent over this connection that the other end has received, when it last said so."""

    # -- connections --------------------------------------------------------------------------------------------

    def standing(self) -> bytes:
        """The payload of our first record on a new connection."""
        held = self._incoming.received if self._incoming else 0
        return _STANDING.pack(self._name, self._other, self._whole, held)

    def goes_on(self, theirs: Standing) -> bool:
        """Whether both ends remember the same conversation, and what the other says of it can be."""
        if (theirs.mine, theirs.yours) != (self._other, self._name):
            return False
        behind = theirs.messages - self._confirmed
        if not 0 <= behind <= self._sent + 1:
            return False
        out = self._queue[behind] if behind < len(self._queue) else None
        return theirs.bytes <= (max(0, out.offset) if out else 0)

    def connected(self, theirs: Standing, sealer: Sealer, opener: Opener) -> None:
        """Go on over a new connection, if `goes_on`, else from nothing: of that the other end is told, too."""
        if self.goes_on(theirs):
            self._confirm(theirs.messages)
        else:
            self._queue.clear()
            self._confirmed = self._whole = 0
            self._model = self._incoming = None
        for out in self._queue:
            out.offset = -1
        if theirs.bytes and self._queue:
            self._queue[0].offset = theirs.bytes
        self._sealer, self._opener, self._other = sealer, opener, theirs.mine
        self._sent = self.received = self.acknowledged = self._pings_due = 0
        self._bye_due, self._bye_heard = self._bye_said, False
        self._echoes, self.is_echoed = Echoes(), False
        self.sightings, self.seen = Sightings(), []
        self._changes_due.clear()

    # -- out ----------------------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        told = not (self._pings_due or self._bye_due or self._changes_due)
        return told and self._echoes.is_idle and self.sightings.is_idle and self._sent == len(self._queue)

    @property
    def is_over(self) -> bool:
        """Whether everything that was queued here has been read there, or the other end wants nothing more."""
        return self.is_idle and self._bye_heard

    @property
    def has_parted(self) -> bool:
        """Whether the other end has said its last word."""
        return self._bye_heard

    def queue(self, message: Message) -> None:
        self.queue_encoded(encoded(message, self._me, self._schema))

    def queue_encoded(self, out: Outgoing) -> None:
        """A model that was queued before need not travel again: it has come, or will. So no request is answered with
        more than it brings."""
        if self._remembers and (content := out.message.content) is not None:
            what = out.message.kind, out.message.round, out.message.at
            if self._model and self._model[0] == what and self._model[1]() is content:
                return
            self._model = what, weakref.ref(content)
        self._queue.append(out)

    @property
    def is_behind(self) -> bool:
        """Whether the other end has left so much unconfirmed that no more should be kept for it."""
        queued = len(self._queue)
        if max(queued, len(self._changes_due)) > MOST_MESSAGES:
            return True
        if queued <= MOST_MODELS:
            return False
        models = [out.body.nbytes for out in self._queue if out.body is not None]
        return len(models) > MOST_MODELS and sum(models) > MOST_BYTES

    def queue_ping(self) -> None:
        """Say what has been received, once for all that has come until it leaves."""
        self._pings_due = 1

    def queue_twice(self) -> None:
        """Tell the other end that it is there twice, before anything else."""
        self._twice_due = True

    def queue_echo(self, payload: bytes) -> None:
        """Have `payload` sent back; `is_echoed` once it has come."""
        self._echoes.ask(payload)
        self.is_echoed = False

    def queue_change(self, data: bytes) -> None:
        """Tell the other end of a change, a record at most; with the connection it is lost."""
        self._changes_due.append(data)

    def queue_bye(self) -> None:
        """After all that is queued, once."""
        if not self._bye_said:
            self._bye_due = self._bye_said = True

    def next_record(self, most: int = PAYLOAD) -> tuple[memoryview, Outgoing | None, int] | None:
        """The next record to send, the message it belongs to (None for a ping or bye), and its bytes of body.

        `most` bytes of body at most, 0 for none now. A ping may pass between the pieces of a long body; messages keep
        their order.
        """
        if self._twice_due:
            self._twice_due = False
            return self._sealer.seal(TWICE, b""), None, 0
        if self._pings_due:
            self._pings_due = 0
            return self._sealer.seal(RECEIVED, _RECEIVED.pack(self._whole, self.received)), None, 0
        if (echo := self._echoes.next()) is not None:
            return self._sealer.seal(*echo), None, 0
        if (word := self.sightings.next()) is not None:
            return self._sealer.seal(*word), None, 0
        if self._changes_due:
            return self._sealer.seal(CHANGE, self._changes_due.popleft()), None, 0
        if self._sent == len(self._queue):
            if not self._bye_due:
                return None
            self._bye_due = False
            return self._sealer.seal(BYE, b""), None, 0
        out = self._queue[self._sent]
        size = 0
        if out.offset < 0:
            record, out.offset = self._sealer.seal(MESSAGE, out.header), 0
        elif most == 0:
            return None
        else:
            assert out.body is not None
            piece = out.body[out.offset : out.offset + most]
            record, size = self._sealer.seal(BODY, piece), piece.nbytes
            out.offset += size
        if out.is_done:
            if self._remembers:
                self._sent += 1
            else:
                self._queue.popleft()
        return record, out, size

    def _confirm(self, messages: int) -> None:
        """The other end has received so many messages whole, or refused them: they need not be kept."""
        while self._confirmed < messages and self._queue:
            self._queue.popleft()
            self._confirmed += 1
            self._sent = max(0, self._sent - 1)

    # -- in -----------------------------------------------------------------------------------------------------

    def receive(self, record: memoryview, deliver: Callable[[Message], None]) -> None:
        """Open one record; `deliver` is called once a message is whole.

        Raises
        ------
        Unauthentic
            The neighbour did not send this; nothing has changed.
        WireError
            It did, and the record or the message is refused. What was half received is dropped, later messages pass.
        """
        if len(record) and record[0] == BODY:
            self._continue(record, deliver)
            return
        data = self._opener.open(record)
        kind = record[0]
        if kind == MESSAGE:
            self._begin(data, deliver)
        elif kind == RECEIVED and len(data) == _RECEIVED.size:
            messages, self.acknowledged = _RECEIVED.unpack(data)
            if not self._confirmed <= messages <= self._confirmed + self._sent + 1:
                raise WireError(f"{messages} messages confirmed, which were not sent")
            self._confirm(messages)
        elif kind == TWICE:
            self.is_twice = True
        elif kind in (ECHO, ECHOED):
            self.is_echoed |= self._echoes.hear(kind, bytes(data))
        elif kind in (ASKED, TOLD):
            if seen := self.sightings.hear(kind, bytes(data)):
                self.seen.append(seen)
        elif kind == CHANGE:
            self.changes.append(bytes(data))
        elif kind == BYE:
            self._bye_heard = True
            self.queue_bye()
        else:
            raise WireError(f"a record of kind {kind} with {len(data)} bytes, which nobody sends")

    def _begin(self, data: bytes, deliver: Callable[[Message], None]) -> None:
        self._incoming = None  # a message cut short by a refused record ends here
        self.begun += 1
        try:
            header = decode_header(data, self._peer, self._schema)
        except WireError:
            self._whole += 1
            raise
        if not header.body:
            self._whole += 1
            deliver(message_of(header, None))
            return
        content: Vector | Packed
        if self._schema.packed:
            content = np.empty(header.body, dtype=np.uint8)
        else:
            content = np.empty(self._schema.size, dtype="<f4")
        self._incoming = _Incoming(header, content, content.data.cast("B"))

    def _continue(self, record: memoryview, deliver: Callable[[Message], None]) -> None:
        if self._opener.skips(record):
            self._incoming = None  # with the record that is missing, this may be the body of another message
        size, incoming = len(record) - HEADER - TAG, self._incoming
        due = incoming.bytes.nbytes - incoming.received if incoming else 0
        is_piece = 0 < size == due or (SHORT_PIECE <= size < due and size % 4 == 0)
        if incoming is None or not is_piece:
            # It must still be opened: that shows who is to blame, and the counter stays in step. The rest of a
            # message that was refused is nobody's fault.
            self._opener.open(record)
            self.received += size
            if incoming is not None:
                self._refuse()
                raise WireError(f"a piece of {size} bytes, where {due} of the message are due")
            return
        end = incoming.received + size
        try:
            self._opener.open_into(record, incoming.bytes[incoming.received : end])
            self.received += size
            if not self._schema.packed:  # a packed model is for the core to check: it knows what the edge remembers
                piece = cast(Vector, incoming.content)[incoming.received // 4 : end // 4]
                incoming.squares = check_weights(incoming.header, piece, self._schema.most, incoming.squares)
        except Unauthentic:
            raise
        except WireError:
            self._refuse()
            raise
        incoming.received = end
        if end == incoming.bytes.nbytes:
            self._incoming = None
            self._whole += 1
            deliver(message_of(incoming.header, incoming.content))

    def _refuse(self) -> None:
        self._incoming = None
        self._whole += 1
