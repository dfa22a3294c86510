"""How far a connection that is no link yet has come: the stages of a handshake, and what each may take."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from p2pfl_me.errors import WireError
from p2pfl_me.wire.admission import edge_key
from p2pfl_me.wire.complaints import HUNG_UP, MUTE, NO_ANSWER, NO_PEER
from p2pfl_me.wire.endpoint import Meeting
from p2pfl_me.wire.framing import Lengths
from p2pfl_me.wire.identity import Identity
from p2pfl_me.wire.meeting import WAIT_S
from p2pfl_me.wire.neighbour import Neighbour
from p2pfl_me.wire.noise import AwaitingReply, Ciphers
from p2pfl_me.wire.records import HEADER, PAYLOAD, Opener, Sealer
from p2pfl_me.wire.station import Connection
from p2pfl_me.wire.unknown import Unknown

HANDSHAKE_S = 10.0
"""How long a connection may take to become a link."""
FIRST_RECORD = 256
"""Most bytes of the record that completes a handshake."""
NEWS_RECORD = HEADER + PAYLOAD + 16
"""The same where the two have different contracts: it tells how one became the other."""
THINNEST = 64_000 / 8
"""Bytes a second of the thinnest line that carries it."""
NEWS_S = NEWS_RECORD / THINNEST
"""How long the longest news may be on their way to us."""


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
    news_s: float = 0.0
    """Where each tells the other of changes: how long ours may be on their way."""


@dataclass(slots=True, eq=False)
class Dialled:
    """A neighbour that we called; `awaiting` once it has greeted us and we `said` HELLO, `seals` at its reply. If it
    only `asks`, it is the neighbour that should call us."""

    since: float
    neighbour: Neighbour
    asks: bool = False
    pair: KeyPair | None = None
    challenge: bytes = b""
    said: bytes = b""
    awaiting: AwaitingReply | None = None
    has_answered: bool = False
    """Whoever is there is not the neighbour that we know; it has been told who we are, and hangs up."""
    seals: Seals | None = None
    differing: tuple[str, ...] = ()
    news_s: float = 0.0

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


def is_overdue(stage: Stage, heard_at: float, now: float) -> bool:
    """Whether a connection, from which bytes came last at `heard_at`, has had the time for its present stage.

    News may be long, and a line thin: there any byte counts as progress, for as long as the longest take, and what is
    ours has its time besides.
    """
    if isinstance(stage, AtRelay):
        return now - stage.since > HANDSHAKE_S + WAIT_S
    begun = max(stage.since, min(heard_at, stage.since + NEWS_S)) if stage.news_s else stage.since
    return now - begun > HANDSHAKE_S + stage.news_s


def why_overdue(*, connecting: bool, late: bool) -> str:
    """Why nothing came of a call that has had its time; of one that we had no time for ourselves, nothing is known."""
    return "no handshake" if late else NO_ANSWER if connecting else MUTE


def cut_short(stage: Dialled, keys: int, *, connecting: bool) -> str:
    """What to say of a call that the other end has closed. One may be closed because its owner is leaving, or begins;
    one for each of its `keys` and another are meant. Who was only asked owes no answer."""
    stage.neighbour.cut = 0 if connecting or stage.has_answered else stage.neighbour.cut + 1
    if stage.neighbour.cut <= keys or (stage.asks and stage.awaiting):
        return ""
    return HUNG_UP if stage.awaiting else NO_PEER


def calls_of(neighbour: Neighbour, under_way: Mapping[Connection, Stage]) -> list[Connection]:
    """The calls in which it has shown who it is, and which have become no link."""
    return [each for each, stage in under_way.items() if isinstance(stage, Call) and stage.neighbour is neighbour]


def tells(
    stage: Call | Dialled, connection: Connection, ciphers: Ciphers, differing: Sequence[str], news: bytes
) -> Seals:
    """From here on, each may tell the other of changes, we our `news`, and nothing else."""
    stage.differing, stage.news_s = tuple(differing), max(1.0, len(news) / THINNEST)
    stage.seals = seals = seals_of(connection, ciphers, NEWS_RECORD)
    return seals


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
