"""What must hold in every trial, whatever its faults and whoever lies: everybody ends with the work done, and right.

Of those who lie nothing is asked; of the others all that a liar among them cannot take away.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from p2pfl_me.aggregation import Mixture, Neighbourhood
from p2pfl_me.contract import Contract
from p2pfl_me.gossip.kind import Start
from p2pfl_me.gossip.protocol import Mixed
from p2pfl_me.gossip.rounds import exchange_of
from p2pfl_me.simulation.host import Simulation
from p2pfl_me.simulation.reasons import untrue_reasons
from p2pfl_me.simulation.trials import HOME, PATIENCE_S, SHAPES, SIZE, Journal, Trial, play
from p2pfl_me.topology import Schedule, schedule_of
from p2pfl_me.topology.enough import least_in_a_sum
from p2pfl_me.topology.submodels import Dealt


def broken_promises(trial: Trial) -> list[str]:
    """Run a trial and say what did not hold; an empty list is what everybody hopes for."""
    simulation, journal = play(trial)
    gossip = trial.contract.gossip
    protocol, compression = gossip.protocol, gossip.compression
    noised = trial.contract.privacy.exchange.own_noise
    broken = [
        *_everyone_finishes(trial, simulation),
        *_refusals_have_a_cause(trial, journal),
        *_models_are_sound(trial, journal, within_hull=protocol.within_hull and not compression and not noised),
    ]
    if trial.contract.privacy.exchange.sums_only:
        broken += _sums_are_those_of_the_mean(trial, journal, schedule_of(trial.contract))
        broken += untrue_reasons(trial, journal)
    elif protocol.exchanges_model and not compression and not noised:
        schedule = schedule_of(trial.contract)
        broken += _rounds_are_what_the_rule_says(trial, journal, schedule)
    if protocol.common_rounds and not trial.contract.privacy.exchange.sums_only:
        broken += _edges_are_symmetric(trial, simulation, journal)
    if protocol.keeps_average and gossip.aggregation.follows_w and (compression is None or compression.keeps_average):
        broken += _average_is_kept(trial, journal)
    if protocol.kind == "push_sum":
        broken += _mass_is_kept(trial, journal)
    return broken


def _honest(trial: Trial) -> list[int]:
    return [peer for peer in range(trial.contract.peers.count) if peer not in trial.liars]


def _of_the_honest(trial: Trial, journal: Journal) -> Iterator[tuple[int, int, list[Mixed]]]:
    for (peer, round), rounds in journal.mixed.items():
        if peer not in trial.liars:
            yield peer, round, rounds


def _everyone_finishes(trial: Trial, simulation: Simulation) -> Iterator[str]:
    for peer in sorted(simulation.running):
        yield f"peer {peer} still runs after {PATIENCE_S:g} s"
    for peer, error in sorted(simulation.failed.items()):
        yield f"peer {peer} failed: {error}"
    lost = {crash.peer for crash in trial.faults.crashes} | trial.faults.absent
    for peer in _honest(trial):
        finish = simulation.finished.get(peer)
        if finish is None and peer not in lost:
            yield f"peer {peer} never finished"
        elif finish is not None and finish.reason != "rounds" and not _too_few_are_left(trial, simulation, peer):
            yield f"peer {peer} finished for {finish.reason!r}"


def _too_few_are_left(trial: Trial, simulation: Simulation, peer: int) -> bool:
    """Whether a peer under masks may end `alone`: its neighbours that are neither gone nor done are too few for a sum,
    or partitions kept them from it, those together that overlap."""
    form, faults = trial.contract.privacy.exchange, trial.faults
    if not form.sums_only or simulation.finished[peer].reason != "alone":
        return False
    ended = list(simulation.finished)
    away = faults.absent | {crash.peer for crash in faults.crashes} | {*faults.late, *ended[: ended.index(peer)]}
    near = set(schedule_of(trial.contract).neighbours(peer)) - away
    cut = [
        {other for other in near for each in faults.partitions if each.overlaps(one) and each.cuts(peer, other)}
        for one in faults.partitions
    ]
    least = least_in_a_sum(form, schedule_of(trial.contract))
    return any(len(near - others) < least for others in (set[int](), *cut))


def _refusals_have_a_cause(trial: Trial, journal: Journal) -> Iterator[str]:
    """Whoever lies may be refused, and refuse; nobody else is for what a liar does."""
    link = trial.faults.link
    if link.corruption or link.duplication or link.reordering:
        return
    for peer, event in journal.refused:
        if not {peer, event.neighbour} & trial.liars:
            yield f"peer {peer} refused {event.neighbour} without a cause: {event.reason}"


def _rounds_are_what_the_rule_says(trial: Trial, journal: Journal, schedule: Schedule) -> Iterator[str]:
    """What a peer holds after a round is what its rule makes of models that were trained for that round, to the bit.

    What a liar has sent nobody wrote down; the weights and who is missing are checked all the same.
    """
    rule, last = trial.contract.gossip.aggregation, trial.contract.training.rounds
    parts = _Parts(trial.contract, schedule) if trial.contract.privacy.exchange.parts_only else None
    for peer, round, rounds in _of_the_honest(trial, journal):
        row = schedule.weights(peer, round)
        if parts:
            row = {other: parts.dealt.weight(peer, other, round) for other in row}
        for mixed in rounds:
            if rule.follows_w and any(row.get(other) != weight for other, weight in mixed.weights.items()):
                yield f"peer {peer} round {round}: weights {dict(mixed.weights)} are not those of the schedule"
                continue
            others = sorted(mixed.weights.keys() | mixed.refused.keys())
            if row.keys() != set(others) | mixed.missing.keys():
                yield f"peer {peer} round {round}: a neighbour is neither mixed nor said to be missing"
            if mixed.late or trial.liars & {*others}:
                continue
            # A peer that crashed in mid-round may have trained that round twice, from two starting points.
            versions = [journal.trained[other, round] for other in (peer, *others)]
            around = (
                Neighbourhood(peer, round, last, own, row, dict(zip(others, theirs, strict=True)))
                for own, *theirs in product(*versions)
            )
            made = (parts.averaged(each) if parts else rule.aggregate(each) for each in around)
            if not any(each.params.tobytes() == mixed.params.tobytes() for each in made):
                yield f"peer {peer} round {round}: not the {rule} of the models of that round"


class _Parts:
    """All peers' sides of their edges where each neighbour sees a part, which remember nothing: a peer that went and
    came back averages as if it had never been away."""

    def __init__(self, contract: Contract, schedule: Schedule) -> None:
        self.dealt = Dealt(contract, schedule)
        start = Start(np.zeros(SIZE, np.float32), personal=HOME, shapes=SHAPES)
        self._sides = [exchange_of(contract, schedule, peer, start) for peer in range(schedule.size)]

    def averaged(self, around: Neighbourhood) -> Mixture:
        me, round = around.me, around.round
        got = {other: self._sides[other].pack(me, round, model) for other, model in around.models.items()}
        return self._sides[me].average(around.own, around.row, round, {}, got)


def _sums_are_those_of_the_mean(trial: Trial, journal: Journal, schedule: Schedule) -> Iterator[str]:
    """A receiver holds the weighted mean with those on its roster, but for the rounding of words; or its own model, and
    says why. No roster is shorter than the contract allows."""
    form = trial.contract.privacy.exchange
    error, least = form.error(_most_neighbours(schedule)), least_in_a_sum(form, schedule)
    for peer, round, rounds in _of_the_honest(trial, journal):
        row = schedule.weights(peer, round)
        for mixed in rounds:
            used = mixed.weights.keys()
            if row.keys() != used | mixed.missing.keys() or used & mixed.missing.keys():
                yield f"peer {peer} round {round}: a neighbour is neither in the sum nor said to be missing"
            if used and len(used) < least:
                yield f"peer {peer} round {round}: a sum of {len(used)} models"
            if used & trial.liars:
                continue
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

    def began(peer: int, round: int) -> float:
        """When its exchange could begin: after the training, whose end the journal knows, or beside it."""
        beside = trial.contract.gossip.protocol.overlaps
        return journal.until.get((peer, round - 1), 0.0) if beside else journal.since[peer, round]

    for peer, other, round in sorted(used):
        if trial.liars & {peer, other}:
            continue
        if (other, peer, round) in used or (other, round) not in journal.mixed:
            continue
        begin = min(began(peer, round), began(other, round))
        finish = simulation.finished.get(other)
        crashed = any(begin <= when and who in (peer, other) for when, who in crashes)
        if not crashed and not (finish and (peer, round) in finish.unsettled):
            why = journal.mixed[other, round][-1].missing.get(peer)
            yield f"edge {peer}-{other} round {round}: only {peer} mixed it ({other} says {why!r})"


def _models_are_sound(trial: Trial, journal: Journal, *, within_hull: bool) -> Iterator[str]:
    """Finite, and where models are only ever averaged, within the least and the greatest of what was trained."""
    if not journal.trained:
        return
    trained = np.stack([params for versions in journal.trained.values() for params in versions])
    least, most = trained.min(axis=0) - 1e-4, trained.max(axis=0) + 1e-4
    # What was owed since an earlier round is added to a model that has moved on.
    within_hull = within_hull and not trial.liars and not any(mixed.late for _, _, mixed in journal.all_mixed())
    for peer, round, rounds in _of_the_honest(trial, journal):
        for mixed in rounds:
            if not np.isfinite(mixed.params).all():
                yield f"peer {peer} round {round}: a model that is not finite"
            elif within_hull and not ((least <= mixed.params) & (mixed.params <= most)).all():
                yield f"peer {peer} round {round}: a model outside of all that were averaged"


def _mass_is_kept(trial: Trial, journal: Journal) -> Iterator[str]:
    """What a peer holds and has sent is what it began with and has taken, at every checkpoint."""
    for peer, round, rounds in _of_the_honest(trial, journal):
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
    if trial.liars:
        return
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
