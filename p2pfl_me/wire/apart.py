"""Two neighbours of two contracts, of which one may have come of the other by a change: each tells the other how its
own came to be, and whoever is behind follows. When that is no moment of a change any more, and why. No clock here."""

from __future__ import annotations

from dataclasses import dataclass

GRACE_S = 60.0
"""How long whoever has been told may take before it is named: it follows between two rounds."""
AGAIN_S = 60.0
"""After how long whoever calls tells again: the other may have begun anew since, or have been killed over it."""

COMPARE = "compare the files and restart the one that is wrong"
UNTOLD = (
    "it was cut off, or hung up, before it had told how that came to be: compare the files, `peers.approve` among "
    "them, and restart the one that is wrong"
)
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
