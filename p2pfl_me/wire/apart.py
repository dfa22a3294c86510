"""Two neighbours of two contracts, of which one may have come of the other by a change: each tells the other how its
own came to be, and whoever is behind follows. When that is no moment of a change any more, and why. No clock here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

GRACE_S = 60.0
"""How long whoever has been told may take before it is named: it follows between two rounds."""
AGAIN_S = 60.0
"""After how long whoever calls tells again: the other may have begun anew since, or have been killed over it."""

COMPARE = "compare the files and restart the one that is wrong"
CUT = (
    "so far: the connection was cut before they had told each other how that came to be; they do at the next call, and "
    "whoever is behind follows"
)
ENDED = (
    "so far: it hung up, or was cut off, before it had told how that came to be, as a line does, or a peer whose "
    "contract has no `peers.approve` and knows of no changes; should the next call end so, too, compare the files"
)
UNTOLD = (
    "it was cut off, or hung up, more than once before it had told how that came to be: compare the files, "
    "`peers.approve` among them, and restart the one that is wrong"
)
APPROVING = "peers"
"""The section of a contract that says whether it knows of changes: where it is the same, both do."""
TOLD_IT = (
    "it has been told what has changed here, and has not followed: it does so once its round is over, unless its log "
    "says why not (`refused`)"
)
TOLD_US = (
    "it has told what has changed there, and this peer has not followed: it does so once its round is over, unless "
    "a line `refused` says why not"
)
TOLD_BOTH = (
    "each has told the other what has changed, and neither has followed: unless a line `refused` says why, compare "
    "the files and their changes"
)


@dataclass(slots=True)
class Apart:
    """What there has been between the two since they were linked last, or since this peer's life began."""

    since: float | None = None
    told_at: float | None = None
    """When the neighbour was told last by us, who call it."""
    has_told: bool = False
    ended: int = 0
    """Connections that ended before it had told whether anything has changed there."""

    def cut(self, differing: Collection[str]) -> str:
        """Another one has: why. Only `UNTOLD` tells against it: no accident, and it may know of no changes."""
        self.ended += 1
        if self.since is not None or APPROVING not in differing:
            return CUT
        return ENDED if self.ended == 1 else UNTOLD

    def met(self, now: float, *, told: bool, tells: bool) -> str | None:
        """They have met once more, and it has `told` something, and this peer `tells` something, or not: why they stay
        apart, once that is no passing moment."""
        self.has_told |= told
        self.since = now if self.since is None else self.since
        if not (self.has_told or tells):
            return COMPARE  # neither has come of the other
        if now - self.since < GRACE_S:
            return None
        return TOLD_US if not tells else TOLD_BOTH if self.has_told else TOLD_IT

    def is_told(self, now: float) -> bool:
        """Whether the neighbour has just been told, and need not be at every call."""
        return self.told_at is not None and now - self.told_at < AGAIN_S
