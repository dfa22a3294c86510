"""The core of a protocol of common rounds: its rule, the watch around it, and what travels over an edge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from p2pfl_me.choice import derive_seed
from p2pfl_me.compression import Compression
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.cores import exchanged_part, exchanged_size, rule_of, watches_all
from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.gossip.exchange import Compressed, Exchange, Whole
from p2pfl_me.gossip.kind import Seat, Start
from p2pfl_me.gossip.masked import Masked
from p2pfl_me.gossip.protocol import Protocol
from p2pfl_me.gossip.rules import Rule
from p2pfl_me.gossip.sketch import Sketcher
from p2pfl_me.gossip.slices import Sliced
from p2pfl_me.gossip.watch import Watch
from p2pfl_me.gossip.zero_sum import ZeroSumEdges
from p2pfl_me.keyring import Keyring
from p2pfl_me.topology.arcs import DirectedSchedule
from p2pfl_me.topology.averaging import rounds_to_average
from p2pfl_me.topology.enough import least_in_a_sum

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract
    from p2pfl_me.topology import Schedule

WINDOW_ERROR = 0.1
"""What a window of the watch may leave of the distance between sketches."""


def round_core(seat: Seat, core: type[DPSGD] = DPSGD) -> Protocol:
    """The core of one peer; `core` says when it exchanges.

    Raises
    ------
    ContractError
        Models are to be hidden from the neighbours, and there are no keys for it.
    """
    gossip, start, plan = seat.contract.gossip, seat.start, seat.plan
    if isinstance(plan, DirectedSchedule):
        raise TypeError("a protocol of rounds follows edges, not arcs")
    rule = rule_of(gossip, start, seat.settings.stop.rounds)
    if seat.contract.privacy.exchange.sums_only:
        return _summing_core(seat, plan, rule)
    if watches_all(gossip):
        sketcher = Sketcher(start.params.size, seat.contract.seed)
        rule = Watch(rule, sketcher, rounds_to_average(plan, WINDOW_ERROR), start.memory)
    return core(
        seat.peer,
        seat.row,
        seat.neighbours,
        start.params,
        seat.settings,
        rule=rule,
        exchange=_exchange(seat),
        watches_all=watches_all(gossip),
        completed=start.completed,
        progress=start.progress,
    )


def _summing_core(seat: Seat, plan: Schedule, rule: Rule) -> Masked:
    """The core of a peer that learns sums only."""
    form, start = seat.contract.privacy.exchange, seat.start
    around = {peer: frozenset(plan.neighbours(peer)) for peer in seat.neighbours}
    terms = max(len(plan.neighbours(peer)) for peer in range(plan.size))
    seed = derive_seed(seat.contract.seed, "rounding")
    least = least_in_a_sum(form, plan)
    return Masked(
        seat.peer,
        seat.row,
        seat.neighbours,
        start.params,
        seat.settings,
        form.sums(seat.peer, _keys(seat), around, least, terms, seed),
        rule=rule,
        completed=start.completed,
        progress=start.progress,
    )


def _keys(seat: Seat) -> Keyring:
    if seat.start.keys is None:
        raise ContractError(
            f"privacy.exchange: {seat.contract.privacy.exchange} hides models by keys, and here peers have none",
            where=seat.contract.name,
            fix="run it by real peers or --engine simulate, or write privacy.exchange: plain",
        )
    return seat.start.keys


def _exchange(seat: Seat) -> Exchange:
    contract, start, peer = seat.contract, seat.start, seat.peer
    compression = contract.gossip.compression
    if contract.peers.widths:
        return Sliced(peer, start.shapes, {other: contract.peers.width(other) for other in (peer, *seat.neighbours)})
    if contract.privacy.exchange.own_noise:
        return ZeroSumEdges(contract.privacy.exchange.noise(peer, _keys(seat)), seat.row)
    if compression is None:
        return Whole(peer, contract.gossip.aggregation, contract.training.rounds)
    return compressed(contract, peer, seat.neighbours, start, compression)


def compressed(
    contract: Contract, peer: int, neighbours: Iterable[int], start: Start, compression: Compression
) -> Compressed:
    """One peer's side of its edges under a contract's compression."""
    size = exchanged_size(contract.gossip, start.params.size, start.personal)
    seed = derive_seed(contract.seed, "compression")
    # Of a model that is not exchanged as it is, the shapes say nothing.
    shapes = start.shapes if compression.needs_matrices else ()
    base = None if start.completed else exchanged_part(contract.gossip, start)
    return Compressed(peer, neighbours, compression, size, seed, start.memory, shapes, base)
