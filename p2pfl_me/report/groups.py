"""Runs that differ only in their seed belong together: they are one method, and a report compares methods.

A run again with the same seed says nothing of other seeds: it stands in a method of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from p2pfl_me.report.formatting import many
from p2pfl_me.report.methods import Method
from p2pfl_me.report.run import Run
from p2pfl_me.report.short_names import short

LONG = 40
"""Letters of a value in a name, at most."""


def methods_of(runs: Sequence[Run]) -> tuple[Method, ...]:
    """Group `runs` by contract and data set, in the order of their first appearance, each with a name of its own.

    Two whose contracts have the same name get what differs between them added to it.
    """
    groups: dict[tuple[tuple[Any, ...], int], list[Run]] = {}
    seen: Counter[tuple[tuple[Any, ...], int]] = Counter()
    for run in runs:
        key = _key(run)
        seen[key, run.seed] += 1
        groups.setdefault((key, seen[key, run.seed]), []).append(run)
    members = {key: tuple(sorted(group, key=lambda run: run.seed)) for key, group in groups.items()}
    kinds = {key: group[0] for (key, repeat), group in members.items() if repeat == 1}
    names = dict(zip(kinds, _unique([_name(run, list(kinds.values())) for run in kinds.values()]), strict=True))
    return tuple(
        Method(f"{names[key]}, repeat {repeat}" if repeat > 1 else names[key], group, repeat)
        for (key, repeat), group in members.items()
    )


def _key(run: Run) -> tuple[Any, ...]:
    # A drawn data set is another one for every seed, a folder of clips is not: its digest counts.
    digest = "" if run.manifest.clips.source == "synthetic" else run.manifest.clips.digest
    lies = (run.manifest.attack, len(run.manifest.liars))
    return (run.contract.model_copy(update={"seed": 0}).model_dump_json(), run.manifest.clips.source, digest, *lies)


def _name(run: Run, others: Sequence[Run]) -> str:
    name = run.contract.name
    if run.manifest.liars:
        return f"{name} ({many(len(run.manifest.liars), 'liar')}, {run.manifest.attack})"
    namesakes = [other for other in others if other.contract.name == name]
    flat = [_flat(other.contract.model_dump(mode="json")) for other in namesakes]
    own = _flat(run.contract.model_dump(mode="json"))
    keys = sorted({key for each in flat for key in each if key != "seed"})
    differing = [key for key in keys if len({repr(each.get(key)) for each in flat}) > 1]
    if not differing:
        return name
    words = [_in_words(key, own.get(key)) for key in differing[:3]]
    return f"{name} ({', '.join(words)})"


def _in_words(key: str, value: object) -> str:
    """What a contract says under a key, in a name; what is long is counted, and `_unique` tells such names apart."""
    word = key.rpartition(".")[2]
    if isinstance(value, list | tuple) and len(str(value)) > LONG:
        return f"{len(value)} {word}"
    return f"{word} {short(str(value), LONG)}"


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
