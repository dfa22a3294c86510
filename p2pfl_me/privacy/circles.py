"""What every sum around a receiver begins with, whatever hides its terms: whom each neighbour knows to take part.

A receiver tells its neighbours of each other (its *circle*), and once their words are here it names a *roster*. It may
lie in both, so each neighbour looks for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from p2pfl_me.errors import WireError

Lives = Mapping[int, bytes]
"""Peers with the public key of the life that is meant, 32 bytes each."""


def others_of(
    me: int, public: bytes, circle: Lives, neighbours: Collection[int], least: int
) -> dict[int, bytes] | None:
    """Those of a receiver's circle with whom a sum can be made; None if they are too few, or don't know this life.

    `neighbours` are the receiver's by the contract, `least` the fewest models that a sum may hold.
    """
    if circle.get(me) != public:
        return None
    others = {peer: key for peer, key in circle.items() if peer != me and peer in neighbours}
    return others if len(others) + 1 >= least else None


def require_roster(me: int, public: bytes, roster: Lives, known: Lives, least: int, round: int) -> dict[int, bytes]:
    """The others of a roster that may be answered; `known` are those towards whom this peer's model was given.

    Raises
    ------
    WireError
        It holds others, or too few, or not this life.
    """
    others = {peer: key for peer, key in roster.items() if peer != me}
    if roster.get(me) != public or any(known.get(peer) != key for peer, key in others.items()):
        raise WireError(f"a roster of round {round} with others than those the model was given for")
    if len(roster) < least:
        raise WireError(f"a roster of {len(roster)}, where a sum holds {least} at least")
    return others


def most_that_agree(lives: Lives, circles: Mapping[int, Lives], least: int) -> dict[int, bytes]:
    """Those of `circles` who all know each other's lives, empty if they are fewer than `least`.

    `lives` are those that the receiver knows, `circles` what each giver has taken the others' to be.
    """
    chosen = {peer: lives[peer] for peer in sorted(circles) if peer in lives}

    def strange(peer: int) -> int:
        circle = circles[peer]
        towards = sum(circle.get(other) != key for other, key in chosen.items() if other != peer)
        return towards + sum(circles[other].get(peer) != chosen[peer] for other in chosen if other != peer)

    while chosen:
        worst = max(chosen, key=lambda peer: (strange(peer), peer))
        if not strange(worst):
            break
        del chosen[worst]
    return chosen if len(chosen) >= least else {}
