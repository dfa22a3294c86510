"""Protections side by side: what each costs in score, bytes and seconds, and what a neighbour still learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, cast

import numpy as np

from p2pfl_me.contract.noise_graph import noise_warning
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.document import Block, Paragraph, Table
from p2pfl_me.report.formatting import NONE, three_digits
from p2pfl_me.report.methods import MB, Method, Protected, course_of
from p2pfl_me.report.numbers import Cell
from p2pfl_me.report.paired import half_width
from p2pfl_me.report.traffic import peer_traffic

HEADER = ("", "epsilon, hides one", "advantage", "AUC", "UF1, own models", "UF1, average model", "MB a peer", "seconds")
"""What is asked first stands first, where a telephone shows it."""


class ProtectionObject(TypedDict):
    """A protection and seed for machines: a line of protections.csv, whose columns these are."""

    protection: str
    seed: int
    uf1: float | None
    average_uf1: float | None
    bytes_a_peer: float | None
    seconds: float | None
    epsilon: float | None
    hides: str | None
    advantage: float | None
    auc: float | None
    luck: float | None


CSV_HEADER = tuple(ProtectionObject.__annotations__)


def with_interval(values: Sequence[float]) -> str:
    """`.512 ± .034`; the mean alone of a single seed."""
    if not values:
        return NONE
    half = half_width(values)
    return f"{np.mean(values):.3f}" + ("" if half is None else f" ± {half:.3f}")


def protection_blocks(rows: Sequence[Protected]) -> Iterator[Block]:
    """The table and how to read it."""
    games = rows[0].games
    yield Paragraph(
        "Set-ups that differ in the section privacy of their contract, on the same clips and seeds. UF1 is that of the "
        f"peers' own models and of their average after the last round. Epsilon{_deltas(rows)} is the most that any "
        "peer's ledger paid; none: nothing is promised. Advantage is how much more often a neighbour accuses a member "
        "than somebody else, at best, over all clips: above 0 by luck, as the best threshold is chosen afterwards"
        f"{_by_luck(rows)}. AUC .5 is chance. Both are LiRA's, which knows the scores of the other games "
        f"({games} games a seed on random halves of the clips, as p2pme audit-privacy plays them). An attack that "
        "fails proves nothing. Not measured here: the advantage over one subject with all of their clips, and inputs "
        "put together from a model (p2pme audit-privacy measures both, of one run); what neighbours that collude learn."
    )
    yield Table(
        HEADER,
        tuple(_cells(row) for row in rows),
        "Mean ± half the 95 % interval over seeds (Student's, of the seeds alone: as clips of one subject are alike "
        "and seeds share clips, the true one is wider). "
        * _several(rows)
        + "MB is the mean peer's, seconds those until the slowest peer had ended its last round, under --engine "
        "simulate of its virtual clock, which has training and transfers in it and not the work of masks and "
        "ciphertexts.",
    )
    for row in rows:
        if warning := noise_warning(row.method.runs[0].contract):
            yield Paragraph(f"{row.method.name}: {warning}.")


def protection_lines(rows: Sequence[Protected]) -> Iterator[str]:
    """The same table for a terminal."""
    table = [("protection", *HEADER[1:]), *(_cells(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADER))]
    for first, *rest in table:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells])
    interval = "in this table ± is half the 95 % interval over seeds; " * _several(rows)
    yield f"{interval}an advantage is above 0 by luck{_by_luck(rows)}"


def protection_rows(rows: Sequence[Protected]) -> list[tuple[Cell, ...]]:
    """For protections.csv: a line a seed."""
    found: list[tuple[Cell, ...]] = []
    for row in rows:
        own, average = row.method.score(Arm.GOSSIP), row.method.score()
        for run in row.method.runs:
            told = row.told.get(run.seed)
            one = Method(row.method.name, (run,))
            found.append(
                (
                    row.method.name, run.seed, own.get(run.seed), average.get(run.seed), _bytes(one), _seconds(one),
                    _epsilon(one), _hides(one), *((told.advantage, told.auc, told.luck) if told else (None,) * 3),
                )
            )  # fmt: skip
    return found


def as_objects(rows: Sequence[Protected]) -> list[ProtectionObject]:
    """For machines: protections.csv's lines as objects."""
    return [cast(ProtectionObject, dict(zip(CSV_HEADER, line, strict=True))) for line in protection_rows(rows)]


def _cells(row: Protected) -> tuple[str, ...]:
    seconds, epsilon = _seconds(row.method), _epsilon(row.method)
    sent = _bytes(row.method)
    return (
        row.method.name,
        _promise(epsilon, _hides(row.method)),
        with_interval([each.advantage for each in row.told.values()]) + _of_fewer(row),
        with_interval([each.auc for each in row.told.values()]),
        with_interval(list(row.method.score(Arm.GOSSIP).values())),
        with_interval(list(row.method.score().values())),
        NONE if sent is None else three_digits(sent / MB),
        NONE if seconds is None else three_digits(seconds),
    )


def _several(rows: Sequence[Protected]) -> bool:
    """Whether there are seeds to speak of."""
    return any(len(row.method.runs) > 1 for row in rows)


def _of_fewer(row: Protected) -> str:
    """That games were not played for all seeds."""
    played, ran = len(row.told), len(row.method.runs)
    return f" ({played} of {ran} seeds)" if 0 < played < ran else ""


def _by_luck(rows: Sequence[Protected]) -> str:
    lucks = [each.luck for row in rows for each in row.told.values() if each.luck is not None]
    return f", below {max(lucks):.2f} in 95 % of the games of who learns nothing" if lucks else ""


def _promise(epsilon: float | None, hides: str | None) -> str:
    """A set-up that spends and whose ledgers say nothing has no promise that is known; it is not one without."""
    if hides is None:
        return "none"
    return NONE if epsilon is None else f"{epsilon:.3g}, {hides}"


def _deltas(rows: Sequence[Protected]) -> str:
    """Without its delta an epsilon says nothing."""
    budgets = [run.contract.privacy.budget for row in rows for run in row.method.runs]
    deltas = sorted({each.delta for each in budgets if each is not None})
    return f" (at delta {' and '.join(f'{each:g}' for each in deltas)})" if deltas else ""


def _bytes(method: Method) -> float | None:
    sent = [each.sent for run in method.runs for each in peer_traffic(run)]
    return float(np.mean(sent)) if sent else None


def _seconds(method: Method) -> float | None:
    course = course_of(method)
    return None if course is None else float(course.seconds[-1])


def _epsilon(method: Method) -> float | None:
    return max((log.spent[-1].epsilon for run in method.runs for log in run.peers if log.spent), default=None)


def _hides(method: Method) -> str | None:
    privacy = method.runs[0].contract.privacy
    return privacy.unit.value if privacy.spends else None
