"""From finished cells to the comparison's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from p2pfl_me.compare.grid import Grid, Group
from p2pfl_me.compare.mixing import mixings_of

if TYPE_CHECKING:
    from p2pfl_me.report.methods import Method, Protected, Setting


def cell_folder(out: Path, group: Group, seed: int) -> Path:
    """DIR/cells/NAME/seed-S: the run folder of one cell."""
    return out / "cells" / group.folder / f"seed-{seed}"


def methods_of(grid: Grid, out: Path, done: Sequence[tuple[Group, int]]) -> dict[str, Method]:
    """Each group's finished runs, by its folder.

    Raises
    ------
    RunError
        A run folder cannot be read.
    """
    from p2pfl_me.report.methods import Method
    from p2pfl_me.report.run import read_run

    methods: dict[str, Method] = {}
    for group in grid.groups:
        seeds = [seed for seed in grid.seeds if (group, seed) in done]
        if seeds:
            methods[group.folder] = Method(group.name, tuple(read_run(cell_folder(out, group, each)) for each in seeds))
    return methods


def settings_of(grid: Grid, methods: Mapping[str, Method], target: float | None) -> list[Setting]:
    """What ran undisturbed, by setting."""
    from p2pfl_me.report.methods import Setting

    calm = [group for group in grid.groups if not group.condition]
    return [
        Setting(name, own, target)
        for name in dict.fromkeys(group.setting for group in calm)
        if (own := tuple(methods[g.folder] for g in calm if g.setting == name and g.folder in methods))
    ]


def write_page(
    grid: Grid, out: Path, methods: Mapping[str, Method], target: float | None, protections: tuple[Protected, ...] = ()
) -> Path | None:
    """Write the page on the finished cells; its path, or None where no undisturbed cell is done.

    Raises
    ------
    RunError
        The page cannot be written.
    """
    from p2pfl_me.report.methods import Comparison, UnderFaults
    from p2pfl_me.report.write import write_comparison

    calm = [group for group in grid.groups if not group.condition]
    settings = settings_of(grid, methods, target)
    if not settings:
        return None
    refused = {condition.name: reason for condition, reason in grid.refused}
    # A stress is run with the first number of peers; a way of dealing that is among the skews has its cells there.
    ways = {g.skew: g.setting for g in reversed(calm)}
    under_faults = []
    for condition in grid.conditions:
        there = ways.get(condition.skew) if condition.skew else None
        own = tuple(
            methods[g.folder]
            for g in grid.groups
            if g.folder in methods and (g.condition == condition.name or (not g.condition and g.setting == there))
        )
        under_faults.append(UnderFaults(condition.name, own, refused.get(condition.name, "")))
    mixings, unmixed = mixings_of([g for g in calm if g.setting == calm[0].setting and g.folder in methods])
    return write_comparison(Comparison(tuple(settings), tuple(under_faults), mixings, unmixed, protections), out)
