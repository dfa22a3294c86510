"""How a run folder begins: made for one contract, or found to be that contract's, or left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from p2pfl_me.atomic import gone_if_refused, write_whole
from p2pfl_me.contract import Contract, breaks, changes, contract_from_yaml, digest, dump_contract, load_contract
from p2pfl_me.errors import RunError
from p2pfl_me.files import private_folder, read_regular, read_text, refusing
from p2pfl_me.run.folder import RunFolder

OURS = ("contract.yaml", "manifest.json", "shards", "peer-*.jsonl", "egress-*.jsonl")
"""What a swarm may have written before its first round."""


def new_folder(run: Path, contract: Contract) -> None:
    """Make the folder of a run that begins.

    Raises
    ------
    RunError
        It holds a run already, or cannot be written.
    """
    folder = RunFolder(run)
    if folder.contract.exists():
        raise RunError("this folder holds a run already", where=str(run), fix="name another with --out, or remove it")
    with refusing(RunError, run, "name another with --out"):
        private_folder(run)
        write_whole(folder.contract, dump_contract(contract), sync=True)


@contextmanager
def undone_if_refused(run: Path, contract: Contract) -> Iterator[None]:
    """A `new_folder` that goes again when the block refuses the contract or the data.

    A folder that was there before keeps what is not the swarm's own, and what it held.
    """
    with gone_if_refused(run, ours=OURS):
        new_folder(run, contract)
        yield


def keep_contract(run: Path, contract: Contract, *, agreed: bool = False) -> tuple[str, ...]:
    """Put the contract into the folder of one peer's run, or see that its run may go on; the keys that changed.

    One under which no peer has come to its first checkpoint gives way: it was mended before the run could begin. Later
    it is kept beside the new one, which may differ in all that a model's history does not depend on; so is one that the
    members have `agreed` to change, from the beginning.

    Raises
    ------
    RunError
        The folder belongs to a run whose models have another history, or cannot be written.
    """
    folder = RunFolder(run)
    path = folder.contract
    with refusing(RunError, run, "name another with --out"):
        private_folder(run)
        kept = _kept(path)
        if kept is None or (digest(kept) != digest(contract) and not folder.checkpoint.all() and not agreed):
            write_whole(path, dump_contract(contract), sync=True)
            return ()
        if digest(kept) == digest(contract):
            return ()
        _require_history(run, kept, contract)
        # Killed between the two, this is done once more, under the same number.
        earlier = folder.earlier_contract(changes_behind(run) + 1)
        write_whole(earlier, dump_contract(kept), sync=True)
        write_whole(path, dump_contract(contract), sync=True)
        return changes(kept, contract)


def would_change(run: Path, contract: Contract) -> tuple[str, ...]:
    """The keys that change if the run of a folder goes on under this contract; what `keep_contract` refuses is refused,
    and nothing is written.

    Raises
    ------
    RunError
        As there.
    """
    with refusing(RunError, run, "name another with --out", "cannot be read"):
        kept = _kept(RunFolder(run).contract)
        if kept is None or digest(kept) == digest(contract) or not RunFolder(run).checkpoint.all():
            return ()
    _require_history(run, kept, contract)
    return changes(kept, contract)


def _kept(path: Path) -> Contract | None:
    try:
        return contract_from_yaml(read_text(path), name=str(path)) if path.exists() else None
    except UnicodeDecodeError as error:
        raise RunError("is not text", where=str(path), fix="name another folder with --out") from error


def _require_history(run: Path, kept: Contract, contract: Contract) -> None:
    broken = breaks(kept, contract)
    if not broken:
        return
    if broken == ("model.backbone.answers",):
        raise RunError(
            "this folder holds a run of another version of the network's file: all tensors are alike, and it computes "
            "something else with them (`model.backbone.answers` differ)",
            where=str(run),
            fix="take the version that the run began with, or name another folder with --out",
        )
    parts = ", ".join(f"`{key}`" for key in broken)
    raise RunError(
        f"this folder holds a run under another contract ({parts} differ), and a model's history depends on that",
        where=str(run),
        fix="name another folder with --out (`--from MODEL` begins with a model), or use this one's own contract.yaml",
    )


def changes_behind(run: Path) -> int:
    """How many changes are behind the contract of a run folder."""
    folder = RunFolder(run)
    earlier = folder.earlier_contracts()
    if not earlier:
        return 0
    last = int(earlier[-1].stem.rpartition("-")[2])
    interrupted = folder.contract.exists() and read_regular(earlier[-1]) == read_regular(folder.contract)
    return last - interrupted


def contracts_of(run: Path) -> dict[str, Contract]:
    """The contracts under which the run of a folder has gone on, by their digests (hex).

    Raises
    ------
    ContractError
        One of them cannot be read.
    """
    folder = RunFolder(run)
    found = (load_contract(path) for path in [*folder.earlier_contracts(), folder.contract] if path.exists())
    return {digest(contract).hex(): contract for contract in found}
