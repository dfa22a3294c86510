"""How a life of a peer begins where the contract of its run has changed: a value of the start and of the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from p2pfl_me.gossip.cores import Start


@dataclass(frozen=True, slots=True)
class Turn:
    """`gathers_s`: all go on together, and wait so long for each other. `newcomers`: who has joined the run on its way.
    `since`: this peer does, and the contract has it from that round on; for its first model it waits `waits_s`."""

    gathers_s: float | None = None
    newcomers: frozenset[int] = frozenset()
    since: int | None = None
    waits_s: float | None = None

    def of(self, start: Start) -> Start:
        """The start with it."""
        if self.since is None:
            return replace(start, gathers_s=self.gathers_s, newcomers=self.newcomers)
        return replace(start, completed=self.since, joins=True, newcomers=self.newcomers, waits_s=self.waits_s)

    def told(self) -> dict[str, Any]:
        """What a record says of it; nothing where it is ordinary."""
        said: dict[str, Any] = {"gathers_s": self.gathers_s, "newcomers": sorted(self.newcomers), "since": self.since}
        said["waits_s"] = self.waits_s
        return {name: value for name, value in said.items() if value not in ([], None)}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Turn:
        """What `told` says in a record."""
        return cls(
            record.get("gathers_s"), frozenset(record.get("newcomers", ())), record.get("since"), record.get("waits_s")
        )


ORDINARY = Turn()
