"""The keys of one life of a peer, as plain bytes: what hides its models from whoever relays words about them.

Floor 0 of the house: a value that hosts make, cores carry and `privacy` uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field


class Pledges:
    """For which receivers and rounds a peer has pledged itself to a roster, in all its lives.

    Whoever trains a round again after a kill gives the same model again; a second pledge would put it into a second
    sum, and two sums of one round show their difference.

    Parameters
    ----------
    keep:
        Writes one down where the next life finds it, before the pledge is given.
    """

    def __init__(self, known: Iterable[tuple[int, int]] = (), keep: Callable[[int, int], None] | None = None) -> None:
        self._known, self._keep = set(known), keep

    def __contains__(self, given: tuple[int, int]) -> bool:
        return given in self._known

    def add(self, receiver: int, round: int) -> None:
        """From now on nothing is given to this receiver in this round."""
        if (receiver, round) not in self._known:
            if self._keep:
                self._keep(receiver, round)
            self._known.add((receiver, round))


@dataclass(frozen=True, slots=True)
class Keyring:
    """`contract`: the digest under which they are used. `private`: the peer's own X25519 key, 32 bytes. `publics`:
    those of all whom it may need to know, by id.

    `life`: 32 bytes from the operating system, drawn anew for every life and never written down. Whoever takes the
    same for two lives uses masks twice, and a mask that was used twice hides nothing.

    `pledges`: of all lives.

    `rehearsed`: nothing leaves this machine, so what costs much and changes no sum may be left out.
    """

    contract: bytes
    private: bytes = field(repr=False)
    publics: Mapping[int, bytes]
    life: bytes = field(repr=False)
    rehearsed: bool = False
    pledges: Pledges = field(default_factory=Pledges, repr=False, compare=False)
