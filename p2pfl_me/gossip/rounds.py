"""The core of a protocol of common rounds: its rule, the watch around it, and what travels over an edge."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from p2pfl_me.choice import derive_seed
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.cores import exchanged_part, exchanged_size, rule_of, watches_all
from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.gossip.exchange import Compressed, Exchange, Whole
from p2pfl_me.gossip.kind import Seat, Start
from p2pfl_me.gossip.masked import Masked
from p2pfl_me.gossip.protocol import Protocol
from p2pfl_me.gossip.rules import Rule
from p2pfl_me.gossip.sketch import Sketcher
from p2pfl_me.gossip.slices import Sliced, by_width
from p2pfl_me.gossip.watch import Watch
from p2pfl_me.gossip.zero_sum import ZeroSumEdges
from p2pfl_me.keyring import Keyring
from p2pfl_me.message import Places
from p2pfl_me.topology.arcs import DirectedSchedule
from p2pfl_me.topology.averaging import rounds_to_average
from p2pfl_me.topology.enough import least_in_a_sum
from p2pfl_me.topology.submodels import Dealt

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
        exchange=exchange_of(seat.contract, plan, seat.peer, start),
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
        form.sums(seat.peer, _keys(seat.contract, start), around, least, terms, seed),
        rule=rule,
        completed=start.completed,
        progress=start.progress,
    )


def _keys(contract: Contract, start: Start) -> Keyring:
    if start.keys is None:
        raise ContractError(
            f"privacy.exchange: {contract.privacy.exchange} hides models by keys, and here peers have none",
            where=contract.name,
            fix="run it by real peers or --engine simulate, or write privacy.exchange: plain",
        )
    return start.keys


def exchange_of(contract: Contract, plan: Schedule, peer: int, start: Start) -> Exchange:
    """One peer's side of its edges.

    Raises
    ------
    ContractError
        Models are to be hidden from the neighbours, and there are no keys for it.
    """
    neighbours, compression, form = plan.neighbours(peer), contract.gossip.compression, contract.privacy.exchange
    if contract.peers.widths:
        widths = {other: contract.peers.width(other) for other in (peer, *neighbours)}
        return Sliced(by_width(peer, start.shapes, widths))
    if form.parts_only:
        size, dealt = exchanged_size(contract.gossip, start.params.size, start.personal), Dealt(contract, plan)
        return Sliced(by_part(contract, dealt, peer, neighbours, size), partial(dealt.weight, peer))
    if form.own_noise:
        return ZeroSumEdges(form.noise(peer, _keys(contract, start)), lambda round: plan.weights(peer, round))
    if compression is None:
        return Whole(peer, contract.gossip.aggregation, contract.training.rounds)
    size = exchanged_size(contract.gossip, start.params.size, start.personal)
    seed = derive_seed(contract.seed, "compression")
    # Of a model that is not exchanged as it is, the shapes say nothing.
    shapes = start.shapes if compression.needs_matrices else ()
    base = None if start.completed else exchanged_part(contract.gossip, start)
    return Compressed(peer, neighbours, compression, size, seed, start.memory, shapes, base)


def by_part(contract: Contract, dealt: Dealt, peer: int, neighbours: Iterable[int], size: int) -> dict[int, Places]:
    """What each edge of `peer` carries of `size` exchanged values where neighbours see sub-models.

    Raises
    ------
    ContractError
        There are fewer values than sub-models.
    """
    form = contract.privacy.exchange
    if size < form.part_count:
        raise ContractError(
            f"{size} values are exchanged, which cannot be dealt to {form.part_count} sub-models",
            where="privacy.exchange",
            fix=f"write parts: {max(2, size)} or fewer",
        )
    places = form.dealt(size, derive_seed(contract.seed, "submodels", "places"))
    return {other: places[dealt.part(peer, other)] for other in neighbours}
