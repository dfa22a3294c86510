"""The answers of all folds put together, once: a row a model, a column an item, -1 where a model was not asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from p2pfl_me.evaluate.outcome import Outcome
from p2pfl_me.learning.metrics import Counts
from p2pfl_me.learning.trainer import Labels
from p2pfl_me.report.arms import Arm

TRAINED = (Arm.ISOLATED, Arm.GOSSIP, Arm.AVERAGE, Arm.POOLED)
OF_OWN_PEER = {Arm.ISOLATED_OWN_PEER: Arm.ISOLATED, Arm.GOSSIP_OWN_PEER: Arm.GOSSIP}
ARMS = (*TRAINED, *OF_OWN_PEER)
"""In the order of the page."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Of one seed: `models` int64 (n, m) by arm; row k of an arm with peers is peer k's."""

    seed: int
    models: Mapping[Arm, Labels] = field(repr=False)


def gather(seed: int, outcomes: Iterable[Outcome], dealt: Iterable[Labels], items: int, peers: int) -> Answers:
    """Put the units of one seed together and derive the arms of the own peer.

    `dealt` are the pools' peers of the items, int64 (m,), -1 outside a pool; each item is in one pool.
    """
    models = {arm: np.full((1 if arm in (Arm.AVERAGE, Arm.POOLED) else peers, items), -1) for arm in TRAINED}
    for outcome in outcomes:
        for each in outcome.guesses:
            row = models[each.arm][max(each.peer, 0)]
            assert (row[list(each.items)] == -1).all(), "no model is asked twice about an item"
            row[list(each.items)] = each.classes
    peer_of = np.max(np.stack(list(dealt)), axis=0)
    columns = np.arange(items)
    for arm, source in OF_OWN_PEER.items():
        models[arm] = models[source][peer_of, columns][None]
    return Answers(seed, models)


def rows(answers: Iterable[Answers]) -> Iterator[tuple[int, Arm, int, int, int]]:
    """(seed, arm, peer, item, class) of every answer of a trained model; peer -1 for a model of all."""
    for each in answers:
        for arm in TRAINED:
            predicted = each.models[arm]
            for model, item in np.argwhere(predicted >= 0).tolist():
                peer = model if arm in (Arm.ISOLATED, Arm.GOSSIP) else -1
                yield each.seed, arm, peer, item, int(predicted[model, item])


def tally(predicted: Labels, true: Labels, group: Labels, groups: int, classes: int) -> Counts:
    """Confusion counts of each model and group (subject), int64 (n, S, K, K), rows the true classes.

    Parameters
    ----------
    predicted:
        int64 (n, m), -1 where a model was not asked.
    true, group:
        int64 (m,), each item's class and group.
    """
    model, item = np.nonzero(predicted >= 0)
    place = ((model * groups + group[item]) * classes + true[item]) * classes + predicted[model, item]
    size = len(predicted) * groups * classes * classes
    return np.bincount(place, minlength=size).reshape(len(predicted), groups, classes, classes)


def numbered(names: Sequence[str]) -> tuple[Labels, tuple[str, ...]]:
    """Each name's number among the sorted distinct ones, int64 (m,), and those."""
    distinct = sorted(set(names))
    return np.array([distinct.index(name) for name in names], dtype=np.int64), tuple(distinct)
