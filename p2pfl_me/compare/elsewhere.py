"""Cells on other machines: each node reads the clips at its own path and must find the same; files come back as bytes.

Only the command that was given writes to the comparison's folder, a whole cell at a time.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from p2pfl_me.atomic import write_whole
from p2pfl_me.cluster.hands import Need, hands_of
from p2pfl_me.cluster.place import HERE
from p2pfl_me.compare.cells import clear
from p2pfl_me.compare.one import Cell, run_cell
from p2pfl_me.compare.page import cell_folder
from p2pfl_me.compare.request import Request
from p2pfl_me.compare.shared import deal_once, shared_key
from p2pfl_me.contract import Contract
from p2pfl_me.engines import ENGINES
from p2pfl_me.errors import DataError, RunError
from p2pfl_me.files import private_folder, refusing
from p2pfl_me.home import home

PROCESS = 700_000_000
"""Bytes of a worker that has imported torch and trains something small."""
MODELS_A_PEER = 12
"""Models that an engine in one process holds for each peer, messages on their way among them."""
ARRIVING = "arriving"


@dataclass(frozen=True, slots=True)
class Errand:
    """A cell whose clips are read on its node; `digest` is that of the clips as they were dealt here."""

    cell: Cell
    digest: str


@dataclass(frozen=True, slots=True)
class Back:
    """How a cell ended, and its files by path."""

    code: int
    files: Mapping[str, bytes] = field(repr=False)


def codes_elsewhere(request: Request, digests: Mapping[Cell, str]) -> Iterator[tuple[Cell, int]]:
    """Run the cells whose clips have these digests; each with its engine's exit code, as soon as its folder is here.

    Raises
    ------
    P2pmeError
        A node has other clips or another program, a worker died too often, or the disk failed.
    """
    if not digests:
        return
    need = Need(max(_memory(group.contract) for group, _ in digests))
    path = request.data.absolute() if request.data else None
    weights = request.weights.absolute() if request.weights else None
    there = replace(request, contracts=(), out=Path(), data=path, weights=weights, place=HERE)
    cells = {(group.folder, seed): (group, seed) for group, seed in digests}
    errands = [Errand((replace(group, read=None), seed), digest) for (group, seed), digest in digests.items()]
    shared = (there, " ".join(sys.argv))
    for errand, back in hands_of(request.place, 1, __name__, need).do(_run, lambda errand: shared, errands):
        group, seed = cells[errand.cell[0].folder, errand.cell[1]]
        _put(request.out, cell_folder(request.out, group, seed), back.files)
        yield (group, seed), back.code


def _memory(contract: Contract) -> int:
    return PROCESS + 4 * MODELS_A_PEER * contract.peers.count * contract.model.layout.size


def _run(request: Request, command: str, errand: Errand) -> Back:
    group, seed = errand.cell
    _require_same_clips(request, group.of_seed(seed), errand.digest)
    with TemporaryDirectory(prefix="p2pme-") as folder:
        own = replace(request, out=Path(folder))
        code = run_cell(own, ENGINES[request.engine], home(), errand.cell, command)
        run = cell_folder(own.out, group, seed)
        files = {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    return Back(code, files)


def _require_same_clips(request: Request, contract: Contract, digest: str) -> None:
    where = str(request.data or "drawn clips")
    if request.data is not None and not request.data.exists():
        raise DataError(
            f"node {platform.node()} has no clips there", where=where, fix="give every node the clips there"
        )
    if _dealt(request.data, shared_key(contract), contract.seed, _Unkeyed(contract)) != digest:
        raise DataError(
            f"node {platform.node()} has other clips there than the machine where the command was given",
            where=where,
            fix="copy the clips anew",
        )


@dataclass(frozen=True, slots=True)
class _Unkeyed:
    """A contract that the rest of the key stands for."""

    contract: Contract = field(compare=False)


@lru_cache(maxsize=64)
def _dealt(data: Path | None, key: str, seed: int, contract: _Unkeyed) -> str:
    """The digest of this node's clips, read once a worker."""
    with TemporaryDirectory(prefix="p2pme-") as folder:
        return deal_once(contract.contract, data, None, home(), Path(folder)).digest


def _put(out: Path, run: Path, files: Mapping[str, bytes]) -> None:
    """The whole folder under its name, or nothing."""
    draft = out / ARRIVING
    clear(run)
    clear(draft)
    with refusing(RunError, run, "free some space, or name another folder with --out"):
        private_folder(draft)
        for name, content in files.items():
            write_whole(draft / name, content)
        private_folder(run.parent)
        draft.rename(run)
