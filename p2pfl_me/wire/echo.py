"""How fast a line is: one end sends some bytes, the other sends them back. One at a time, so nobody is made to keep
more than a record, and whoever asks pays as much as whoever answers. No socket and no clock here."""

from __future__ import annotations

from p2pfl_me.errors import WireError

ECHO, ECHOED = 22, 23
"""Kinds of record: bytes that are to come back, and those that do."""


class Echoes:
    """One end's part in the echoes of one conversation."""

    def __init__(self) -> None:
        self._asking: bytes | None = None
        """What is to be sent, and has not left."""
        self._out: bytes | None = None
        """What has left, and has not come back."""
        self._owed: bytes | None = None
        """What the other end has sent, and is to have back."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be sent."""
        return self._asking is None and self._owed is None

    def ask(self, payload: bytes) -> None:
        """Send `payload` as soon as possible; what was asked before is forgotten."""
        self._asking, self._out = payload, None

    def next(self) -> tuple[int, bytes] | None:
        """Kind and payload of the next record, if there is one."""
        if self._owed is not None:
            owed, self._owed = self._owed, None
            return ECHOED, owed
        if self._asking is not None:
            self._out, self._asking = self._asking, None
            return ECHO, self._out
        return None

    def hear(self, kind: int, payload: bytes) -> bool:
        """A record of one of these kinds has come; whether it is what this end has waited for.

        Raises
        ------
        WireError
            One more before the last has gone back, or bytes that nobody sent.
        """
        if kind == ECHO:
            if self._owed is not None:
                raise WireError("an echo asked for before the last has gone back")
            self._owed = payload
            return False
        if self._out is None or payload != self._out:
            raise WireError(f"an echo of {len(payload)} bytes, which were not sent")
        self._out = None
        return True
