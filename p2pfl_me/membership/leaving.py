"""A member's own leaving: the one change that nobody has to be asked about.

Whoever may stop at any moment may also say beforehand that it will. So a view that takes its own signer out of the
contract, and changes nothing else, is approved of by every peer that hears of it, by itself: the others' operators type
nothing. It counts like any other view, by the approvals of enough members, each of whom approves of one change under
each number. So neither a member that says two things, nor two that leave at once, can split the federation.

Several who leave at once may find the approvals divided, and none has enough. Then the lower id goes first: whoever has
approved of another change may approve of that leaving instead, once it sees that the other one has come to nothing, as
so many have approved of leavings of lower ids that those who are left are too few for it. An approval only ever goes
down in this order, and so it ends; and a change that has been agreed to anywhere is never seen so: the first who went
over from it had seen more than `members - needed` who had gone past it without approving of it, and never will.
"""

from __future__ import annotations

from p2pfl_me.contract import Contract, digest
from p2pfl_me.errors import ContractError
from p2pfl_me.membership.agreed import Standing, Witness, approvals_due, followed, keys_of
from p2pfl_me.membership.edits import without
from p2pfl_me.membership.views import View

WITHIN = 20
"""Rounds before a member's last one, from which on the others approve: until then other changes may come first."""


def leaver_of(standing: Standing, view: View, witness: Witness) -> int | None:
    """Whose own leaving a view is, as far as a witness can see; None where it is anything else.

    It is one if its contract is the one that `edits.without` makes of the present one, for a member who approves of it.
    """
    try:
        new = followed(standing, view)
        gone = set(standing.contract.peers.present) - set(new.peers.present)
        if len(gone) != 1:
            return None
        (leaver,) = gone
        is_only_that = digest(without(standing.contract, leaver)).hex() == view.after
    except ContractError:
        return None
    return leaver if is_only_that and leaver in witness.approvers(standing.contract, view) else None


def is_same_change(one: bytes, other: bytes) -> bool:
    """Whether two statements of views lead to the same contract under the same number, if in different rounds.

    Who approves of both brings no second contract about.
    """
    return one.splitlines()[:4] == other.splitlines()[:4]


def place_of(standing: Standing, statement: bytes) -> int:
    """Where a statement stands among those of its number, of which the lowest goes first where approvals are divided:
    at the id of the member that leaves by it; behind all members, if it is no leaving of a single one."""
    after = statement.splitlines()[3].decode()
    for member in standing.contract.peers.present:
        try:
            if digest(without(standing.contract, member)).hex() == after:
                return member
        except ContractError:
            continue
    return standing.contract.peers.count


def has_come_to_nothing(contract: Contract, ahead: int) -> bool:
    """Whether a change cannot be approved by enough any more, if so many have approved of leavings that stand before it
    and nobody approves of two changes but by this rule."""
    return ahead > len(keys_of(contract)) - approvals_due(contract, running=True)
