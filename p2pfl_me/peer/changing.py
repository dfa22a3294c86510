"""The changes of a running peer's contract: what it is told of them, what it agrees to, what it tells others.

A change lies in the run folder, whole and on the disk, before the peer acts on it: whoever is killed finds it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgpack

from p2pfl_me.contract import Contract, changes
from p2pfl_me.contract import digest as contract_digest
from p2pfl_me.errors import ContractError, WireError
from p2pfl_me.files import read_text
from p2pfl_me.membership.agreed import Standing, approvals_due, contract_in
from p2pfl_me.membership.leaving import WITHIN, has_come_to_nothing, is_same_change, place_of
from p2pfl_me.membership.views import View, as_text, from_text
from p2pfl_me.peer.court import Court
from p2pfl_me.peer.view_store import ViewStore
from p2pfl_me.run import events
from p2pfl_me.run.events import AnyEvent
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.wire.bounded import unpacked_list
from p2pfl_me.wire.handshake import contracts_differ
from p2pfl_me.wire.records import PAYLOAD

NOW = 0
"""Rung as the round of a change: it holds from the next round on, whichever that is."""
MOST_TEXTS, MOST_BYTES = 2000, 1 << 25
"""What one neighbour may tell that is new while a contract stands: a member's approval is a text more."""
MOST_VERSIONS = 16
"""Texts of views that a neighbour may tell and that are not agreed to, before more of it is ignored."""
SOON = 2
"""Rounds until a member leaves that could not leave when it had said; each time twice as many, up to `WITHIN`."""


class Changing:
    """One life's part in it.

    Parameters
    ----------
    standing:
        Under what this life goes on.
    court:
        What this peer thinks of a view.
    ring:
        Is told from which round on a change holds.
    tell:
        Tells a neighbour, if it is linked.
    """

    def __init__(
        self,
        store: ViewStore,
        standing: Standing,
        court: Court,
        *,
        me: int,
        completed: Callable[[], int],
        ring: Callable[[int], None],
        tell: Callable[[int, bytes], None],
        note: Callable[[AnyEvent], None],
    ) -> None:
        self._store, self._standing, self._court, self._me = store, standing, court, me
        self._completed, self._ring, self._tell, self._note = completed, ring, tell, note
        self._view: View | None = None
        self.agreed: Contract | None = None
        """Under what the run goes on after this life."""
        self._leavings: dict[bytes, tuple[int, View]] = {}
        """Statements of views by which single members leave, with who it is, and whose approvals there are."""
        self._approved: set[bytes] = set()
        self._places: dict[bytes, int] = {}
        self._lead = SOON
        self._near_since: int | None = None
        """Since how many rounds there are leavings to be decided on."""
        self._undecided: events.Undecided | None = None
        self._linked: set[int] = set()
        self._seen: set[bytes] = set()
        self._tops: dict[bytes, int] = {}
        """Of texts that were heard: the number of the last change in them."""
        self._bad: dict[int, int] = {}
        self._told: dict[int, tuple[int, int]] = {}
        """How many new texts each neighbour has told, and their bytes."""
        self._refused: list[tuple[int, bytes, tuple[str, ...]]] = []
        self._others_turned = False

    def begin(self) -> None:
        """Find again what was agreed to in an earlier life, and with what this lab leaves.

        Raises
        ------
        ContractError
            What lies there is no such thing.
        """
        if view := self._store.kept(self._standing.number + 1):
            self._agree(view, self._court.followed(self._standing, view), None)
        elif leaves := self._store.leaves():
            self._leave(leaves)

    def linked(self, peer: int, *, up: bool) -> None:
        """A link under this contract has come up or gone down."""
        (self._linked.add if up else self._linked.discard)(peer)
        if up:
            for view in self._known():
                self._tell(peer, pack([as_text(view)]))
        self._turn_if_alone()

    def heard(self, peer: int, data: bytes, differing: tuple[str, ...]) -> None:
        """A neighbour has told of changes; `differing` are the sections in which its own contract differs."""
        digest = hashlib.sha256(data).digest()
        news = digest not in self._seen
        if news and self._bad.get(peer, 0) < MOST_VERSIONS and self._may_tell(peer, len(data)):
            self._seen.add(digest)
            try:
                before = 0
                for text in unpack(data):
                    view = from_text(text, f"the view of peer {peer}")
                    self._tops[digest] = max(self._tops.get(digest, 0), view.number)
                    if differing:
                        self._require_known(view, before)
                    self._judge(peer, view)
                    before = view.number
            except ContractError as error:
                self._bad[peer] = self._bad.get(peer, 0) + 1
                self._refused.append((peer, data, differing))
                differs = f"; {contracts_differ(peer, differing)}" if differing else ""
                self._note(events.Refused(peer, f"{error}{differs}"))
        turned = self._tops.get(digest, 0) > self._standing.number  # who differs may be behind, too
        if differing and turned and self._view and peer in self._standing.contract.peers.present:  # no newcomer
            self._others_turned = True
            self._turn_if_alone()

    def _require_known(self, view: View, before: int) -> None:
        """Of one that differs, and tells of this view after that of the number `before`: neither another one under the
        number of this peer's own, nor one that follows on what this peer lacks."""
        now = self._standing.number
        if now and view.number == now and view.after != contract_digest(self._standing.contract).hex():
            raise ContractError(
                "is another change than the one of that number under which this peer goes on",
                where=f"view {now}",
                fix="find out which of the two the members have approved of; the others begin anew with its contract",
            )
        if view.number > now + 1 and before != view.number - 1:
            raise ContractError(
                f"follows on view {view.number - 1}, which is not told of",
                where=f"view {view.number}",
                fix=f"take view {now + 1} from a lab that has it (`view-{now + 1}.json` of its run folder), and give "
                "it to `p2pme adopt`",
            )

    def _may_tell(self, peer: int, size: int) -> bool:
        """Reading costs, whatever it says: who tells more than changes can come to is heard no more."""
        texts, told = self._told.get(peer, (0, 0))
        self._told[peer] = texts + 1, told + size
        if texts < MOST_TEXTS and told + size <= MOST_BYTES:
            return True
        if texts <= MOST_TEXTS and told <= MOST_BYTES:
            self._note(events.Refused(peer, "tells of ever more changes; nothing that it tells is read any more"))
        return False

    def look(self) -> None:
        """Whether `p2pme adopt` or `p2pme leave` has laid a change into the run folder, a certificate has come that
        shows an approval in another light, or a round from which on this peer approves of somebody's leaving."""
        if self._court.knows_more():
            again, self._refused = self._refused, []
            self._bad.clear()
            for peer, data, differing in again:
                self._seen.discard(hashlib.sha256(data).digest())
                self.heard(peer, data, differing)
        if (said := self._store.leaves()) and not self._view and self._is_void(said):
            self._leave(said)
        self._approve()
        self._tell_undecided()
        try:
            view = self._store.offered()
            if view is None:
                return
            done = self._completed()
            if self._court.leaver(self._standing, view) == self._me:
                self._store.keep_leaving(view)
                self._leave(view)  # for a later round, where its own has just passed
            elif view.round < done or (view.round == done < self._standing.contract.training.rounds):
                raise ContractError(
                    f"holds from round {view.round + 1}, and {done} are behind this peer",
                    where=f"view {view.number}",
                    fix="propose it anew, for a later round",
                )
            else:
                self._judge(None, view)
        except ContractError as error:
            self._note(events.Refused(None, str(error)))
        self._store.looked_at()

    def _judge(self, peer: int | None, view: View) -> None:
        if view.number <= self._standing.number:
            return  # of the past; it has come to be, or another in its place
        if view.number > self._standing.number + 1:
            return  # its turn comes with the one before
        known = self._leavings.get(view.statement)
        leaver = known[0] if known else self._court.leaver(self._standing, view)
        if self._view:
            if view.after != self._view.after and (leaver is None or self._are_enough(view)):
                self._choose(self._view, view, peer)
        elif leaver is None:
            self._agree(view, self._court.agreed(self._standing, view), peer)
        else:
            self._take_in(leaver, view, peer)

    def _choose(self, held: View, other: View, peer: int | None) -> None:
        """Two changes of one number are approved, and so some have approved of both. Where this peer has not gone on
        yet, it takes the one that all others would, too: that of the lowest leaver, or else of the lowest digest."""
        new = self._court.agreed(self._standing, other)
        approvers = (self._court.approvers(self._standing, each) for each in (held, other))
        both = ", ".join(map(str, sorted(frozenset.intersection(*approvers))))
        first = min(held, other, key=lambda each: (place_of(self._standing, each.statement), each.after))
        goes_over = first is other and self._completed() < held.round
        kept = "the one that goes first" if goes_over or first is held else "the one under which it has begun"
        error = ContractError(
            f"is another change of the same number; {both} approved of both",
            where=f"view {other.number}",
            fix=f"ask them why; this peer goes on with {kept}",
        )
        if not goes_over:
            raise error
        self._note(events.Refused(None, str(error)))
        self._agree(other, new, peer, instead=True)

    def _take_in(self, leaver: int, view: View, peer: int | None) -> None:
        """Somebody leaves: gather who approves, and approve."""
        known = self._leavings.get(view.statement)
        far = [each for each, said in self._leavings.values() if each == leaver and not self._is_near(said)]
        if known is None and far and not self._is_near(view):
            raise ContractError(f"peer {leaver} leaves in ever new rounds", where=f"view {view.number}")
        before = self._court.approvers(self._standing, known[1]) if known else frozenset[int]()
        now = self._court.approvers(self._standing, view)
        gathered = known[1].joined(view, now - before) if known else view
        if peer is not None and peer in now:
            gathered = gathered.joined(view, [peer], instead=True)  # what it has sealed for others it knows best
        self._leavings[view.statement] = leaver, gathered
        if now - before:
            self._spread(gathered, peer)
        self._settle(view.statement)
        self._approve()

    def _approve(self) -> None:
        """Approve of leavings that are near enough, the nearest first."""
        for statement, (leaver, view) in sorted(
            self._leavings.items(), key=lambda each: (each[1][1].round, each[1][0])
        ):
            is_past = view.round <= self._completed()
            if self._view or statement in self._approved or is_past or not self._is_near(view):
                continue
            if not self._may_approve(leaver, view):
                continue
            self._approved.add(statement)
            self._note(events.Leaving(leaver, view.round))
            if self._me not in self._court.approvers(self._standing, view):
                view = self._court.approved(self._standing, view)
                self._leavings[statement] = leaver, view
                self._spread(view, None)
            self._settle(statement)

    def _may_approve(self, leaver: int, view: View) -> bool:
        """Approve of a leaving for this lab, unless it has approved of another change that may still be agreed to."""
        before = self._store.approval(view.number)
        if before is not None and is_same_change(before, view.statement):
            return True
        if before is not None:
            if before not in self._places:
                self._places[before] = place_of(self._standing, before)
            place = self._places[before]
            seen = [self._court.approvers(self._standing, each) for who, each in self._leavings.values() if who < place]
            if leaver >= place or not has_come_to_nothing(self._standing.contract, len(frozenset().union(*seen))):
                return False
        return self._store.approve(view, before)

    def _tell_undecided(self) -> None:
        """Say who approves of what, once a round has passed since there were leavings and none was agreed to."""
        near = [(leaver, view) for leaver, view in self._leavings.values() if self._is_near(view)]
        if not near and (said := self._store.leaves()) and self._is_near(said):
            near = [(self._me, said)]
        if self._view or not near:
            self._near_since = None
            return
        done = self._completed()
        self._near_since = done if self._near_since is None else self._near_since
        if done == self._near_since:
            return
        by = {leaver: frozenset[int]() for leaver, _ in near}
        for leaver, view in near:
            by[leaver] |= self._court.approvers(self._standing, view)
        due = approvals_due(self._standing.contract, running=True)
        unheard = sorted(frozenset(self._standing.contract.peers.present).difference(*by.values()))
        approvers = {leaver: tuple(sorted(who)) for leaver, who in sorted(by.items())}
        found = events.Undecided(self._standing.number + 1, due, approvers, tuple(unheard))
        if found != self._undecided:
            self._undecided = found
            self._note(found)

    def _settle(self, statement: bytes) -> None:
        """Agree to a leaving, once enough approve of it."""
        leaver, view = self._leavings[statement]
        if self._view is None and self._are_enough(view):
            self._agree(view, self._court.agreed(self._standing, view), leaver if leaver != self._me else None)

    def _is_near(self, view: View) -> bool:
        return view.round <= self._completed() + WITHIN

    def _are_enough(self, view: View) -> bool:
        due = approvals_due(self._standing.contract, running=True)
        return len(self._court.approvers(self._standing, view)) >= due

    def _leave(self, said: View) -> None:
        """Say that this lab leaves; anew where another change or its round has come before."""
        if self._me not in self._standing.contract.peers.present:
            return
        done = self._completed()
        try:
            if self._me in contract_in(said, "what this lab said when it left").peers.present:
                return  # of another peer whose run this folder is, too
            if self._is_void(said):
                round, lead = said.round, self._lead
                if round <= done:
                    round, lead = done + lead, min(2 * lead, WITHIN)
                if round >= self._standing.contract.training.rounds:
                    return  # it ends with all the others before that
                anew = self._court.leaving(self._standing, round)
                if not self._may_approve(self._me, anew):
                    return  # its operator has approved of another change, which may still be agreed to
                said, self._lead = anew, lead
                self._store.keep_leaving(said)
            self._judge(None, said)
        except ContractError as error:
            self._note(events.Refused(None, str(error)))

    def _is_void(self, said: View) -> bool:
        """Whether it has to be said anew, or has not been said because another change was approved of at that time."""
        return said.number <= self._standing.number or said.round <= self._completed() or self._me not in said.seals

    def _known(self) -> list[View]:
        return [self._view] if self._view else [view for _, view in self._leavings.values()]

    def _spread(self, view: View, told_by: int | None) -> None:
        for other in sorted(self._linked - {told_by}):
            self._tell(other, pack([as_text(view)]))

    def _agree(self, view: View, new: Contract, peer: int | None, *, instead: bool = False) -> None:
        self._store.keep(view, instead=instead)
        self._view, self.agreed = view, new
        keys = changes(self._standing.contract, new)
        self._note(events.View(view.number, view.round, keys, view.after, peer))
        self._spread(view, None)
        self._ring(view.round)

    def _turn_if_alone(self) -> None:
        """Those who have turned exchange nothing with this peer any more: once all have, it follows at once."""
        if self._view and self._others_turned and not self._linked:
            self._ring(NOW)


def news_of(run: Path, number: int) -> bytes:
    """What is told to those under an earlier contract: the changes up to `number`, the latest that fit."""
    texts: list[str] = []
    for each in range(number, 0, -1):
        path = RunFolder(run).view(each)
        if not path.exists():
            break
        found = read_text(path)
        if len(pack([found, *texts])) > PAYLOAD:
            break
        texts.insert(0, found)
    return pack(texts) if texts else b""


def pack(texts: list[str]) -> bytes:
    """Views as the bytes that are told."""
    return bytes(msgpack.packb(texts))


def unpack(data: bytes) -> list[str]:
    """What `pack` made.

    Raises
    ------
    ContractError
        It is something else.
    """
    try:
        found = unpacked_list(data, "news", PAYLOAD)
    except WireError as error:
        raise ContractError(error.what) from error
    if not all(isinstance(each, str) for each in found):
        raise ContractError("news that nobody tells")
    return found
