"""From what the user asked for to the cells: contracts x varied keys x skews x peers x seeds. Nothing runs here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from p2pfl_me.compare.faults import FaultCondition, conditions_of
from p2pfl_me.compare.fit import require_fit, with_peers
from p2pfl_me.compare.request import Draft, Request, Source
from p2pfl_me.compare.skew import AS_WRITTEN, Skew
from p2pfl_me.contract import Contract, contract_from_yaml, digest, dump_contract
from p2pfl_me.contract.noise_graph import noise_warning
from p2pfl_me.contract.ready import read_contract
from p2pfl_me.contract.varied import Variant, key_of, slug_of, values_of
from p2pfl_me.counting import many
from p2pfl_me.data.clip import Manifest
from p2pfl_me.engines import DEFAULT, ENGINES
from p2pfl_me.errors import ContractError
from p2pfl_me.simulation.fitted_faults import Faults
from p2pfl_me.topology.cut import cut_warning

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies

SHARED = ("seed", "model", "training", "data")
"""Sections that all contracts take from the first, so that they differ in topology and gossip alone."""


@dataclass(frozen=True, slots=True)
class Group:
    """Cells that differ in nothing but the seed: one row of the page. `folder` is unique in the comparison.

    `setting` names the part of the page: rows there have the same clips at the same peers. `read` are the user's clips
    with the contract's classes, the same object in all groups of one model.
    """

    name: str
    folder: str
    skew: Skew
    setting: str
    contract: Contract
    condition: str = ""
    faults: Faults | None = None
    lies: Lies | None = None
    read: Manifest | None = field(default=None, repr=False, compare=False)

    def of_seed(self, seed: int) -> Contract:
        return self.contract.model_copy(update={"seed": seed})


@dataclass(frozen=True, slots=True)
class Grid:
    """All groups, in the order of the page, and the conditions that the engine cannot run with the reason."""

    groups: tuple[Group, ...]
    seeds: tuple[int, ...]
    conditions: tuple[FaultCondition, ...] = ()
    refused: tuple[tuple[FaultCondition, str], ...] = ()
    notes: tuple[str, ...] = ()


def make_grid(request: Request) -> Grid:
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
    if not request.place.here and not engine.in_process:
        raise ContractError(
            f"cells of `--engine {request.engine}` are processes on one machine's ports, a cluster's tasks are not",
            where="--on",
            fix="take --engine lockstep or simulate, which reach the same weights; or run it here without --on",
        )
    _require_apart(request)
    axes = [values_of(text) for text in request.varied]
    axes += [tuple(each.value for each in request.protections)] if request.protections else []
    variants = list(product(*axes))
    names = _names(request.contracts)
    conditions = conditions_of(request.stress, request.lies)
    if request.lies and engine.honest:
        raise ContractError(engine.honest, where="--attack", fix="take --engine simulate")
    refused = tuple((each, reason) for each in conditions if (reason := each.refusal(engine)))
    skews = request.skews or (AS_WRITTEN,)
    # A way of dealing that is asked for anyway is not run a second time.
    runnable = [each for each in conditions if not each.refusal(engine) and each.skew not in skews]
    notes: dict[str, None] = {}
    counts = request.peers or (None,)
    groups = [
        group
        for skew, count, variant in product(skews, counts, variants)
        for group in _row(request, names, variant, skew, count, None, notes)
    ]
    for condition, variant in product(runnable, variants):
        groups += _row(request, names, variant, condition.skew or skews[0], counts[0], condition, notes)
    _require_unique(groups)
    first = groups[0].contract.seed
    return Grid(tuple(groups), tuple(range(first, first + request.seeds)), conditions, refused, tuple(notes))


def _require_apart(request: Request) -> None:
    """No key is set by two options: a row would not be what its name says."""
    varied, given = ([key_of(text) for text in texts] for texts in (request.varied, request.overrides))
    fixed = {
        "--rounds": ["training.rounds"] if request.rounds is not None else [],
        "--peers": ["peers"] if request.peers else [],
        "--skew": [key_of(text) for skew in request.skews for text in skew.overrides],
    }
    fixed["--protect"] = ["privacy"] if request.protections else []
    beside = {"--set": given, **fixed, "--stress": ["data.partition"] if request.stress else []}
    for option, keys, others in (("--vary", varied, beside), ("--set", given, fixed)):
        for key, (other, each) in product(keys, [(name, each) for name, all_ in others.items() for each in all_]):
            if f"{key}.".startswith(f"{each}.") or f"{each}.".startswith(f"{key}."):
                raise ContractError(
                    f"`{key}` is also set by {other}", where=f"{option} {key}", fix="leave one of the two out"
                )
    for key in varied:
        if varied.count(key) > 1:
            raise ContractError(f"`{key}` is varied twice", where="--vary", fix=f"write all values in one: {key}=1,2")


def _loaded(source: Source, overrides: Sequence[str], variant: Variant) -> Contract:
    """Load a contract; a complaint about an override names the contract and the option as the user wrote it."""
    try:
        if isinstance(source, Draft):
            contract = contract_from_yaml(dump_contract(source.contract), source.name, overrides)
        else:
            contract = read_contract(source, overrides)
    except ContractError as error:
        option, _, key = error.where.partition(" ")
        guard = next((value.words for value in variant if key_of(value.override) == "privacy"), "")
        if guard and key == "privacy":
            raise ContractError(error.what, where=f"{source}, --protect {guard}", fix=error.fix) from error
        if option != "--set":
            raise
        option = "--vary" if any(key_of(value.override) == key for value in variant) else option
        raise ContractError(error.what, where=f"{source}, {option} {key}", fix=error.fix) from error
    if contract.model.backbone.kind == "own":
        raise ContractError(
            "a comparison's cells are made from contracts, which hold no code of your own",
            where=str(source),
            fix="run that one by `p2pme swarm --network`, `p2pme evaluate --network`, or run(contract, network=...)",
        )
    return contract


def _row(
    request: Request,
    names: Sequence[str],
    variant: Variant,
    skew: Skew,
    count: int | None,
    condition: FaultCondition | None,
    notes: dict[str, None],
) -> list[Group]:
    """One group a contract, all with the first one's peers, model, training and data."""
    overrides = [*request.overrides, *(value.override for value in variant), *skew.overrides]
    if request.rounds is not None:
        overrides.append(f"training.rounds={request.rounds}")
    rows: list[Group] = []
    leader: Contract | None = None
    several = many(count, "peer") if count and len(request.peers) > 1 else ""
    setting = f"{skew.name}, {several}" if several else skew.name
    for path, name in zip(request.contracts, names, strict=True):
        contract = _loaded(path, overrides, variant)
        if leader is None:
            leader = with_peers(contract, count or contract.peers.count, str(path))
        _note_peers(contract, leader, path, notes, asked=count is not None)
        contract = with_peers(_like(contract, leader, path, notes), leader.peers.count, str(path))
        contract.gossip.aggregation.require_finished()
        require_fit(contract, str(path))
        if warning := cut_warning(contract):
            notes[f"{path}: {warning}"] = None
        if warning := noise_warning(contract):
            notes[f"{path}: {warning}"] = None
        if condition and condition.lies:
            condition.lies.require_fit(contract)
        if require := ENGINES[request.engine].require:
            require(contract, str(path))
        slugs = [name, *(value.slug for value in variant)]
        slugs += [skew.name] if skew.overrides else []
        slugs += [several] if several else []
        slugs += [condition.name] if condition and condition.skew is None else []
        slugs += [request.engine] if request.engine != DEFAULT else []
        words = [name, *(value.words for value in variant)]
        if request.protections and len(names) == 1:
            del words[0]  # of one contract the protections tell its rows apart
        rows.append(
            Group(
                ", ".join(words),
                "--".join(slug_of(each) for each in slugs),
                skew,
                setting,
                contract,
                condition.name if condition else "",
                condition.faults if condition else None,
                condition.lies if condition else None,
            )
        )
    return rows


def _like(contract: Contract, leader: Contract, path: Source, notes: dict[str, None]) -> Contract:
    taken = [name for name in SHARED if getattr(contract, name) != getattr(leader, name)]
    if not taken:
        return contract
    notes[f"{path}: {', '.join(taken)} taken from {leader.name}, so that all cells share them"] = None
    values = contract.model_dump(mode="json") | {name: leader.model_dump(mode="json")[name] for name in taken}
    return Contract.model_validate(values)


def _note_peers(contract: Contract, leader: Contract, path: Source, notes: dict[str, None], *, asked: bool) -> None:
    """What of a contract's peers is not as it was written."""
    count = leader.peers.count
    if contract.peers.count != count and not asked:
        notes[f"{path}: {many(count, 'peer')} as {leader.name} has, instead of {contract.peers.count}"] = None
    if contract.peers.members:
        notes[f"{path}: addresses and keys of its members are left out; the peers run on this machine"] = None
    if beyond := sorted(peer for peer in contract.peers.widths if peer >= count):
        notes[f"{path}: widths of peers {', '.join(map(str, beyond))} are left out: there are {count}"] = None


def _names(sources: Sequence[Source]) -> list[str]:
    """A draft bears the name that it was given, a file its contract's, or its own where two contracts have one name."""
    names = [source.name if isinstance(source, Draft) else read_contract(source).name for source in sources]
    return [
        source.stem if isinstance(source, Path) and names.count(name) > 1 else name
        for name, source in zip(names, sources, strict=True)
    ]


def _require_unique(groups: Sequence[Group]) -> None:
    seen: dict[str, Group] = {}
    cells: dict[tuple[bytes, str], Group] = {}
    for group in groups:
        key = (digest(group.contract), group.condition)
        if group.folder in seen or key in cells:
            raise ContractError(
                f"`{group.name}` stands twice in the comparison",
                where=group.contract.name,
                fix="name each contract, value and --skew once, and give contracts different names",
            )
        seen[group.folder], cells[key] = group, group
