"""What a simulated swarm has to live with: how its links, its machines and their users behave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType

NOBODY: Mapping[int, float] = MappingProxyType({})
UNIFORM: Mapping[tuple[int, int], LinkQuality] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LinkQuality:
    """How every link carries records; probabilities are per record and drawn anew for each.

    `latency_s` is uniform between two values. A peer's link to the network sends `bandwidth_bps` bits a second,
    one record after the other, to all neighbours together; None is without limit. A corrupted record has one bit
    flipped; a reordered one arrives up to `overtaken_by_s` late, without holding up those behind it.
    """

    latency_s: tuple[float, float] = (0.02, 0.02)
    bandwidth_bps: float | None = None
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    corruption: float = 0.0
    overtaken_by_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Partition:
    """From `begin` to `end` seconds nothing passes between the `island` and the others."""

    begin: float
    end: float
    island: frozenset[int]

    def cuts(self, a: int, b: int) -> bool:
        """Whether nothing passes between these two."""
        return (a in self.island) != (b in self.island)

    def overlaps(self, other: Partition | Outage) -> bool:
        """Whether both hold at some time."""
        return self.begin < other.end and other.begin < self.end


@dataclass(frozen=True, slots=True)
class Outage:
    """From `begin` to `end` seconds nothing passes along these links, (a, b) with a < b: a relay that is gone."""

    begin: float
    end: float
    links: frozenset[tuple[int, int]]

    def cuts(self, a: int, b: int) -> bool:
        """Whether nothing passes between these two."""
        return (min(a, b), max(a, b)) in self.links

    def overlaps(self, other: Partition | Outage) -> bool:
        """Whether both hold at some time."""
        return self.begin < other.end and other.begin < self.end


@dataclass(frozen=True, slots=True)
class Crash:
    """`peer` dies at `at` seconds and starts again from its checkpoint at `back`, or never."""

    at: float
    peer: int
    back: float | None = None


@dataclass(frozen=True, slots=True)
class FaultModel:
    """All of it.

    `links` are those links, (a, b) with a < b, that are not like all others. Their bandwidth is a bottleneck of their
    own behind the sender's line to the network, which is `link`'s.

    `compute_s` bounds what one round's training takes (uniform), `evaluate_s` is what the evaluation takes;
    `slow` multiplies both for some peers. `late` says when peers start that do not start at 0; those of `absent` never
    do. A link that falls silent is noticed within `silence_s` seconds. At `stop_s` every user stops their peer; None
    lets all finish.
    """

    link: LinkQuality = LinkQuality()
    links: Mapping[tuple[int, int], LinkQuality] = field(default_factory=lambda: UNIFORM)
    compute_s: tuple[float, float] = (1.0, 1.0)
    evaluate_s: float = 0.0
    slow: Mapping[int, float] = field(default_factory=lambda: NOBODY)
    late: Mapping[int, float] = field(default_factory=lambda: NOBODY)
    absent: frozenset[int] = frozenset()
    partitions: tuple[Partition | Outage, ...] = ()
    crashes: tuple[Crash, ...] = ()
    silence_s: float = 15.0
    stop_s: float | None = None

    def between(self, a: int, b: int) -> LinkQuality:
        """How the link of two peers carries records."""
        return self.links.get((min(a, b), max(a, b)), self.link)


def draw_faults(random: Random, peers: int, rounds: int) -> FaultModel:
    """The faults of a bad month: each kind comes in about half of all draws, some of it severe."""

    def sometimes(most: float) -> float:
        return random.choice((0.0, 0.0, random.uniform(0, most / 4), random.uniform(0, most)))

    span = 2.0 * rounds
    crashes: list[Crash] = []
    for peer in random.sample(range(peers), random.choice((0, 0, 1, 2, peers // 3))):
        at = random.uniform(0, span)
        crashes.append(Crash(at, peer, random.choice((None, at + random.uniform(0.1, span)))))
    partitions: list[Partition] = []
    for _ in range(random.choice((0, 0, 1, 2))):
        begin = random.uniform(0, span)
        island = frozenset(random.sample(range(peers), random.randint(1, peers - 1)))
        partitions.append(Partition(begin, begin + random.expovariate(1 / 10), island))
    absent = frozenset(random.sample(range(peers), random.choice((0, 0, 0, 1, peers // 5))))
    return FaultModel(
        link=LinkQuality(
            latency_s=random.choice(((0.01, 0.01), (0.001, 0.2), (0.0, 3.0))),
            bandwidth_bps=random.choice((None, 20_000.0)),
            loss=sometimes(0.3),
            duplication=sometimes(0.3),
            reordering=sometimes(0.3),
            corruption=sometimes(0.1),
            overtaken_by_s=random.choice((0.1, 5.0)),
        ),
        compute_s=random.choice(((1.0, 1.0), (0.5, 1.5), (0.0, 4.0))),
        evaluate_s=random.choice((0.0, 0.1)),
        slow={peer: random.choice((3.0, 10.0)) for peer in range(peers) if random.random() < 0.1},
        late={peer: random.uniform(0, span) for peer in range(peers) if random.random() < 0.05},
        absent=absent,
        partitions=tuple(partitions),
        crashes=tuple(sorted(crashes, key=lambda crash: crash.at)),
        silence_s=random.choice((0.5, 15.0)),
    )
