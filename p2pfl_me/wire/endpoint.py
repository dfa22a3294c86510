"""The values at the seam of the links: who a neighbour is, how long silence may last, and who is told what happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from p2pfl_me.message import Message


@dataclass(frozen=True, slots=True)
class Meeting:
    """A relay: where it listens and who it is (public key, 32 bytes)."""

    address: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A neighbour: where it listens and who it is (public key, 32 bytes).

    `dialled` says which end of the edge calls the other; None: the lower id does. Where neither can be called, both
    call one of `relays`.
    """

    peer: int
    address: str
    public_key: bytes
    dialled: bool | None = None
    relays: tuple[Meeting, ...] = ()

    def is_dialled_by(self, me: int) -> bool:
        """Whether peer `me` calls this neighbour, or a relay to meet it."""
        return bool(self.relays) or self.begins(me)

    def begins(self, me: int) -> bool:
        """Whether peer `me` is the end that begins the handshake, and makes a connection anew whose keys are old."""
        return me < self.peer if self.dialled is None else self.dialled

    def relay(self, me: int, tries: int) -> Meeting | None:
        """The relay for peer `me` after so many `tries` in vain; None where the neighbour itself is called.

        One end goes on to the next relay each time, the other stays through a whole turn of that: so they come together
        at any relay that both can reach, whichever those are.
        """
        if not self.relays:
            return None
        count = len(self.relays)
        return self.relays[(tries if self.begins(me) else tries // (count + 1)) % count]


@dataclass(frozen=True, slots=True)
class Liveness:
    """Seconds between heartbeats, of silence that mean a neighbour is gone, between looks at what is overdue, and for
    which a connection that ended may be made anew before anybody is told.

    After `renew_s` seconds or `renew_bytes` on the wire the end that dials makes a connection anew, with fresh keys;
    the conversation goes on at the very byte. Who takes a process's memory has the keys of that time and no more.

    Every `ask_s` seconds in which nobody has come yet, those who should call are asked whether they know this peer.
    """

    ping_s: float = 1.0
    silence_s: float = 20.0
    retry_s: float = 0.5
    resume_s: float = 2.0
    renew_s: float = 3600.0
    renew_bytes: int = 2**35
    ask_s: float = 5.0


class Trust(Protocol):
    """Which keys are good for whom a contract names by a key, as it stands now."""

    @property
    def trouble(self) -> str:
        """Why the last look came to nothing; empty if it did not."""

    def look(self) -> bool:
        """Look again; whether anything is otherwise than at the last look."""

    def good(self, stated: bytes) -> tuple[bytes, ...]:
        """The newest first; none where nobody is to be believed."""


class AsStated:
    """The contract's own keys and no others."""

    trouble = ""

    def look(self) -> bool:
        return False

    def good(self, stated: bytes) -> tuple[bytes, ...]:
        return (stated,)


@dataclass(frozen=True, slots=True)
class Sighted:
    """What other neighbours see of one that is gone or, if `silent`, of whom nothing is heard: "up", "gone" or "left"
    by their ids. `heard`: bytes of it come again, over the link that had fallen silent."""

    peer: int
    silent: bool
    by: Mapping[int, str]
    heard: bool = False


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Calls of a neighbour come to nothing: where, and why."""

    peer: int
    why: str


@dataclass(frozen=True, slots=True)
class Starved:
    """The links' own thread got no time for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Differs:
    """A neighbour, which has shown its key, has another contract, and no change is known that leads to ours, or it
    tells of one, and this peer has not gone on under it; or, `by_key`, it knows us by another key than ours."""

    peer: int
    by_key: bool = False


@dataclass(frozen=True, slots=True)
class Agrees:
    """A neighbour that has shown its key has our contract and knows us, whatever it has said before."""

    peer: int


News = Sighted | Unreachable | Starved | Differs | Agrees
"""What is seen of neighbours beside their messages and links."""


class LinkHandlers(Protocol):
    """What the owner of the links is told, always from the loop's thread.

    `on_refused` names the neighbour whose link brought the bad frame, None where nobody is to blame for certain.
    `on_failed` says that the links themselves have ended, a full disk under the ledger for instance.
    Only `quarantine` calls back (`on_link`) before it returns.
    """

    def on_message(self, peer: int, message: Message) -> None: ...
    def on_link(self, peer: int, up: bool, reason: str) -> None: ...
    def on_refused(self, peer: int | None, reason: str) -> None: ...
    def on_news(self, news: News) -> None: ...
    def on_failed(self, error: Exception) -> None: ...


class LinkEvents(Protocol):
    """Who is told, from the links' thread. `link` numbers a neighbour's links: what was said on one ends with it."""

    @property
    def is_full(self) -> bool:
        """Whether enough has been told that nobody has listened to yet: then nothing more is received."""

    def on_message(self, peer: int, message: Message) -> None: ...
    def on_link(self, peer: int, up: bool, reason: str, link: int) -> None: ...
    def on_refused(self, peer: int | None, reason: str) -> None: ...
    def on_news(self, news: News) -> None: ...
    def on_change(self, peer: int, data: bytes, differing: tuple[str, ...]) -> None: ...
    def on_failed(self, error: Exception) -> None: ...
