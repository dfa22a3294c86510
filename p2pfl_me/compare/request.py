"""What a comparison is asked for, by a command or by Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from p2pfl_me.cluster.place import HERE, Place
from p2pfl_me.compare.protections import Protection
from p2pfl_me.compare.skew import Skew
from p2pfl_me.contract import Contract
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.engines import DEFAULT

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies


@dataclass(frozen=True, slots=True)
class Draft:
    """A contract that lies in no file, by the name that its rows bear."""

    name: str
    contract: Contract = field(repr=False)

    def __str__(self) -> str:
        return self.name


Source = Path | Draft
"""Where a contract comes from, and what it is called in notes and errors."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a comparison is asked for. `varied`: texts `key=value1,value2`. No `peers`: as many as the first has.

    `protections` are varied like a key, and what a neighbour would learn is measured by so many `games`. `place` is
    where cells are run, `jobs` at once if it is this machine.
    """

    contracts: tuple[Source, ...]
    out: Path
    seeds: int = 3
    peers: tuple[int, ...] = ()
    rounds: int | None = None
    overrides: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()
    skews: tuple[Skew, ...] = ()
    stress: bool = False
    lies: tuple[Lies, ...] = ()
    protections: tuple[Protection, ...] = ()
    games: int = 8
    baselines: bool = True
    engine: str = DEFAULT
    data: Path | None = None
    rules: IdentityRules = ASK
    weights: Path | None = None
    target: float | None = None
    jobs: int = 1
    place: Place = HERE
