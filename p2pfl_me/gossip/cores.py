"""From a contract to the core that a peer of it runs, and to the sizes of what it exchanges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from p2pfl_me.gossip.final import Final
from p2pfl_me.gossip.hand_out import HandOut, Place
from p2pfl_me.gossip.kind import Seat, Start
from p2pfl_me.gossip.newcomer import Newcomer
from p2pfl_me.gossip.protocol import Protocol
from p2pfl_me.gossip.rules import Personal, Rule
from p2pfl_me.gossip.settings import Settings
from p2pfl_me.gossip.stop import StopRule
from p2pfl_me.gossip.turning import Turning
from p2pfl_me.gossip.watch import TAIL
from p2pfl_me.message import MAX_WEIGHT, Vector
from p2pfl_me.networks.layout import Ranges, sizes_of
from p2pfl_me.topology import Plan

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract
    from p2pfl_me.contract.gossip import Gossip

__all__ = ["Start", "core_of", "exchanged_size", "largest_value", "packed_limit", "rule_of", "watches_all"]


def exchanged_size(gossip: Gossip, size: int, personal: Ranges) -> int:
    """float32 values in a message of a model of `size`, of which `personal` stays home."""
    watched = TAIL if watches_all(gossip) else 0
    return gossip.protocol.exchanged(size - sizes_of(personal) if gossip.personal else size) + watched


def largest_value(gossip: Gossip) -> float:
    """The magnitude above which a value of a message is absurd."""
    return math.inf if gossip.protocol.sends_sums else MAX_WEIGHT


def largest_norm(contract: Contract) -> float:
    """The norm above which a message's vector is absurd: noise grows with the number of its values."""
    noisy = contract.privacy.noise is not None or contract.privacy.exchange.own_noise
    return math.inf if noisy else MAX_WEIGHT


def packed_limit(contract: Contract, size: int, personal: Ranges, shapes: tuple[tuple[int, ...], ...]) -> int:
    """The most bytes of a compressed or masked model, 0 where models travel as they are."""
    gossip = contract.gossip
    chosen = gossip.compression
    if chosen is None:
        return contract.privacy.exchange.limit(exchanged_size(gossip, size, personal), contract.peers.count)
    return chosen.limit(exchanged_size(gossip, size, personal), shapes if chosen.needs_matrices else ())


def core_of(contract: Contract, peer: int, plan: Plan, start: Start) -> Protocol:
    """The core of `peer`, ready to be driven by any host. `plan` is `topology.plan_of(contract)`.

    Raises
    ------
    ContractError
        The protocol is unfinished.
    """
    gossip, patience = contract.gossip, contract.gossip.patience
    everyone = _connected_with(peer, plan)
    settings = Settings(
        stop=StopRule(
            contract.training.rounds,
            patience=patience.rounds if patience else None,
            consensus=patience.consensus if patience else 0.0,
        ),
        deadline_min_s=gossip.deadline.min_s,
        deadline_max_s=gossip.deadline.max_s,
        deadline_mads=gossip.deadline.mads,
        join_timeout_s=gossip.start.patience,
        everyone=everyone,
        quorum=len(everyone) if gossip.start.quorum == "all" else min(gossip.start.quorum, len(everyone)),
        seconds=contract.training.seconds,
        gathers_s=start.gathers_s,
        work=contract.training.work,
        wait_alone=gossip.alone == "wait" or contract.privacy.exchange.sums_only,
        largest_norm=largest_norm(contract),
    )
    if start.joins:
        since = replace(start, joins=False)
        return Newcomer(
            lambda begin: core_of(contract, peer, plan, begin),
            plan.neighbours(peer),
            since,
            _final_of(contract, start),
            contract.training.rounds,
            gossip.deadline.max_s,
            start.waits_s,
            averages=gossip.aggregation.follows_w,
        )
    core = gossip.protocol.core(Seat(contract, peer, plan, start, settings))
    if contract.stays_s:
        core = handing_out(contract, core, plan.neighbours(peer), start)
    if contract.peers.approve is None:
        return core
    place = Place(start.params, start.completed, start.progress)
    return Turning(
        core, plan.neighbours(peer), place, _final_of(contract, start), start.newcomers, contract.training.rounds
    )


def handing_out(
    contract: Contract, core: Protocol, neighbours: Sequence[int], start: Start, stays_s: float | None = None
) -> Protocol:
    """A core that hands out its final model when it is done (`stays_s`: the contract's), or takes that of others."""
    gossip = contract.gossip
    return HandOut(
        core,
        neighbours,
        Place(start.params, start.completed, start.progress),
        _final_of(contract, start),
        stays_s=contract.stays_s if stays_s is None else stays_s,
        patience_s=gossip.deadline.max_s,
        rounds=contract.training.rounds,
        averages=gossip.aggregation.follows_w,
    )


def _final_of(contract: Contract, start: Start) -> Final:
    personal = start.personal if contract.gossip.personal else ()
    return Final(exchanged_size(contract.gossip, start.params.size, personal), personal)


def _connected_with(peer: int, plan: Plan) -> frozenset[int]:
    """All whom news of `peer` can reach along the plan's links, itself among them.

    Both ends of a link hold it, so all of a part share one set: one for each of thousands would fill gigabytes.
    """
    parts = _parts_of(plan)  # type: ignore[arg-type]  # plans are told apart by identity
    if peer not in parts:
        found, ahead = {peer}, [peer]
        while ahead:
            new = set(plan.neighbours(ahead.pop())) - found
            found |= new
            ahead += new
        parts.update(dict.fromkeys(found, frozenset(found)))
    return parts[peer]


@lru_cache(maxsize=2)
def _parts_of(plan: Plan) -> dict[int, frozenset[int]]:
    """What was found of a plan's parts, by peer."""
    return {}


def rule_of(gossip: Gossip, start: Start, rounds: int) -> Rule:
    """What a protocol of common rounds does around the averaging, without the watch over all peers."""
    return Personal(start.personal) if gossip.personal else gossip.protocol.rule(start, rounds)


def exchanged_part(gossip: Gossip, start: Start) -> Vector:
    """What of the model that a peer starts from all others start from, too, and exchange: float32 (E,)."""
    if not gossip.personal:
        return start.params
    return Personal(start.personal).outgoing(start.completed, start.params, start.params)


def watches_all(gossip: Gossip) -> bool:
    """Whether sketches travel with the models, so that each peer knows how far apart all are."""
    return gossip.patience is not None and gossip.patience.of == "everyone"
