"""How far a peer goes when neighbours say that they are ahead: a pure function of their words and of one's own clock.

A claimed round costs its sender nothing, and going there costs this peer the rounds between, which it never trains.
So a word counts as far as something else bears it out: the contract's number of rounds, the words of other
neighbours, or the time that has passed on this peer's own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

FASTER = 25.0
"""How many times as fast as this peer another may be, where staying would mean to train alone."""


@dataclass(frozen=True, slots=True)
class Word:
    """What one neighbour that is there says.

    `round` is where it says it stands. `meets`: it would be met in the round that comes next. `by_clock` is the
    furthest round that this peer's clock allows it, at one's own pace and at `FASTER` times that. `stood`: on the link
    that is up it has been seen where this peer stands, so that its clock can tell.
    """

    round: int
    meets: bool = True
    by_clock: int = 0
    by_clock_if_alone: int = 0
    stood: bool = False


def place(own: int, words: Sequence[Word], *, neighbours: int, last: int, joining: bool = False) -> int:
    """The round to train next, at least `own`.

    Parameters
    ----------
    own:
        The round that would come next anyway.
    words:
        Of the neighbours that are there and take part.
    neighbours:
        How many the contract gives this peer.
    last:
        The contract's last round. What claims to be beyond counts for nothing.
    joining:
        The peer has just started and knows nothing else: the words of more than half of those that are there will do,
        and where there is one, its word alone, unless it said otherwise before.

    Notes
    -----
    Otherwise it takes more than half of all neighbours, two at least, to move a peer past its clock. What they all
    have passed is where it goes. A single word moves it as far as the clock allows, and not at all while more than
    half of those that it would meet next still stand there. So of two neighbours, one that lies can hold back (nobody
    could tell which of the two is wrong) and can't drag away.
    """
    heard = [word for word in words if not (joining and word.stood)]
    claims = sorted((word.round for word in heard if own < word.round <= last), reverse=True)
    enough = len(words) // 2 + 1 if joining else max(2, neighbours // 2 + 1)
    agreed = claims[enough - 1] if len(claims) >= enough else own
    met = [word for word in words if word.meets]
    staying = sum(word.round <= own for word in met)
    if 2 * staying > len(met):
        return agreed
    allowed = (
        word.round
        for word in words
        if own < word.round <= min(last, word.by_clock if staying else word.by_clock_if_alone)
    )
    return max(agreed, *allowed, own)


def by_clock(base: int, seconds: float, claim: int, cost_s: Callable[[int], float]) -> int:
    """The furthest round up to `claim` for a neighbour that stood in round `base` so many seconds ago.

    `cost_s` says what a round takes it at least. The next round is always possible: it may have been about to leave.
    """
    furthest = base + 1
    while furthest < claim:
        seconds -= cost_s(furthest)
        if seconds < 0:
            break
        furthest += 1
    return max(base, min(furthest, claim))


def place_for_a_sum(at: int, claims: Sequence[int], *, least: int, last: int) -> int:
    """Where a peer that has just started, and would go to round `at`, meets the `least` neighbours that a sum takes.

    `claims` are the rounds in which the neighbours say that they stand: in earlier ones they have given their models
    away. Two words at least bear out where it goes, and what claims to be beyond round `last` counts for nothing.
    """
    ordered = sorted(claim for claim in claims if claim <= last)
    if len(ordered) < max(2, least):
        return at
    return max(at, min(ordered[least - 1], ordered[-2]))
