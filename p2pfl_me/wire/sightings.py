"""Who else sees a neighbour of whom nothing is heard: one end asks, the other tells what it sees by itself, at once.

The indirect probe of SWIM (Das, Gupta, Motivala 2002), over the edges that there are. What is told is shown to people
and moves nothing: no link is cut and nobody is declared gone by another's word. No socket and no clock here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from p2pfl_me.errors import WireError

ASKED, TOLD = 24, 25
"""Kinds of record: of whom is asked, and what is seen of it."""
MOST = 64
"""Questions that may be open on a link, each way."""
_ASKED, _TOLD = struct.Struct(">I"), struct.Struct(">IBI")


class Sight(IntEnum):
    """What one peer sees of another by itself."""

    NOTHING = 0
    """It is none of its neighbours."""
    UP = 1
    GONE = 2
    LEFT = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """`peer` as the other end sees it, since so many seconds."""

    peer: int
    sight: Sight
    seconds: float


class Sightings:
    """One end's part in the questions over one connection."""

    def __init__(self) -> None:
        self._asking: dict[int, None] = {}
        """Of whom is to be asked."""
        self._open: set[int] = set()
        """Of whom was asked, without an answer yet."""
        self._owed: dict[int, None] = {}
        """Of whom the other end has asked."""
        self._telling: dict[int, Seen] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be sent."""
        return not (self._asking or self._telling)

    def ask(self, peer: int) -> None:
        """Ask the other end what it sees of `peer`, if that is not being asked already."""
        if peer not in self._open and len(self._open) + len(self._asking) < MOST:
            self._asking[peer] = None

    def asked(self) -> list[int]:
        """Of whom the other end wants to know, each once."""
        return list(self._owed)

    def tell(self, seen: Seen) -> None:
        """The answer to one of these questions."""
        del self._owed[seen.peer]
        self._telling[seen.peer] = seen

    def next(self) -> tuple[int, bytes] | None:
        """Kind and payload of the next record, if there is one."""
        for peer, seen in self._telling.items():
            del self._telling[peer]
            return TOLD, _TOLD.pack(peer, seen.sight, min(int(1000 * seen.seconds), 2**32 - 1))
        for peer in self._asking:
            del self._asking[peer]
            self._open.add(peer)
            return ASKED, _ASKED.pack(peer)
        return None

    def hear(self, kind: int, payload: bytes) -> Seen | None:
        """A record of one of these kinds has come: what it tells, None if it asks.

        Raises
        ------
        WireError
            More questions than may be open, an answer to none, or something else.
        """
        if kind == ASKED and len(payload) == _ASKED.size:
            if len(self._owed) + len(self._telling) >= MOST:
                raise WireError("asks again and again who sees others, and reads no answer")
            self._owed[_ASKED.unpack(payload)[0]] = None
            return None
        if kind != TOLD or len(payload) != _TOLD.size:
            raise WireError(f"a word of {len(payload)} bytes about others")
        peer, sight, milliseconds = _TOLD.unpack(payload)
        if peer not in self._open or sight not in tuple(Sight):
            raise WireError(f"tells what it sees of peer {peer}, which nobody asked")
        self._open.discard(peer)
        return Seen(peer, Sight(sight), milliseconds / 1000)
