"""Whether every peer has the neighbours that the contract's aggregation needs, asked before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pfl_me.aggregation import AGGREGATIONS, Aggregation
from p2pfl_me.errors import ContractError

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract
    from p2pfl_me.topology.schedule import Schedule

LOOKED_AT = 64
"""Rounds of a graph that never repeats; those we have give every round the same number of links."""


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
    fitting = [kind for kind in AGGREGATIONS if kind != "mean" and _least_of(kind) <= count]
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
    found = fewest_neighbours(schedule, form.least) if form.sums_only else None
    if found is None:
        return
    peer, count = found
    raise ContractError(
        f"peer {peer} has {count} neighbour{'s' * (count != 1)}, and a sum under {form} holds {form.least} models at "
        "least: of fewer it is hardly a secret",
        where="privacy.exchange",
        fix="take a graph with more links"
        + (
            " (regular), or allow_pairs: true if a sum of two will do" if count == form.least - 1 == 2 else " (regular)"
        ),
    )


def fewest_neighbours(schedule: Schedule, below: int) -> tuple[int, int] | None:
    """(peer, how many it meets) of the first that meets fewer than `below`, but not nobody, in some round."""
    for round in range(schedule.period or LOOKED_AT):
        for peer in range(schedule.size):
            count = len(schedule.weights(peer, round))
            if count < below and (count or schedule.period == 1):
                return peer, count
    return None


def _least_of(kind: str) -> int:
    return AGGREGATIONS.of(kind).least_neighbours
