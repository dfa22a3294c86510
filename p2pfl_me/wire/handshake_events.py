"""Whom the handshaker tells what comes of its handshakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from p2pfl_me.wire.handshake_stages import Seals
from p2pfl_me.wire.neighbour import Neighbour
from p2pfl_me.wire.session import Standing
from p2pfl_me.wire.station import Connection


class HandshakeEvents(Protocol):
    """Its owner, who keeps the links."""

    def replace(self, neighbour: Neighbour, theirs: Standing) -> None:
        """End the connection there was with a neighbour: a newer one has shown that it is there."""

    def up(self, neighbour: Neighbour, connection: Connection, theirs: Standing, seals: Seals) -> None:
        """The handshake is complete, and we have said how far our conversation has come."""

    def hang_up(self, connection: Connection, why: str = ...) -> None:
        """End a connection that has not become a link, and say why, if there is more to say than that."""

    def news(self, neighbour: Neighbour, data: bytes, differing: Sequence[str]) -> None:
        """A neighbour with another contract has told how that came to be; and been told the same of ours."""

    def differs(self, neighbour: Neighbour, *, by_key: bool) -> None:
        """A neighbour has another contract, and nothing is told of how that came to be, or it was, and has not been
        followed here for some time; or it knows us by another key than ours."""

    def agrees(self, neighbour: Neighbour) -> None:
        """A neighbour has the same contract and knows us by our key, although no link comes of it now."""

    def stranger(self, reason: str) -> None: ...
    def complain(self, neighbour: Neighbour, complaint: str) -> None: ...
