"""From a contract to the core that a peer of it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from p2pfl_me.choice import derive_seed
from p2pfl_me.compression import Compressor, Float16, Fragments, Int4, Int8, Jwins, PowerGossip, TopK
from p2pfl_me.contract import Contract, model
from p2pfl_me.contract.model import Gossip
from p2pfl_me.gossip.adpsgd import PairAveraging
from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.gossip.exchange import Compressed, Exchange, Whole
from p2pfl_me.gossip.protocol import NOTHING, Memory, Protocol
from p2pfl_me.gossip.push import Chance, Merge, Push, Tokens
from p2pfl_me.gossip.push_sum import Flows, PushSum
from p2pfl_me.gossip.rules import GradientTracking, Personal, Plain, QuasiGlobalMomentum, Rule
from p2pfl_me.gossip.settings import Settings
from p2pfl_me.gossip.sketch import Sketcher
from p2pfl_me.gossip.slices import Sliced
from p2pfl_me.gossip.stop import Progress, StopRule
from p2pfl_me.gossip.swift import Swift
from p2pfl_me.gossip.waitfree import Averaging, WaitFree
from p2pfl_me.gossip.watch import TAIL, Watch
from p2pfl_me.message import Vector
from p2pfl_me.networks.layout import Ranges, sizes_of
from p2pfl_me.topology import DirectedSchedule, Plan
from p2pfl_me.topology.averaging import rounds_to_average

MOMENTUM = 0.9
WINDOW_ERROR = 0.1
"""What a window of the watch may leave of the distance between sketches."""
SYNCHRONOUS = {"dpsgd", "qg_dsgdm", "gradient_tracking"}


@dataclass(frozen=True, slots=True)
class Start:
    """Where a core starts: `completed` rounds are behind `params`, float32 (P,).

    `home`: what of it stays home in personalised learning; `shapes`: of its tensors (of one tensor if empty).
    """

    params: Vector = field(repr=False)
    completed: int = 0
    progress: Progress = field(default_factory=Progress)
    memory: Memory = field(default_factory=lambda: NOTHING, repr=False)
    home: Ranges = ()
    shapes: tuple[tuple[int, ...], ...] = ()


def exchanged_size(gossip: Gossip, size: int, home: Ranges) -> int:
    """float32 values in a message of a model of `size`, of which `home` stays home."""
    watched = TAIL if _watches_all(gossip) else 0
    match gossip.protocol:
        case "gradient_tracking":
            return 2 * size + watched
        case "push_sum":
            return 2 * (size + 1)
        case _:
            return (size - sizes_of(home) if gossip.personal else size) + watched


def packed_limit(gossip: Gossip, size: int, home: Ranges, shapes: tuple[tuple[int, ...], ...]) -> int:
    """The most bytes of a compressed model, 0 without compression."""
    compressor = _compressor(gossip.compression, shapes or ((size,),))
    return compressor.limit(exchanged_size(gossip, size, home)) if compressor else 0


def core_of(contract: Contract, peer: int, plan: Plan, start: Start) -> Protocol:
    """The core of `peer`, ready to be driven by any host. `plan` is `topology.plan_of(contract)`."""
    gossip, patience = contract.gossip, contract.gossip.patience
    settings = Settings(
        stop=StopRule(
            contract.training.rounds,
            patience=patience.rounds if patience else None,
            consensus=patience.consensus if patience else 0.0,
        ),
        deadline_min_s=gossip.deadline.min_s,
        deadline_max_s=gossip.deadline.max_s,
        deadline_mads=gossip.deadline.mads,
        join_timeout_s=gossip.join_timeout_s,
    )

    neighbours, params = tuple(plan.neighbours(peer)), start.params
    completed, progress = start.completed, start.progress
    if isinstance(plan, DirectedSchedule):
        arcs = plan
        flows = Flows(lambda round: arcs.receivers(peer, round), lambda round: arcs.senders(peer, round))
        pushing = PushSum(peer, flows, params, start.memory)
        return WaitFree(neighbours, params, settings, pushing, completed=completed, progress=progress)
    schedule = plan

    def row(round: int) -> Mapping[int, float]:
        return schedule.weights(peer, round)

    if gossip.protocol in SYNCHRONOUS:
        rule = rule_of(gossip, start)
        if _watches_all(gossip):
            sketcher = Sketcher(params.size, contract.seed)
            rule = Watch(rule, sketcher, rounds_to_average(schedule, WINDOW_ERROR), start.memory)
        exchange = _exchange(contract, peer, neighbours, start)
        return DPSGD(
            peer,
            row,
            neighbours,
            params,
            settings,
            rule=rule,
            exchange=exchange,
            watches_all=_watches_all(gossip),
            completed=completed,
            progress=progress,
        )
    averaging = _averaging(contract, peer, row, start)
    return WaitFree(neighbours, params, settings, averaging, completed=completed, progress=progress)


def _watches_all(gossip: Gossip) -> bool:
    return gossip.patience is not None and gossip.patience.of == "everyone"


def rule_of(gossip: Gossip, start: Start) -> Rule:
    """What a synchronous protocol does around the averaging, without the watch over all peers."""
    match gossip.protocol:
        case "qg_dsgdm":
            return QuasiGlobalMomentum(gossip.momentum or MOMENTUM, start.memory)
        case "gradient_tracking":
            return GradientTracking(start.memory)
        case _:
            return Personal(start.home) if gossip.personal else Plain()


def _exchange(contract: Contract, peer: int, neighbours: tuple[int, ...], start: Start) -> Exchange:
    gossip, size = contract.gossip, start.params.size
    if contract.peers.widths:
        return Sliced(peer, start.shapes, {other: contract.peers.width(other) for other in (peer, *neighbours)})
    compressor = _compressor(gossip.compression, start.shapes or ((size,),))
    if compressor is None:
        return Whole(peer, gossip.aggregation, contract.training.rounds)
    exchanged = exchanged_size(gossip, size, start.home)
    return Compressed(peer, neighbours, compressor, exchanged, derive_seed(contract.seed, "compression"), start.memory)


def _compressor(chosen: model.Compression, shapes: tuple[tuple[int, ...], ...]) -> Compressor | None:
    match chosen:
        case None:
            return None
        case model.Float16():
            return Float16()
        case model.Int8():
            return Int8()
        case model.Int4():
            return Int4()
        case model.Fragments():
            return Fragments(chosen.parts)
        case model.TopK():
            return TopK(chosen.fraction, chosen.gamma)
        case model.Power():
            return PowerGossip(shapes, chosen.rank)
        case model.Jwins():
            return Jwins(chosen.fractions)


def _averaging(contract: Contract, peer: int, row: Callable[[int], Mapping[int, float]], start: Start) -> Averaging:
    match contract.gossip.protocol:
        case "swift":
            return Swift(peer, row)
        case "adpsgd":
            return PairAveraging(peer, row, _chance(contract.seed, peer))
        case _:
            options = contract.gossip.push or model.Push()
            tokens = options.tokens
            return Push(
                peer,
                row,
                _chance(contract.seed, peer),
                merge=Merge(options.merge),
                limit=options.limit,
                tokens=Tokens(tokens.reserve, tokens.capacity) if tokens else None,
                memory=start.memory,
            )


def _chance(seed: int, peer: int) -> Chance:
    return lambda what, round, nth: derive_seed(seed, "chance", what, peer, round, nth) / 2**63
