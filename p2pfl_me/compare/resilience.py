"""What liars cost each set-up: the table that `p2pme compare --attack` prints when its cells are done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from p2pfl_me.compare.grid import Grid, Group
from p2pfl_me.compare.page import cell_folder

NONE = "–"
METRIC = "uf1"


def resilience_lines(grid: Grid, out: Path, done: Sequence[tuple[Group, int]]) -> Iterator[str]:
    """A line a set-up: mean UF1 of the honest peers' own models with nobody lying, under each attack, and the loss.

    With nobody lying, those peers are left out of the mean that lie under an attack of the same seed, so that all
    figures of a line are of the same peers. Nothing where no attack was asked for.
    """
    attacks = [each for each in grid.conditions if each.lies]
    calm = [group for group in grid.groups if not group.condition]
    if not attacks or not calm:
        return
    header = ["mean UF1 of the honest peers", "nobody lies"]
    rows = [header + [name for each in attacks for name in (each.name, "cost")]]
    for group in (each for each in calm if each.setting == calm[0].setting):
        row = [group.name, _figure(_scores(group, group, out, done))]
        for attack in attacks:
            under = next((g for g in grid.groups if (g.condition, g.name) == (attack.name, group.name)), None)
            before = _scores(group, under, out, done) if under else {}
            after = _scores(under, under, out, done) if under else {}
            row += [_figure(after), _cost(before, after)]
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells])


def _scores(group: Group, under: Group, out: Path, done: Sequence[tuple[Group, int]]) -> dict[int, float]:
    """By seed, the mean final score of those peers of `group` who are honest in `under`."""
    from p2pfl_me.report.arms import Arm
    from p2pfl_me.report.results import final_scores
    from p2pfl_me.report.run import read_run

    found: dict[int, float] = {}
    for each, seed in done:
        if each is not group:
            continue
        liars = under.lies.liars(under.of_seed(seed)) if under.lies else frozenset()
        scores = final_scores(read_run(cell_folder(out, group, seed)), Arm.GOSSIP, METRIC)
        if honest := [score for peer, score in scores.items() if peer not in liars]:
            found[seed] = float(np.mean(honest))
    return found


def _cost(before: dict[int, float], after: dict[int, float]) -> str:
    """By the seeds that both have; what the figures beside it give, where these are of the same seeds."""
    both = before.keys() & after.keys()
    if both and before.keys() == after.keys():
        return f"{float(_figure(before)) - float(_figure(after)):.3f}"
    return _figure({seed: before[seed] - after[seed] for seed in both})


def _figure(scores: dict[int, float]) -> str:
    return f"{np.mean(list(scores.values())):.3f}" if scores else NONE
