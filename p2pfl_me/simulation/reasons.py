"""Whether what a peer says of a neighbour that is missing from its sum is so, by all that happened in a trial."""

from __future__ import annotations

import re
from collections.abc import Iterator

from p2pfl_me.simulation.faults import Crash
from p2pfl_me.simulation.trials import Journal, Trial
from p2pfl_me.topology import schedule_of
from p2pfl_me.topology.enough import least_in_a_sum


def untrue_reasons(trial: Trial, journal: Journal) -> Iterator[str]:
    """Each neighbour that is not in a sum is missing for a reason; those that are not true, or unknown.

    Of liars, and of what they bring about, nothing is asked.
    """
    least = least_in_a_sum(trial.contract.privacy.exchange, schedule_of(trial.contract))
    if trial.liars:
        return
    for peer, round, mixed in journal.all_mixed():
        few = sum(why == "too few models for a sum" for why in mixed.missing.values())
        if few >= least:
            yield f"peer {peer} round {round}: {few} models are called too few for a sum"
        if few and mixed.weights:
            yield f"peer {peer} round {round}: too few for a sum, and there is one"
        for other, why in mixed.missing.items():
            if not _is_so(trial, journal, peer, other, round, why):
                yield f"peer {peer} round {round}: of {other} it says {why!r}, and that is not so"


def _is_so(trial: Trial, journal: Journal, peer: int, other: int, round: int, why: str) -> bool:
    until = journal.until[peer, round]
    if found := re.fullmatch(r"went on to round (\d+)", why):
        before = other, int(found[1]) - 1
        return before not in journal.since or journal.since[before] <= until  # who comes late begins where others are
    if found := re.match(r"the sum was lost: (?:no pledge of peer|peer) (\d+)", why):
        return _delayed(trial, peer, int(found[1]), until)
    if why.startswith("left this peer out") or why == "withdrawn by the neighbour":
        theirs = journal.mixed.get((other, round), [])
        # What comes twice, the second time after its round, is answered as if it had not been taken.
        twice = trial.faults.link.duplication > 0
        return twice or not theirs or any(peer not in each.weights for each in theirs)
    match why:
        case "left":
            return all(when <= until for (who, _), when in journal.until.items() if who == other)
        case "unreachable" | "came when models had been given to the others":
            return _apart(trial, peer, other, until)
        case (
            "deadline"
            | "needs more than the longest deadline, by its own word"
            | "not waited for, after deadlines that passed"
        ):
            return _delayed(trial, peer, other, until)
        case "gave a model without its pledge before":
            return any(
                f"peer {other}" in reason and number < round
                for (who, number), rounds in journal.mixed.items()
                for each in rounds
                for reason in each.missing.values()
                if who == peer
            )
        case "too few models for a sum":
            return True  # counted above
        case (
            "gives no model"
            | "masked for others than those that are there"
            | "too few models that are masked for each other"
        ):
            return _strangers(trial, until)
        case _:
            return False


def _apart(trial: Trial, one: int, other: int, until: float) -> bool:
    """Whether anything up to then could keep two peers' words from each other."""
    faults, both = trial.faults, {one, other}
    return bool(
        both & (faults.absent | faults.late.keys())
        or _is_bad(trial)
        or any(each.peer in both and each.at <= until for each in faults.crashes)
        or any(each.cuts(one, other) and each.begin <= until for each in faults.partitions)
    )


def _delayed(trial: Trial, one: int, other: int, until: float) -> bool:
    """Whether anything up to then could have held one of them up: it may have waited for a third itself."""
    faults = trial.faults
    early = [*faults.crashes, *faults.partitions]
    return bool(
        _apart(trial, one, other, until)
        or faults.compute_s[0] < faults.compute_s[1]
        or faults.link.latency_s[1] > 1
        or faults.link.bandwidth_bps
        or faults.slow
        or faults.late
        or faults.absent
        or any((each.at if isinstance(each, Crash) else each.begin) <= until for each in early)
    )


def _strangers(trial: Trial, until: float) -> bool:
    """Whether somebody may not know somebody's key: it came late or anew, or words on keys were lost or delayed."""
    faults = trial.faults
    began_anew = any(each.back is not None and each.back <= until for each in faults.crashes)
    cut = any(each.begin <= until for each in faults.partitions)
    slow = faults.link.bandwidth_bps or faults.link.latency_s[1] > 1
    return bool(began_anew or cut or slow or faults.late or faults.absent or _is_bad(trial))


def _is_bad(trial: Trial) -> bool:
    link = trial.faults.link
    return bool(link.loss or link.corruption or link.reordering or link.duplication)
