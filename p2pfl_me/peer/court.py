"""What one member thinks of a view: whether enough approve, or somebody leaves by it; and its own approval."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from p2pfl_me.contract import Contract
from p2pfl_me.membership.agreed import Standing, Witness, agreed, contract_in, followed, keys_of, proposed
from p2pfl_me.membership.edits import without
from p2pfl_me.membership.leaving import leaver_of
from p2pfl_me.membership.views import View
from p2pfl_me.peer.directory import Directory
from p2pfl_me.peer.trust import Trust


class Court(Protocol):
    """How a peer judges views; the simulator settles beforehand who has approved of what."""

    def agreed(self, standing: Standing, view: View) -> Contract:
        """To which contract the view leads; `ContractError` where too few approve, or it is not sound."""

    def followed(self, standing: Standing, view: View) -> Contract:
        """The same, of a view that has been judged before."""

    def approvers(self, standing: Standing, view: View) -> frozenset[int]: ...
    def leaver(self, standing: Standing, view: View) -> int | None: ...
    def approved(self, standing: Standing, view: View) -> View:
        """The view with this member's approval."""

    def leaving(self, standing: Standing, round: int) -> View:
        """The view of this member's own leaving, with its approval."""

    def knows_more(self) -> bool:
        """Whether what was refused may be judged otherwise by now."""


@dataclass(frozen=True, slots=True)
class KeyCourt:
    """By the keys of the contract and those that have followed them.

    `mine`: the private keys of member `me`, the newest first; `stated`: the one of them that the contract names, if it
    is still there: by it those are convinced who have come later than the others' certificates.
    """

    me: int
    mine: tuple[X25519PrivateKey, ...] = field(repr=False)
    stated: X25519PrivateKey | None = field(repr=False)
    trust: Trust = field(repr=False)

    @property
    def witness(self) -> Witness:
        return Witness(self.mine, self.trust.book)

    def agreed(self, standing: Standing, view: View) -> Contract:
        return agreed(standing, view, self.witness)

    def followed(self, standing: Standing, view: View) -> Contract:
        return followed(standing, view)

    def approvers(self, standing: Standing, view: View) -> frozenset[int]:
        return self.witness.approvers(standing.contract, view)

    def leaver(self, standing: Standing, view: View) -> int | None:
        return leaver_of(standing, view, self.witness)

    def approved(self, standing: Standing, view: View) -> View:
        members = {key for keys in self.witness.keys(standing.contract).values() for key in keys}
        newcomers = {*keys_of(contract_in(view, f"view {view.number}")).values()} - members
        made = view.approved(self.me, (self.stated or self.mine[0]), newcomers)
        return made.approved(self.me, self.mine[0], members)

    def leaving(self, standing: Standing, round: int) -> View:
        return self.approved(standing, proposed(standing, without(standing.contract, self.me), round))

    def knows_more(self) -> bool:
        return self.trust.look()


def court_of(directory: Directory, home: Path) -> KeyCourt:
    """That of a real peer."""
    mine = (directory.identity, *directory.earlier)
    stated = next((each.private for each in mine if each.public == directory.stated), None)
    return KeyCourt(directory.me, tuple(each.private for each in mine), stated, Trust(home))
