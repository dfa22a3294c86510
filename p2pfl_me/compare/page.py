"""From finished cells to the comparison's page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from p2pfl_me.compare.grid import Group, Plan
from p2pfl_me.compare.mixing import mixings_of
from p2pfl_me.compare.stress import STRESSES


def cell_folder(out: Path, group: Group, seed: int) -> Path:
    """DIR/cells/NAME/seed-S: the run folder of one cell."""
    return out / "cells" / group.folder / f"seed-{seed}"


def write_page(plan: Plan, out: Path, done: Sequence[tuple[Group, int]], target: float | None) -> Path | None:
    """Write the page on the cells in `done`; its path, or None where no undisturbed cell is done.

    Raises
    ------
    RunError
        A run folder cannot be read, or the page cannot be written.
    """
    from p2pfl_me.report.rivals import Comparison, Hardship, Rival, Setting
    from p2pfl_me.report.run import read_run
    from p2pfl_me.report.write import write_comparison

    rivals: dict[str, Rival] = {}
    for group in plan.groups:
        seeds = [seed for seed in plan.seeds if (group, seed) in done]
        if seeds:
            rivals[group.folder] = Rival(group.name, tuple(read_run(cell_folder(out, group, each)) for each in seeds))
    skews = dict.fromkeys(group.skew for group in plan.groups if not group.stress)
    settings = [
        Setting(skew.name, own)
        for skew in skews
        if (
            own := tuple(
                rivals[g.folder] for g in plan.groups if g.skew == skew and not g.stress and g.folder in rivals
            )
        )
    ]
    if not settings:
        return None
    refused = {stress.name: reason for stress, reason in plan.refused}
    hardships = []
    for stress in STRESSES if plan.stressed else ():
        # A way of dealing that is among the skews has its cells there.
        own = tuple(
            rivals[g.folder]
            for g in plan.groups
            if g.folder in rivals and (g.stress == stress.name or (stress.skew in skews and g.skew == stress.skew))
        )
        hardships.append(Hardship(stress.name, own, refused.get(stress.name, "")))
    calm = [g for g in plan.groups if not g.stress and g.skew == plan.groups[0].skew and g.folder in rivals]
    mixings, unmixed = mixings_of(calm)
    return write_comparison(Comparison(tuple(settings), tuple(hardships), target, mixings, unmixed), out)
