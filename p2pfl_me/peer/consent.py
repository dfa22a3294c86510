"""Whether the members have agreed to the change of contract under which a peer would go on. No torch here."""

from __future__ import annotations

from pathlib import Path

from p2pfl_me.contract import Contract, breaks, changes, digest, load_contract
from p2pfl_me.errors import ContractError
from p2pfl_me.files import read_text
from p2pfl_me.membership.agreed import Standing, Witness, approvals_due, keys_of, proposed
from p2pfl_me.membership.views import LONGEST, View, from_text
from p2pfl_me.run.beginning import changes_behind
from p2pfl_me.run.folder import RunFolder


def standing_of(run: Path) -> Standing:
    """Where the run in a folder stands.

    Raises
    ------
    ContractError
        There is no run.
    """
    return Standing(changes_behind(run), load_contract(RunFolder(run).contract))


def proposal(run: Path, new: Contract, round: int = 0) -> tuple[View, Contract]:
    """The view of a change of the run in a folder to a new contract, and the contract it goes on under now.

    Raises
    ------
    ContractError
        There is no run, nothing changes, or the models' history would.
    """
    standing = standing_of(run)
    return proposed(standing, new, round), standing.contract


def read_view(path: Path) -> View:
    """The view in a file.

    Raises
    ------
    ContractError
        There is none.
    """
    try:
        return from_text(read_text(path, LONGEST), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"cannot be read: {error}", where=str(path), fix="check the file") from error


def require_consent(run: Path, contract: Contract, witness: Witness, view: Path | None) -> None:
    """See that enough members of the contract in the folder approve of going on under this one.

    Raises
    ------
    ContractError
        They do not, as far as this peer can tell.
    """
    folder = RunFolder(run)
    if not folder.contract.exists() or not folder.checkpoint.all():
        return
    now = load_contract(folder.contract)
    if now.peers.approve is None or digest(now) == digest(contract) or breaks(now, contract):
        return  # the last is refused with its own words
    wanted, _ = proposal(run, contract)
    keys = keys_of(now)
    many = approvals_due(now, running=False)
    given = read_view(view) if view else wanted
    if (given.number, given.before, given.after) != (wanted.number, wanted.before, wanted.after):
        raise ContractError(
            f"is the view of another change (number {given.number}, and this would be {wanted.number} of this run)",
            where=str(view),
            fix="take the view that was approved for exactly this contract",
        )
    found = sorted(witness.approvers(now, given))
    if len(found) < many:
        who = f"{', '.join(map(str, found))} approve" if found else "nobody approves"
        changed = ", ".join(changes(now, contract))
        raise ContractError(
            f"{many} of {len(keys)} members must approve of {changed} (peers.approve), and {who}",
            where=str(view or run),
            fix="`p2pme propose` and `p2pme approve` make a view; give it with --view",
        )
