"""Whether every peer has the neighbours that the contract's aggregation needs, asked before anything starts."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Protocol

from p2pfl_me.aggregation import AGGREGATIONS, Aggregation
from p2pfl_me.errors import ContractError

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract
    from p2pfl_me.topology.schedule import Schedule

LOOKED_AT = 64
"""Rounds of a graph that never repeats; those we have give every round the same number of links."""


class SumForm(Protocol):
    """What a form that shows sums asks of a graph (`privacy.exchanging`)."""

    @property
    def least(self) -> int: ...
    @property
    def expects_collusion(self) -> bool: ...
    def least_where(self, common: int, all_meet: int | None) -> int: ...


def require_neighbours(rule: Aggregation, schedule: Schedule) -> None:
    """Refuse a graph on which some peer meets somebody, yet too few for the rule, in some round.

    Raises
    ------
    ContractError
        With the rules that would do there; or nothing carries out the rule at all.
    """
    rule.require_finished()
    least = rule.least_neighbours
    if not least:
        return
    found = fewest_neighbours(schedule, least)
    if found is None:
        return
    peer, count = found
    options = ", ".join(f"{key} {value}" for key, value in rule.options.items())
    fitting = [name for name, kind in AGGREGATIONS.items() if kind.robust and _least_of(name) <= count]
    fix = f"take {' or '.join(fitting)}, or a graph with more links" if fitting else "take a graph with more links"
    raise ContractError(
        f"peer {peer} has {count} neighbour{'s' * (count != 1)} in a round, and aggregation {rule}"
        f"{f' ({options})' if options else ''} needs {least}",
        where="gossip.aggregation",
        fix=fix,
    )


def require_circles(contract: Contract, schedule: Schedule) -> None:
    """Refuse a graph on which a sum over some peer's neighbours would hold fewer models than the form asks for.

    Raises
    ------
    ContractError
        With the peer, and what would do.
    """
    form = contract.privacy.exchange
    if not form.sums_only:
        return
    least = least_in_a_sum(form, schedule)
    found = fewest_neighbours(schedule, least)
    if found is None:
        return
    peer, count = found
    has = f"peer {peer} has {count} neighbour{'s' * (count != 1)}, and a sum under {form} holds {least} models at least"
    if count < form.least:
        pairs = ", or allow_pairs: true if a sum of two will do" if count == form.least - 1 == 2 else ""
        raise ContractError(
            f"{has}: of fewer it is hardly a secret",
            where="privacy.exchange",
            fix=f"take a graph with more links (regular){pairs}",
        )
    raise ContractError(
        f"{has} here: peers with {most_in_common(schedule)} neighbours in common, of whom one tells the other its sum, "
        "would find single models in the difference",
        where="privacy.exchange",
        fix="take a mesh, where all sums are one, or a graph without triangles and squares, or colluders: 0",
    )


def least_in_a_sum(form: SumForm, schedule: Schedule) -> int:
    """The fewest models of any sum under a form that shows sums, on a graph that stands."""
    if not form.expects_collusion:
        return form.least
    return form.least_where(most_in_common(schedule), _all_meet(schedule))


def most_in_common(schedule: Schedule) -> int:
    """The most neighbours that any two peers have in common."""
    shared: Counter[tuple[int, int]] = Counter()
    for peer in range(schedule.size):
        shared.update(combinations(sorted(schedule.neighbours(peer)), 2))
    return max(shared.values(), default=0)


def _all_meet(schedule: Schedule) -> int | None:
    """How many neighbours each peer has, where these are all others and every edge weighs the same; else None."""
    present = [peer for peer in range(schedule.size) if schedule.neighbours(peer)]
    rows = [schedule.weights(peer, 0) for peer in present]
    weights = {weight for row in rows for weight in row.values()}
    return len(present) - 1 if len(weights) == 1 and all(len(row) == len(present) - 1 for row in rows) else None


def fewest_neighbours(schedule: Schedule, below: int) -> tuple[int, int] | None:
    """(peer, how many it meets) of the first that meets fewer than `below`, but not nobody, in some round."""
    for round in range(schedule.period or LOOKED_AT):
        for peer in range(schedule.size):
            count = len(schedule.weights(peer, round))
            if count < below and (count or schedule.period == 1):
                return peer, count
    return None


def _least_of(name: str) -> int:
    return AGGREGATIONS.of(name).least_neighbours
