"""Runs that differ only in their seed belong together; groups of them are what a report compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p2pfl_me.report.run import Run


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one contract and one data set with different seeds, under a name unique in the report."""

    name: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self.runs)


def group_runs(runs: Sequence[Run]) -> tuple[Group, ...]:
    """Group `runs`, in the order of their first appearance.

    Two groups whose contracts have the same name get what differs between them added to it.
    """
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(_key(run), []).append(run)
    members = [tuple(sorted(group, key=lambda run: run.seed)) for group in groups.values()]
    names = _unique([_name(group[0], [other[0] for other in members]) for group in members])
    return tuple(Group(name, group) for name, group in zip(names, members, strict=True))


def _key(run: Run) -> tuple[Any, ...]:
    # A drawn data set is another one for every seed, a folder of clips is not: its digest counts.
    digest = "" if run.manifest.data_source == "synthetic" else run.manifest.data_digest
    return (run.contract.model_copy(update={"seed": 0}).model_dump_json(), run.manifest.data_source, digest)


def _name(run: Run, others: Sequence[Run]) -> str:
    name = run.contract.name
    namesakes = [other for other in others if other.contract.name == name]
    flat = [_flat(other.contract.model_dump(mode="json")) for other in namesakes]
    own = _flat(run.contract.model_dump(mode="json"))
    keys = sorted({key for each in flat for key in each if key != "seed"})
    differing = [key for key in keys if len({repr(each.get(key)) for each in flat}) > 1]
    if not differing:
        return name
    words = [f"{key.rpartition('.')[2]} {own.get(key)}" for key in differing[:3]]
    return f"{name} ({', '.join(words)})"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{prefix}{key}."))
        else:
            found[f"{prefix}{key}"] = value
    return found


def _unique(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        repeats = sum(1 for other in found if other == name or other.startswith(f"{name} #"))
        found.append(f"{name} #{repeats + 1}" if repeats else name)
    return found
