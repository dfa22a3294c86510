"""How far a connection that is no link yet has come: the stages of a handshake, and what each may take."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from p2pfl_me.errors import WireError
from p2pfl_me.wire.admission import edge_key
from p2pfl_me.wire.endpoint import Meeting
from p2pfl_me.wire.framing import Lengths
from p2pfl_me.wire.identity import Identity
from p2pfl_me.wire.meeting import WAIT_S
from p2pfl_me.wire.neighbour import Neighbour
from p2pfl_me.wire.noise import AwaitingReply, Ciphers
from p2pfl_me.wire.records import Opener, Sealer
from p2pfl_me.wire.station import Connection
from p2pfl_me.wire.unknown import Unknown

HANDSHAKE_S = 10.0
"""How long a connection may take to become a link."""
FIRST_RECORD = 256
"""Most bytes of the record that completes a handshake."""


@dataclass(frozen=True, slots=True)
class Seals:
    """The two directions of a connection whose handshake is over."""

    sealer: Sealer
    opener: Opener


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One of our keys and one of a neighbour's, both good now, and the key of the proofs between them."""

    neighbour: Neighbour
    identity: Identity
    public: bytes
    key: bytes


@dataclass(slots=True, eq=False)
class Call:
    """Somebody who called us; `neighbour` and `seals` once its HELLO has been answered."""

    since: float
    challenge: bytes
    neighbour: Neighbour | None = None
    key: bytes = b""
    seals: Seals | None = None
    met: Neighbour | None = None
    """Whom we have met at a relay, and nobody else may this be."""
    unknown: Unknown | None = None
    """What it has been told, if its key is not known."""
    differing: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Dialled:
    """A neighbour that we called; `awaiting` once it has greeted us and we `said` HELLO, `seals` at its reply."""

    since: float
    neighbour: Neighbour
    pair: KeyPair | None = None
    challenge: bytes = b""
    said: bytes = b""
    awaiting: AwaitingReply | None = None
    has_answered: bool = False
    """Whoever is there is not the neighbour that we know; it has been told who we are, and hangs up."""
    seals: Seals | None = None
    differing: tuple[str, ...] = ()

    @property
    def key(self) -> bytes:
        """The one of the neighbour's under which we called it."""
        return self.pair.public if self.pair else b""


@dataclass(slots=True, eq=False)
class AtRelay:
    """We have called a relay to meet a neighbour there: not greeted yet, asked for it, or told that it is not there."""

    since: float
    neighbour: Neighbour
    relay: Meeting
    asked: bool = False
    absent: bool = False


Stage = Call | Dialled | AtRelay


def most_s(stage: Stage) -> float:
    """Seconds that a connection may spend in its present stage."""
    return HANDSHAKE_S + (WAIT_S if isinstance(stage, AtRelay) else 0.0)


def seals_of(connection: Connection, ciphers: Ciphers, most: int = FIRST_RECORD) -> Seals:
    """From here on, everything on this connection is sealed, lengths included."""
    connection.reader.most = most
    connection.reader.lengths, connection.lengths = Lengths(ciphers.receive), Lengths(ciphers.send)
    return Seals(Sealer(ciphers.send), Opener(ciphers.receive))


def key_pairs(neighbour: Neighbour, mine: Sequence[Identity], theirs: Sequence[bytes]) -> tuple[KeyPair, ...]:
    """One for each pair of keys, but for those that are none."""
    found = []
    for identity, public in itertools.product(mine, theirs):
        with suppress(WireError):
            found.append(KeyPair(neighbour, identity, public, edge_key(identity, public)))
    return tuple(found)
