"""EL-Local: each peer sends to a few others that it draws by itself, fresh every round.

De Vos, Farhadkhani, Guerraoui, Kermarrec, Pires, Sharma, "Epidemic learning: boosting decentralized learning with
randomized communication", NeurIPS 2023. There, who receives k models gives each 1 / (k + 1), so that columns do not sum
to 1 and the average drifts. Here the same arcs carry shares for push-sum, which keeps the average exactly.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from p2pfl_me.choice import PositiveInt, derive_seed
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.arcs import Arc, DirectedSchedule, Shares
from p2pfl_me.topology.kind import Pairs, Topology
from p2pfl_me.topology.pairs import circulant
from p2pfl_me.topology.schedule import require_peer


class EpidemicLocal(Topology):
    """EL-Local: each round every peer draws, by itself, the others to whom it `sends`. Directed."""

    kind: Literal["epidemic_local"]
    sends: PositiveInt = 2
    seed: int = 0
    summary: ClassVar[str] = "epidemic learning where each draws its own receivers; directed"
    needs: ClassVar[str] = "sends (2) models a round; seed (0); protocol push_sum"
    changes: ClassVar[bool] = True
    own_weights: ClassVar[bool] = True

    @classmethod
    def example(cls, count: int) -> dict[str, Any]:
        return {"sends": min(2, max(1, count - 1)), "seed": 0}

    @property
    def one_way(self) -> bool:
        return True

    def pairs(self, count: int) -> Pairs:
        return circulant(count, range(1, count))

    def arcs(self, count: int) -> DirectedSchedule:
        return EpidemicLocalSchedule(count, self.sends, self.seed)


class EpidemicLocalSchedule(DirectedSchedule):
    """A peer's receivers of a round are drawn from the hash of (seed, peer, round), with no coordinator.

    It draws its own in time linear in `sends`; to know who sends to it, it must repeat everyone's draw.

    Raises
    ------
    ContractError
        More receivers than there are others.
    """

    def __init__(self, count: int, sends: int, seed: int) -> None:
        if count > 1 and sends >= count:
            raise ContractError(
                f"{count} peers cannot each send to {sends} others",
                where="topology.sends",
                fix=f"at most {count - 1}",
            )
        self._size, self._seed = count, seed
        self._sends = sends if count > 1 else 0
        self._share = 1 / (sends + 1)
        # Rounds that are asked for lie close together: a peer's own, and those that others ahead or behind speak of.
        self._senders_of = lru_cache(maxsize=8)(self._all_senders)

    @property
    def size(self) -> int:
        return self._size

    @property
    def period(self) -> None:
        return None

    def arcs(self, round: int) -> tuple[Arc, ...]:
        return tuple(
            Arc(peer, other, self._share) for peer in range(self._size) for other in sorted(self._draw(peer, round))
        )

    def receivers(self, peer: int, round: int) -> Shares:
        return self._shares(self._draw(require_peer(peer, self._size), round))

    def senders(self, peer: int, round: int) -> Shares:
        return self._shares(self._senders_of(round).get(require_peer(peer, self._size), set()))

    def neighbours(self, peer: int) -> tuple[int, ...]:
        require_peer(peer, self._size)
        return (*range(peer), *range(peer + 1, self._size))

    def _draw(self, peer: int, round: int) -> set[int]:
        # Only random() is used: its sequence is promised to stay, and all peers must draw the same.
        rng = Random(derive_seed(self._seed, "topology", "epidemic_local", peer, round))
        drawn: set[int] = set()
        while len(drawn) < self._sends:
            other = int(rng.random() * (self._size - 1))
            drawn.add(other + (other >= peer))
        return drawn

    def _all_senders(self, round: int) -> dict[int, set[int]]:
        senders: dict[int, set[int]] = {}
        for peer in range(self._size):
            for other in self._draw(peer, round):
                senders.setdefault(other, set()).add(peer)
        return senders

    def _shares(self, peers: set[int]) -> Shares:
        return MappingProxyType(dict.fromkeys(sorted(peers), self._share))
