"""The one interface: units go out, results come back in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from p2pfl_me.cluster.place import Place

U = TypeVar("U")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Need:
    """What one unit takes: `memory` in bytes, on one core."""

    memory: int


class Hands(Protocol):
    """Does units of work."""

    def do(
        self, work: Callable[..., R], shared: Callable[[U], tuple[object, ...]], units: Sequence[U]
    ) -> Iterator[tuple[U, R]]:
        """`work(*shared(unit), unit)` of each unit, as soon as it is done.

        Who stops asking ends the work. What `shared` gives is told apart by identity: an object that several units
        share should be one.

        Raises
        ------
        P2pmeError
            A unit's own error; or a worker died, and as often as it was tried again.
        """
        ...


def hands_of(place: Place, jobs: int, module: str, need: Need) -> Hands:
    """Those of `place`: here `jobs` processes that import `module`, which is where the work is.

    Raises
    ------
    P2pmeError
        There is no Ray, or no cluster.
    """
    if place.here:
        from p2pfl_me.cluster.processes import Processes

        return Processes(jobs, module)
    from p2pfl_me.cluster.on_ray import RayHands

    return RayHands(place.address, need)


def require_answer(place: Place) -> None:
    """Join the cluster of `place` and leave it again, before anything long is done that would be for nothing.

    Raises
    ------
    P2pmeError
        There is no Ray, or no cluster.
    """
    if not place.here:
        from p2pfl_me.cluster.on_ray import joined

        with joined(place.address):
            pass
