"""From what the user asked for to the cells to run: contracts x varied keys x skews x seeds. Nothing runs here."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from p2pfl_me.compare.engines import DEFAULT, ENGINES, Trouble
from p2pfl_me.compare.fit import require_fit, with_peers
from p2pfl_me.compare.skew import AS_WRITTEN, Skew
from p2pfl_me.compare.stress import STRESSES, Stress
from p2pfl_me.contract import Contract, digest, load_contract
from p2pfl_me.errors import ContractError

SHARED = ("seed", "model", "training", "data")
"""Sections that all contracts take from the first, so that they differ in topology and gossip alone."""


@dataclass(frozen=True, slots=True)
class Request:
    """What `p2pme compare` was asked for; `varied` are texts `key=value1,value2`."""

    contracts: tuple[Path, ...]
    out: Path
    seeds: int = 3
    peers: int | None = None
    rounds: int | None = None
    overrides: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()
    skews: tuple[Skew, ...] = ()
    stress: bool = False
    baselines: bool = True
    engine: str = DEFAULT
    data: Path | None = None
    weights: Path | None = None
    target: float | None = None
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Cells that differ in nothing but the seed: one row of the page. `folder` is unique in the comparison."""

    name: str
    folder: str
    skew: Skew
    contract: Contract
    stress: str = ""
    trouble: Trouble | None = None

    def of_seed(self, seed: int) -> Contract:
        return self.contract.model_copy(update={"seed": seed})


@dataclass(frozen=True, slots=True)
class Plan:
    """All groups, in the order of the page, and the stresses that the engine cannot run with the reason."""

    groups: tuple[Group, ...]
    seeds: tuple[int, ...]
    stressed: bool = False
    refused: tuple[tuple[Stress, str], ...] = ()
    notes: tuple[str, ...] = ()


def make_plan(request: Request) -> Plan:
    """Expand the grid.

    Raises
    ------
    ContractError
        A contract, a key, a value or a number of peers cannot be; before anything runs.
    """
    if not request.contracts:
        raise ContractError("nothing to compare", fix="name contracts, as topologies/ring.yaml topologies/torus.yaml")
    engine = ENGINES[request.engine]
    if request.jobs > 1 and not engine.in_process:
        raise ContractError(
            f"--jobs {request.jobs}: cells of real processes use all cores and the contract's ports already",
            where="--engine",
            fix="leave --jobs out; it is for engines that run a whole swarm in one process",
        )
    variants = list(product(*(_values(text) for text in request.varied)))
    names = _names(request.contracts)
    stresses = STRESSES if request.stress else ()
    refused = tuple((each, reason) for each in stresses if (reason := each.refusal(engine)))
    skews = request.skews or (AS_WRITTEN,)
    # A way of dealing that is asked for anyway is not run a second time.
    runnable = [each for each in stresses if not each.refusal(engine) and each.skew not in skews]
    notes: dict[str, None] = {}
    groups = [
        group for skew in skews for variant in variants for group in _row(request, names, variant, skew, None, notes)
    ]
    for stress in runnable:
        for variant in variants:
            groups += _row(request, names, variant, stress.skew or skews[0], stress, notes)
    _require_unique(groups)
    first = groups[0].contract.seed
    return Plan(tuple(groups), tuple(range(first, first + request.seeds)), request.stress, refused, tuple(notes))


Variant = tuple[tuple[str, str, str], ...]
"""(override, its words, its slug) of every varied key."""


def _values(text: str) -> list[tuple[str, str, str]]:
    key, equals, listed = text.partition("=")
    key = key.strip()
    try:
        values = yaml.safe_load(f"[{listed}]") if equals and key else None
    except yaml.YAMLError:
        values = None
    if not values:
        raise ContractError(
            f"cannot read `{text}`", where="--vary", fix="write section.key=value,value, as training.local_epochs=1,2,4"
        )
    if key.split(".")[0] in {"peers", "name", "version", "seed"}:
        raise ContractError(f"`{key}` cannot be varied", where="--vary", fix="--peers and --seeds set these for all")
    last = key.rpartition(".")[2]
    return [(f"{key}={json.dumps(value)}", f"{last} {_word(value)}", f"{last}-{_word(value)}") for value in values]


def _word(value: Any) -> str:
    """`topk fraction 0.1` for {kind: topk, fraction: 0.1}, `none` for null."""
    if isinstance(value, dict):
        return " ".join(_word(inner) if key == "kind" else f"{key} {_word(inner)}" for key, inner in value.items())
    return "none" if value is None else json.dumps(value) if isinstance(value, list) else str(value)


def _row(
    request: Request, names: Sequence[str], variant: Variant, skew: Skew, stress: Stress | None, notes: dict[str, None]
) -> list[Group]:
    """One group a contract, all with the first one's model, training and data."""
    overrides = [*request.overrides, *(override for override, _, _ in variant), *skew.overrides]
    if request.rounds is not None:
        overrides.append(f"training.rounds={request.rounds}")
    rows: list[Group] = []
    leader: Contract | None = None
    for path, name in zip(request.contracts, names, strict=True):
        contract = load_contract(path, overrides)
        if leader is None:
            leader = with_peers(contract, request.peers or contract.peers.count)
        contract = with_peers(_like(contract, leader, path, notes), leader.peers.count)
        require_fit(contract, str(path))
        if require := ENGINES[request.engine].require:
            require(contract, str(path))
        slugs = [name, *(slug for _, _, slug in variant)]
        slugs += [skew.name] if skew.overrides else []
        slugs += [stress.name] if stress and stress.skew is None else []
        slugs += [request.engine] if request.engine != DEFAULT else []
        rows.append(
            Group(
                ", ".join([name, *(words for _, words, _ in variant)]),
                "--".join(_slug(each) for each in slugs),
                skew,
                contract,
                stress.name if stress else "",
                stress.trouble if stress else None,
            )
        )
    return rows


def _like(contract: Contract, leader: Contract, path: Path, notes: dict[str, None]) -> Contract:
    taken = [name for name in SHARED if getattr(contract, name) != getattr(leader, name)]
    if not taken:
        return contract
    notes[f"{path}: {', '.join(taken)} taken from {leader.name}, so that all cells share them"] = None
    values = contract.model_dump(mode="json") | {name: leader.model_dump(mode="json")[name] for name in taken}
    return Contract.model_validate(values)


def _names(paths: Sequence[Path]) -> list[str]:
    names = [load_contract(path).name for path in paths]
    return [name if names.count(name) == 1 else path.stem for name, path in zip(names, paths, strict=True)]


def _require_unique(groups: Sequence[Group]) -> None:
    seen: dict[str, Group] = {}
    cells: dict[tuple[bytes, str], Group] = {}
    for group in groups:
        key = (digest(group.contract), group.stress)
        if group.folder in seen or key in cells:
            raise ContractError(
                f"`{group.name}` stands twice in the comparison",
                where=group.contract.name,
                fix="name each contract, value and --skew once, and give contracts different names",
            )
        seen[group.folder], cells[key] = group, group


def _slug(words: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", words).strip("-.").lower() or "x"
