"""Every error that a user may meet: what happened, where, and what to do next.

The command line prints these and nothing else; any other exception is a bug in this program.
"""

from __future__ import annotations

from p2pfl_me.exits import Exit


class P2pmeError(Exception):
    """An error in the user's words.

    Parameters
    ----------
    what:
        What is wrong, one sentence without a full stop.
    where:
        The file and line, key, peer or address it concerns.
    fix:
        What to do next.
    """

    exit_code = Exit.REFUSED

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(self.__str__())

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  -> {self.fix}" if self.fix else head

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.fix))


def _rebuild(kind: type[P2pmeError], what: str, where: str, fix: str) -> P2pmeError:
    return kind(what, where=where, fix=fix)


class ContractError(P2pmeError):
    """The contract (the YAML file all peers share) is unreadable, invalid or cannot be met."""


class DataError(P2pmeError):
    """A manifest, an image or a shard cannot be used."""


class IdentityError(P2pmeError):
    """A key is missing, malformed, exposed or not the one the contract names."""


class WireError(P2pmeError):
    """A frame from the network is refused. It never stops the receiver; it is logged and counted."""


class WeightsError(P2pmeError):
    """Backbone weights or a checkpoint cannot be used."""


class NetworkError(P2pmeError):
    """A user's own network cannot be imported, built or trained, or is not the one that the contract states."""


class DivergedError(WeightsError):
    """Training diverged: the model is of no use to anyone, and its lab is told so before its neighbours are."""

    exit_code = Exit.DIVERGED


class PeerError(P2pmeError):
    """A peer cannot start or go on: a taken port, a full disk, no neighbour."""

    exit_code = Exit.CANNOT_GO_ON


class RunError(P2pmeError):
    """A run folder cannot be read or written."""
