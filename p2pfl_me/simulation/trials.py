"""Fault schedules from a seed: a small swarm, a fault model, and what must hold all the same.

`run_trial(seed)` draws a graph, a number of peers and a fault model, runs them on small vectors, sealed, and lists
every promise that was broken. The tests run a few hundred fresh seeds, `scripts/bench/schedules.py` ten thousand.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.aggregation import AGGREGATIONS, Neighbourhood
from p2pfl_me.choice import derive_seed
from p2pfl_me.compression import COMPRESSIONS
from p2pfl_me.contract import Contract
from p2pfl_me.gossip.cores import Start, core_of, exchanged_size, largest_value, packed_limit
from p2pfl_me.gossip.kind import PROTOCOLS
from p2pfl_me.gossip.protocol import Mixed
from p2pfl_me.gossip.stop import advance
from p2pfl_me.message import Vector
from p2pfl_me.peer.duty import Untold
from p2pfl_me.privacy.exchanging import EXCHANGES as FORMS
from p2pfl_me.run.events import AnyEvent, Refused
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel, draw_faults
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.simulation.keys import simulated_keys
from p2pfl_me.topology import Schedule, plan_of, schedule_of
from p2pfl_me.wire.codec import Schema

SHAPES = ((19, 16), (16,))
"""Tensors in the vectors that stand for models; the last one stands for the last layer."""
SIZE, HOME = 320, ((304, 320),)
EXCHANGES: tuple[str, ...] = (
    *PROTOCOLS,
    *(f"dpsgd+{each}" for each in COMPRESSIONS),
    *(f"dpsgd+{each}" for each in ("trimmed_mean", "krum", "cs_plus")),
    *(f"dpsgd+{name}" for name, form in FORMS.items() if form.sums_only),
)
"""What a trial can be of: every protocol, D-PSGD with every compression, with one aggregation of each sort, and in
every form by which a receiver learns sums only."""
PATIENCE_S = 1e6
"""Virtual seconds after which a swarm that still runs is said to hang."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a seed stands for."""

    seed: int
    contract: Contract
    faults: FaultModel

    protocol: str = "dpsgd"

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
    refused: list[str] = field(default_factory=list)
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
    if form != "plain":  # words about masks grow with the square of a receiver's neighbours
        count, rounds = random.randint(5, 9), random.randint(3, 5)
        kinds = [{"kind": "mesh"}, {"kind": "exponential"}, {"kind": "regular", "degree": 4, "seed": seed % 1000}]
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
    return Trial(seed, Contract.model_validate(values), draw_faults(random, count, rounds), protocol)


def play(trial: Trial) -> tuple[Simulation, Journal]:
    """Run a trial to its end, or to where it hangs."""
    journal, clock = Journal(), Clock()
    contract, schedule = trial.contract, plan_of(trial.contract)

    lives: Counter[int] = Counter()

    def boot(peer: int) -> Life:
        lives[peer] += 1
        start = journal.starts.setdefault(peer, Start(np.zeros(SIZE, np.float32), home=HOME, shapes=SHAPES))
        start = replace(start, keys=simulated_keys(contract, peer, lives[peer]))
        return Life(core_of(contract, peer, schedule, start), _VectorWork(peer, contract.seed, journal, clock))

    neighbours = {peer: schedule.neighbours(peer) for peer in range(schedule.size)}
    schema = Schema(
        exchanged_size(contract.gossip, SIZE, HOME),
        b"trial".ljust(32, b"."),
        packed_limit(contract, SIZE, HOME, SHAPES),
        largest_value(contract.gossip),
    )
    simulation = Simulation(boot, neighbours, trial.faults, schema, clock=clock, seed=contract.seed, sealed=True)
    simulation.run(PATIENCE_S)
    return simulation, journal


def broken_promises(trial: Trial) -> list[str]:
    """Run a trial and say what did not hold; an empty list is what everybody hopes for."""
    simulation, journal = play(trial)
    gossip = trial.contract.gossip
    protocol, compression = gossip.protocol, gossip.compression
    broken = [
        *_everyone_finishes(trial, simulation),
        *_refusals_have_a_cause(trial, journal),
        *_models_are_sound(journal, within_hull=protocol.within_hull and not compression),
    ]
    if trial.contract.privacy.exchange.sums_only:
        broken += _sums_are_those_of_the_mean(trial.contract, journal, schedule_of(trial.contract))
    elif protocol.exchanges_model and not compression:
        schedule = schedule_of(trial.contract)
        broken += _rounds_are_what_the_rule_says(trial.contract, journal, schedule)
    if protocol.common_rounds and not trial.contract.privacy.exchange.sums_only:
        broken += _edges_are_symmetric(trial, simulation, journal)
    if protocol.keeps_average and gossip.aggregation.follows_w and (compression is None or compression.keeps_average):
        broken += _average_is_kept(trial, journal)
    if protocol.kind == "push_sum":
        broken += _mass_is_kept(journal)
    return broken


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
            self._journal.refused.append(event.reason)


def _everyone_finishes(trial: Trial, simulation: Simulation) -> Iterator[str]:
    for peer in sorted(simulation.running):
        yield f"peer {peer} still runs after {PATIENCE_S:g} s"
    for peer, error in sorted(simulation.failed.items()):
        yield f"peer {peer} failed: {error}"
    lost = {crash.peer for crash in trial.faults.crashes}
    for peer in range(trial.contract.peers.count):
        finish = simulation.finished.get(peer)
        if finish is None and peer not in lost:
            yield f"peer {peer} never finished"
        elif finish is not None and finish.reason != "rounds":
            yield f"peer {peer} finished for {finish.reason!r}"


def _refusals_have_a_cause(trial: Trial, journal: Journal) -> Iterator[str]:
    link = trial.faults.link
    if journal.refused and not (link.corruption or link.duplication or link.reordering):
        yield f"refused without a cause: {journal.refused[0]}"


def _rounds_are_what_the_rule_says(contract: Contract, journal: Journal, schedule: Schedule) -> Iterator[str]:
    """What a peer holds after a round is what its rule makes of models that were trained for that round, to the bit."""
    rule, last = contract.gossip.aggregation, contract.training.rounds
    for (peer, round), rounds in journal.mixed.items():
        row = schedule.weights(peer, round)
        for mixed in rounds:
            if rule.follows_w and any(row.get(other) != weight for other, weight in mixed.weights.items()):
                yield f"peer {peer} round {round}: weights {dict(mixed.weights)} are not those of the schedule"
                continue
            others = sorted(mixed.weights.keys() | mixed.refused.keys())
            if row.keys() != set(others) | mixed.missing.keys():
                yield f"peer {peer} round {round}: a neighbour is neither mixed nor said to be missing"
            if mixed.late:
                continue
            # A peer that crashed in mid-round may have trained that round twice, from two starting points.
            versions = [journal.trained[other, round] for other in (peer, *others)]
            made = (
                rule.aggregate(Neighbourhood(peer, round, last, own, row, dict(zip(others, theirs, strict=True))))
                for own, *theirs in product(*versions)
            )
            if not any(each.params.tobytes() == mixed.params.tobytes() for each in made):
                yield f"peer {peer} round {round}: not the {rule} of the models of that round"


def _sums_are_those_of_the_mean(contract: Contract, journal: Journal, schedule: Schedule) -> Iterator[str]:
    """A receiver holds the weighted mean with those on its roster, but for the rounding of words; or its own model, and
    says why. No roster is shorter than the contract allows."""
    form, error = contract.privacy.exchange, contract.privacy.exchange.error(_most_neighbours(schedule))
    for (peer, round), rounds in journal.mixed.items():
        row = schedule.weights(peer, round)
        for mixed in rounds:
            used = mixed.weights.keys()
            if row.keys() != used | mixed.missing.keys() or used & mixed.missing.keys():
                yield f"peer {peer} round {round}: a neighbour is neither in the sum nor said to be missing"
            if used and len(used) < form.least:
                yield f"peer {peer} round {round}: a sum of {len(used)} models"
            versions = [journal.trained[other, round] for other in (peer, *used)]
            share = 1 - sum(mixed.weights.values())
            made = (
                share * own + sum(row[other] * model for other, model in zip(used, theirs, strict=True))
                for own, *theirs in product(*versions)
            )
            if not any(float(np.abs(each - mixed.params).max()) <= error + 1e-5 for each in made):
                yield f"peer {peer} round {round}: not the mean of the models of that round"


def _most_neighbours(schedule: Schedule) -> int:
    return max(len(schedule.neighbours(peer)) for peer in range(schedule.size))


def _edges_are_symmetric(trial: Trial, simulation: Simulation, journal: Journal) -> Iterator[str]:
    """Both ends mix an edge or neither does, at once or later.

    Unless one of them crashed since, or the one that offered was done before it learned of the answer: it says so.
    """
    used = {
        (peer, other, round)
        for (peer, round), rounds in journal.mixed.items()
        for other in (*rounds[-1].weights, *rounds[-1].refused)
    }
    used |= {(peer, other, round) for peer, _, one in journal.all_mixed() for other, round in one.late}
    crashes = [(crash.at, crash.peer) for crash in trial.faults.crashes]
    for peer, other, round in sorted(used):
        if (other, peer, round) in used or (other, round) not in journal.mixed:
            continue
        begin = min(journal.since[peer, round], journal.since[other, round])
        finish = simulation.finished.get(other)
        crashed = any(begin <= when and who in (peer, other) for when, who in crashes)
        if not crashed and not (finish and (peer, round) in finish.unsettled):
            why = journal.mixed[other, round][-1].missing.get(peer)
            yield f"edge {peer}-{other} round {round}: only {peer} mixed it ({other} says {why!r})"


def _models_are_sound(journal: Journal, *, within_hull: bool) -> Iterator[str]:
    """Finite, and where models are only ever averaged, within the least and the greatest of what was trained."""
    if not journal.trained:
        return
    trained = np.stack([params for versions in journal.trained.values() for params in versions])
    least, most = trained.min(axis=0) - 1e-4, trained.max(axis=0) + 1e-4
    # What was owed since an earlier round is added to a model that has moved on.
    within_hull = within_hull and not any(mixed.late for _, _, mixed in journal.all_mixed())
    for (peer, round), rounds in journal.mixed.items():
        for mixed in rounds:
            if not np.isfinite(mixed.params).all():
                yield f"peer {peer} round {round}: a model that is not finite"
            elif within_hull and not ((least <= mixed.params) & (mixed.params <= most)).all():
                yield f"peer {peer} round {round}: a model outside of all that were averaged"


def _mass_is_kept(journal: Journal) -> Iterator[str]:
    """What a peer holds and has sent is what it began with and has taken, at every checkpoint."""
    for (peer, round), rounds in journal.mixed.items():
        for mixed in rounds:
            flows = {
                name: math.fsum(float(values[-1]) for key, values in mixed.memory.items() if key.startswith(name))
                for name in ("mass", "sent.", "taken.")
            }
            if abs(flows["mass"] + flows["sent."] - flows["taken."] - 1) > 1e-9:
                yield f"peer {peer} round {round}: mass was lost or made: {flows}"
            if flows["mass"] <= 0:
                yield f"peer {peer} round {round}: no mass left ({flows['mass']:g})"


def _average_is_kept(trial: Trial, journal: Journal) -> Iterator[str]:
    """Where all peers concluded a round and agree on its edges, averaging leaves the average of all as it was."""
    peers = range(trial.contract.peers.count)
    for round in range(trial.contract.training.rounds):
        trained = [journal.trained.get((peer, round), []) for peer in peers]
        mixed = [journal.mixed.get((peer, round), []) for peer in peers]
        if any(len(models) != 1 or len(rounds) != 1 for models, rounds in zip(trained, mixed, strict=True)):
            continue
        used = {(peer, other) for peer in peers for other in mixed[peer][0].weights}
        if any((other, peer) not in used for peer, other in used) or any(rounds[0].late for rounds in mixed):
            continue
        before = np.mean([models[0].astype(np.float64) for models in trained], axis=0)
        after = np.mean([rounds[0].params.astype(np.float64) for rounds in mixed], axis=0)
        if not np.allclose(before, after, atol=1e-4):
            yield f"round {round}: averaging moved the average by {np.abs(before - after).max():g}"
