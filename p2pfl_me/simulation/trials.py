"""Fault schedules from a seed: a small swarm, a fault model, and what must hold all the same.

`draw_trial(seed)` draws a graph, a number of peers, a fault model, who lies and who never comes; `play` runs them on
small vectors, most of them sealed. `promises.py` says what must hold all the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.adversary import ATTACKS, Board, Lies, Observed
from p2pfl_me.aggregation import AGGREGATIONS
from p2pfl_me.choice import derive_seed
from p2pfl_me.compression import COMPRESSIONS
from p2pfl_me.contract import Contract
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.cores import Start, core_of, exchanged_size, largest_value, packed_limit
from p2pfl_me.gossip.kind import PROTOCOLS
from p2pfl_me.gossip.protocol import Mixed
from p2pfl_me.gossip.protocol import Protocol as Core
from p2pfl_me.gossip.stop import advance
from p2pfl_me.keyring import Pledges
from p2pfl_me.message import Vector
from p2pfl_me.peer.duty import Untold
from p2pfl_me.privacy.exchanging import EXCHANGES as FORMS
from p2pfl_me.run.events import AnyEvent, Refused
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel, draw_faults
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.simulation.keys import simulated_keys
from p2pfl_me.topology import plan_of
from p2pfl_me.wire.codec import Schema

SHAPES = ((19, 16), (16,))
"""Tensors in the vectors that stand for models; the last one stands for the last layer."""
SIZE, HOME = 320, ((304, 320),)
EXCHANGES: tuple[str, ...] = (
    *PROTOCOLS,
    *(f"dpsgd+{each}" for each in COMPRESSIONS),
    "overlap+chunked",
    *(f"dpsgd+{each}" for each in ("trimmed_mean", "krum", "cs_plus")),
    *(f"dpsgd+{name}" for name, form in FORMS.items() if name != "plain"),
)
"""What a trial can be of: every protocol, overlap with a compression, and D-PSGD with every compression, with one
aggregation of each sort, and in every form that hides models."""
PATIENCE_S = 1e6
"""Virtual seconds after which a swarm that still runs is said to hang."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a seed stands for."""

    seed: int
    contract: Contract
    faults: FaultModel

    protocol: str = "dpsgd"
    lies: Lies | None = None

    @property
    def liars(self) -> frozenset[int]:
        return self.lies.liars(self.contract) if self.lies else frozenset()

    @property
    def replay(self) -> str:
        """The command that runs it again and says more."""
        return f"python scripts/bench/schedules.py --protocol {self.protocol} --seed {self.seed}"


@dataclass(slots=True)
class Journal:
    """What happened, for the promises to be checked against: keys are (peer, round)."""

    trained: dict[tuple[int, int], list[Vector]] = field(default_factory=lambda: defaultdict(list))
    mixed: dict[tuple[int, int], list[Mixed]] = field(default_factory=lambda: defaultdict(list))
    since: dict[tuple[int, int], float] = field(default_factory=dict)
    until: dict[tuple[int, int], float] = field(default_factory=dict)
    refused: list[tuple[int, Refused]] = field(default_factory=list)
    """Who refused what."""
    steps: dict[int, npt.NDArray[np.float64]] = field(default_factory=lambda: defaultdict(lambda: np.zeros(SIZE)))
    """What all trainings of a peer have added to its models."""
    starts: dict[int, Start] = field(default_factory=dict)

    def all_mixed(self) -> Iterator[tuple[int, int, Mixed]]:
        """(peer, round, what was mixed), a round that was lived twice twice."""
        for (peer, round), rounds in self.mixed.items():
            for mixed in rounds:
                yield peer, round, mixed

    def bits(self) -> tuple[tuple[int, bytes], ...]:
        """Everything that the peers ended with."""
        return tuple((peer, start.params.tobytes()) for peer, start in sorted(self.starts.items()))


def draw_trial(seed: int, protocol: str = "dpsgd") -> Trial:
    """The trial of a seed: 5 to 20 peers, 3 to 8 rounds.

    `protocol` is one of the contract's, with or without a compression, an aggregation or a form of the exchange:
    `dpsgd`, `dpsgd+int8`, `dpsgd+masks`.
    """
    random = Random(derive_seed(seed, "trial", protocol))
    count, rounds = random.randint(5, 20), random.randint(3, 8)
    exchange, _, more = protocol.partition("+")
    aggregation, compression = (more, "") if more in AGGREGATIONS else ("mean", more)
    form = "plain"
    if more in FORMS:
        form, compression = more, ""
    kinds: list[Mapping[str, Any]] = [
        {"kind": "ring"},
        {"kind": "mesh"},
        {"kind": "star"},
        {"kind": "random", "seed": random.randrange(1000)},
        {"kind": "exponential"},
    ]
    if FORMS[form].sums_only:  # words about masks grow with the square of a receiver's neighbours
        count, rounds = random.randint(5, 7), random.randint(3, 4)
        kinds = [{"kind": "mesh"}, {"kind": "exponential"}, {"kind": "regular", "degree": 4, "seed": seed % 1000}]
    elif FORMS[form].parts_only:  # each of two sub-models reaches all by edges of its own
        kinds = [
            {"kind": "mesh"},
            {"kind": "regular", "degree": 4, "seed": seed % 1000},
            {"kind": "epidemic", "meets": 2, "seed": random.randrange(1000)},
        ]
    elif aggregation != "mean":
        kinds = [{"kind": "mesh"}, {"kind": "exponential"}]
    elif not compression or not COMPRESSIONS[compression].remembers_edges:
        kinds += [
            {"kind": "base", "meets": random.choice((1, 2, 3))},
            {"kind": "epidemic", "meets": 2, "seed": random.randrange(1000)},
        ]
    if PROTOCOLS[exchange].follows_arcs:
        kinds += [
            {"kind": "one_peer_exponential"},
            {"kind": "epidemic_local", "sends": 2, "seed": random.randrange(1000)},
            {"kind": "equi_dynamic", "directed": True, "seed": random.randrange(1000)},
        ]
    values = {
        "version": 1,
        "name": "trial",
        "seed": seed,
        "topology": random.choice(kinds),
        "peers": {"loopback": {"count": count}},
        "training": {"rounds": rounds},
        "gossip": {
            "protocol": exchange,
            "compression": compression or None,
            "aggregation": aggregation,
            "deadline": {"min_s": 2.0, "max_s": 30.0},
            "join_timeout_s": random.choice((5.0, 60.0)),
        },
    }
    if form != "plain":
        values["privacy"] = {"exchange": {"kind": form}}
    contract = Contract.model_validate(values)
    faults = _wide_enough(draw_faults(random, count, rounds), contract)
    if FORMS[form].sums_only and random.random() < 3 / 4:
        faults = replace(faults, link=replace(faults.link, corruption=0.0))
    return Trial(seed, contract, faults, protocol, _draw_lies(random, contract))


def _wide_enough(faults: FaultModel, contract: Contract) -> FaultModel:
    """Without a thin line where patience ends before one message has crossed it: no wait could be one for company."""
    bits, rate = 8 * packed_limit(contract, SIZE, HOME, SHAPES), faults.link.bandwidth_bps
    if rate and bits / rate > contract.gossip.start.patience:
        return replace(faults, link=replace(faults.link, bandwidth_bps=None))
    return faults


def _draw_lies(random: Random, contract: Contract) -> Lies | None:
    """In every third trial up to a fifth of the peers lie, in a way that the contract lets them."""
    if random.random() > 1 / 3:
        return None
    ways: list[Lies] = []
    for kind in ATTACKS:
        lies = Lies(ATTACKS.of(kind), random.randint(1, max(1, contract.peers.count // 5)))
        with suppress(ContractError):
            lies.require_fit(contract)
            ways.append(lies)
    return random.choice(ways)


def play(trial: Trial) -> tuple[Simulation, Journal]:
    """Run a trial to its end, or to where it hangs."""
    journal, clock = Journal(), Clock()
    contract, schedule = trial.contract, plan_of(trial.contract)

    lives: Counter[int] = Counter()
    pledges: dict[int, Pledges] = defaultdict(Pledges)
    board = Board(trial.liars)
    deceit = trial.lies.deceit(contract, board) if trial.lies else None

    def boot(peer: int) -> Life:
        lives[peer] += 1
        start = journal.starts.setdefault(peer, Start(np.zeros(SIZE, np.float32), personal=HOME, shapes=SHAPES))
        keys = simulated_keys(contract, peer, lives[peer], rehearsed=True, pledges=pledges[peer])
        start = replace(start, keys=keys)
        core: Core = core_of(contract, peer, schedule, start)
        if deceit:
            core = deceit.core(core, peer) if peer in trial.liars else Observed(core, peer, board)
        return Life(core, _VectorWork(peer, contract.seed, journal, clock))

    neighbours = {peer: schedule.neighbours(peer) for peer in range(schedule.size)}
    schema = Schema(
        exchanged_size(contract.gossip, SIZE, HOME),
        b"trial".ljust(32, b"."),
        packed_limit(contract, SIZE, HOME, SHAPES),
        largest_value(contract.gossip),
    )
    simulation = Simulation(
        boot, neighbours, trial.faults, schema, clock=clock, seed=contract.seed, sealed=_is_sealed(trial)
    )
    simulation.run(PATIENCE_S)
    return simulation, journal


def _is_sealed(trial: Trial) -> bool:
    """Seals cost more than all the rest of a trial. Masks are tried without them where no bit is flipped, and what
    comes twice or out of order gets as far as the core."""
    return not trial.contract.privacy.exchange.sums_only or trial.faults.link.corruption > 0


def drift(journal: Journal) -> float:
    """How far averaging itself has moved the average of all models, relative to that average's norm.

    Averaging that is doubly stochastic leaves the average to the trainings: it is the sum of their steps. Where no
    protocol promises that (SWIFT, push gossip), this is by how much it is missed. Models start at zero.
    """
    average = np.mean([start.params.astype(np.float64) for start in journal.starts.values()], axis=0)
    owed = np.sum([journal.steps[peer] for peer in journal.starts], axis=0) / len(journal.starts)
    return float(np.linalg.norm(average - owed) / np.linalg.norm(average))


class _VectorWork(Untold):
    """Stands for training: shrink and add noise that follows from (seed, peer, round)."""

    def __init__(self, peer: int, seed: int, journal: Journal, clock: Clock) -> None:
        self._peer, self._seed, self._journal, self._clock = peer, seed, journal, clock

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        noise = np.random.default_rng(derive_seed(self._seed, "noise", self._peer, round))
        trained: Vector = np.float32(0.9) * params + noise.standard_normal(params.size, dtype=np.float32)
        self._journal.trained[self._peer, round].append(trained)
        self._journal.steps[self._peer] += trained.astype(np.float64) - params
        self._journal.since.setdefault((self._peer, round), self._clock.now)
        return trained

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        start = self._journal.starts[self._peer]
        self._journal.mixed[self._peer, mixed.round].append(mixed)
        self._journal.until[self._peer, mixed.round] = self._clock.now
        self._journal.starts[self._peer] = Start(
            mixed.params, mixed.round + 1, advance(start.progress, None, alone=mixed.alone), mixed.memory, HOME, SHAPES
        )
        return None

    def note(self, event: AnyEvent) -> None:
        if isinstance(event, Refused):
            self._journal.refused.append((self._peer, event))
