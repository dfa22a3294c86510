"""Whether a view is one that a member goes on under: numbered in turn, approved by enough, and of a sound contract.

Two approved views of one number cannot both be, as long as no more members than `stray` approve of two: each takes more
than half of all, so they have members in common.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from p2pfl_me.contract import Contract, breaks, changes, contract_from_yaml, digest, dump_contract
from p2pfl_me.errors import ContractError
from p2pfl_me.membership.certificates import Book
from p2pfl_me.membership.views import Keys, View, needed
from p2pfl_me.topology import plan_of

MARGIN = 1 << 13
"""Characters by which a contract may be longer than twice the one before it: some twenty members."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands: `number` changes are behind its `contract`."""

    number: int
    contract: Contract = field(repr=False)


@dataclass(frozen=True, slots=True)
class Witness:
    """Who looks at approvals: the keys that it holds, the one by which others know it first, and what it believes of
    the others' (`Book`): a member approves by the key that the contract names, or by one that has followed it."""

    mine: tuple[X25519PrivateKey, ...] = field(repr=False)
    book: Book = field(default_factory=Book, repr=False)

    def keys(self, contract: Contract) -> Keys:
        """By which keys each member can have approved of a change of this contract."""
        return {member: self.book.said(public) for member, public in keys_of(contract).items()}

    def approvers(self, contract: Contract, view: View) -> frozenset[int]:
        """The members of this contract whose approval of a view this witness can see to be theirs."""
        return view.approvers(self.mine, self.keys(contract))


def keys_of(contract: Contract) -> dict[int, bytes]:
    """The public keys by id of the members that take part and have one."""
    members = contract.peers.members or ()
    return {each.id: base64.b64decode(each.public_key) for each in members if each.public_key and not each.left}


def approvals_due(contract: Contract, *, running: bool) -> int:
    """How many members must approve of a change of this contract: more than half where it spreads by itself.

    Raises
    ------
    ContractError
        The contract does not say that it may be changed so.
    """
    share = contract.peers.approve
    count = len(keys_of(contract))
    if share is None:
        if not running:
            return 0
        raise ContractError(
            "peers.approve is not stated, so no change can spread by itself",
            where=contract.name,
            fix="stop the peers, and give each a contract that states it; changes from there on can",
        )
    return max(needed(share, count), count // 2 + 1) if running else needed(share, count)


def stray(contract: Contract) -> int:
    """How many members may approve of two views of one number, and no two of them are approved all the same."""
    return 2 * approvals_due(contract, running=True) - len(keys_of(contract)) - 1


def proposed(standing: Standing, new: Contract, round: int = 0) -> View:
    """The view of a change to a new contract, which nobody has approved yet.

    Raises
    ------
    ContractError
        Nothing changes, the models' history would, or the new contract cannot follow on this one in that round.
    """
    _require_change(standing.contract, new, round)
    before, after = digest(standing.contract).hex(), digest(new).hex()
    return View(standing.number + 1, before, after, round, dump_contract(new))


def _require_change(now: Contract, new: Contract, round: int) -> None:
    if broken := breaks(now, new):
        raise ContractError(
            f"a model's history depends on {', '.join(broken)}, which would change",
            where=new.name,
            fix="begin a new run (`p2pme peer --from MODEL` begins with a model)",
        )
    if not changes(now, new):
        raise ContractError("nothing changes", where=new.name, fix="name the changed contract")
    if round:
        _require_follows(now, new, round)


def contract_in(view: View, where: str) -> Contract:
    """The contract that a view carries.

    Raises
    ------
    ContractError
        It carries none, or another than its digest says.
    """
    new = _read(view.contract, where)
    if digest(new).hex() != view.after:
        raise ContractError("carries another contract than it names", where=where, fix="ask for it again")
    return new


@lru_cache(maxsize=8)
def _read(text: str, where: str) -> Contract:
    """One text is asked about several times while approvals come in."""
    return contract_from_yaml(text, name=where)


def agreed(standing: Standing, view: View, witness: Witness) -> Contract:
    """The contract under which a member goes on in round `view.round`, as far as it can see.

    Raises
    ------
    ContractError
        The view is of another number or another run, too few members approve of it, or its contract is not sound.
    """
    _require_next(standing, view)
    now = standing.contract
    due, found = approvals_due(now, running=True), sorted(witness.approvers(now, view))
    if len(found) < due:
        who = f"{', '.join(map(str, found))} approve" if found else "nobody approves"
        raise ContractError(
            f"{due} of {len(keys_of(now))} members must approve (peers.approve), and {who}",
            where=f"view {view.number}",
            fix="`p2pme approve` adds an approval",
        )
    return followed(standing, view)


def followed(standing: Standing, view: View) -> Contract:
    """The contract to which a view leads from there, whoever has approved of it.

    Raises
    ------
    ContractError
        The view is of another number or another run, or its contract is not sound.
    """
    _require_next(standing, view)
    where = f"view {view.number}"
    if not view.round:
        raise ContractError("names no round from which it holds", where=where, fix="propose it with --at")
    length = len(view.contract)
    if length > MARGIN and length > 2 * (now := len(dump_contract(standing.contract))) + MARGIN:
        # A megabyte of YAML takes a minute to read.
        raise ContractError(
            f"carries a contract of {length} characters, and the present one has {now}",
            where=where,
            fix="propose it in several steps",
        )
    new = contract_in(view, where)
    _require_change(standing.contract, new, view.round)
    return new


def _require_next(standing: Standing, view: View) -> None:
    if view.number != standing.number + 1 or view.before != digest(standing.contract).hex():
        raise ContractError(
            f"is not the change after {standing.number} of this run",
            where=f"view {view.number}",
            fix="ask for the one that is",
        )


def _require_follows(now: Contract, new: Contract, round: int) -> None:
    if not 0 < round <= now.training.rounds or round >= new.training.rounds:
        raise ContractError(
            f"round {round} is none of those that are left ({now.training.rounds} by the contract before, "
            f"{new.training.rounds} by the new one)",
            where="--at",
            fix="name one that is still to come",
        )
    if new.peers.members is None or new.peers.count < now.peers.count:
        raise ContractError(
            "ids are places for good: a member that goes keeps its line, with `left: true`",
            where="peers.members",
            fix="put it back so",
        )
    gone = {member.id for member in now.peers.members or () if member.left}
    if back := sorted(gone & set(new.peers.present)):
        raise ContractError(
            f"peer {back[0]} has left, and its id with it", where="peers.members", fix="give it the next id"
        )
    for peer in sorted(set(new.peers.present) - set(now.peers.present)):
        require_newcomers(new, peer)
    plan_of(new)  # a graph that falls apart is refused there


def require_newcomers(contract: Contract, peer: int) -> None:
    """See that a newcomer may be given a neighbour's model under this contract.

    Raises
    ------
    ContractError
        Models are hidden from single neighbours, or are of several widths.
    """
    privacy = contract.privacy
    what = None
    if privacy.exchange.sums_only:
        what = f"privacy.exchange: {privacy.exchange} hides every single model"
    elif privacy.spends:
        what = "the privacy budget is laid out for those who began"
    elif privacy.exchange.parts_only:
        what = f"privacy.exchange: {privacy.exchange} shows nobody a whole one"
    elif contract.peers.widths:
        what = "with peers.widths nobody's model fits everybody"
    elif contract.gossip.compression or contract.gossip.protocol.sends_sums:
        what = "both ends of an edge remember what has gone over it, and models do not travel whole"
    if what:
        raise ContractError(
            f"peer {peer} would be given a neighbour's model to begin with, and {what}",
            where=contract.name,
            fix="begin a new run with it",
        )
