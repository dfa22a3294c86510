"""How a run folder begins: made for one contract, or found to be that contract's, or left as it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from p2pfl_me.contract import Contract, contract_from_yaml, digest, dump_contract, section_digests
from p2pfl_me.errors import P2pmeError, RunError
from p2pfl_me.files import private_folder, refusing, write_whole
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
    """A `new_folder` that does not stay to block the corrected command when the block refuses the contract or its data.

    A folder that was there before keeps what is not the swarm's own, and what it held.
    """
    was_there = run.exists()
    before = set(run.iterdir()) if run.is_dir() else set[Path]()
    new_folder(run, contract)
    try:
        yield
    except P2pmeError:
        if not was_there:
            shutil.rmtree(run)
        for path in {path for name in OURS for path in run.glob(name)} - before:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def keep_contract(run: Path, contract: Contract) -> None:
    """Put the contract into the folder of one peer's run, or see that the one there is the same.

    One under which no peer has come to its first checkpoint gives way: it was mended before the run could begin.

    Raises
    ------
    RunError
        The folder belongs to a run under another contract, or cannot be written.
    """
    path = RunFolder(run).contract
    try:
        with refusing(RunError, run, "name another with --out"):
            private_folder(run)
            kept = contract_from_yaml(path.read_text(encoding="utf-8"), name=str(path)) if path.exists() else None
            if kept is None or (digest(kept) != digest(contract) and not RunFolder(run).checkpoint.all()):
                write_whole(path, dump_contract(contract), sync=True)
                return
    except UnicodeDecodeError as error:
        raise RunError("is not text", where=str(path), fix="name another folder with --out") from error
    if digest(kept) != digest(contract):
        here, there = section_digests(contract), section_digests(kept)
        parts = ", ".join(f"`{key}`" for key in here if here[key] != there[key])
        raise RunError(
            f"this folder holds a run under another contract ({parts} differ)",
            where=str(run),
            fix="name another folder with --out, or use this one's own contract.yaml",
        )
