"""Which versions of the links two ends speak, and which one they take: labs need not update on the same day.

Each end says in the handshake, authenticated, from which version to which it speaks; both take the newest that both
speak, or part with words for either. A p2pme that says nothing speaks 2; in 3 the two say so, and nothing else differs.
"""

from __future__ import annotations

from dataclasses import dataclass

SILENT = 2
"""The version of whoever says none."""
NEWEST = 3
MOST = 255


@dataclass(frozen=True, slots=True)
class Spoken:
    """From which version to which."""

    oldest: int = SILENT
    newest: int = NEWEST

    @property
    def says_so(self) -> bool:
        return self.newest > SILENT

    def common(self, other: Spoken) -> int | None:
        """The newest that both speak; None if there is none."""
        newest = min(self.newest, other.newest)
        return newest if newest >= max(self.oldest, other.oldest) else None

    def parted(self, theirs: Spoken) -> str:
        """Why nothing comes of it, of an end that speaks only `theirs`."""
        older = "the other one is" if theirs.newest < self.oldest else "this one is"
        return f"speaks {theirs} of p2pme's links, and this p2pme {self}; {older} to be updated"

    def __str__(self) -> str:
        one = self.oldest == self.newest
        return f"version {self.newest}" if one else f"versions {self.oldest} to {self.newest}"


OURS = Spoken()
BEFORE = Spoken(SILENT, SILENT)
"""Of a p2pme that says nothing of versions."""


def spoken(oldest: object, newest: object) -> Spoken | None:
    """What an end has said; None if that is no range of versions."""
    if type(oldest) is not int or type(newest) is not int or not 0 < oldest <= newest <= MOST:
        return None
    return Spoken(oldest, newest)
