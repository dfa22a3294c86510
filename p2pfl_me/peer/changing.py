"""The changes of a running peer's contract: what it is told of them, what it agrees to, what it tells others.

A change lies in the run folder, whole and on the disk, before the peer acts on it: whoever is killed finds it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgpack
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from p2pfl_me.contract import Contract, changes
from p2pfl_me.errors import ContractError, WireError
from p2pfl_me.membership.agreed import Standing, agreed, keys_of
from p2pfl_me.membership.views import View, as_text, from_text
from p2pfl_me.peer.view_store import FolderStore, ViewStore
from p2pfl_me.run import events
from p2pfl_me.run.events import AnyEvent
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.wire.bounded import unpacked_list
from p2pfl_me.wire.handshake import contracts_differ
from p2pfl_me.wire.records import PAYLOAD

NOW = 0
"""Rung as the round of a change: it holds from the next round on, whichever that is."""
MOST_VERSIONS = 16
"""Texts of views that a neighbour may tell and that are not agreed to, before more of it is ignored."""


class Changing:
    """One life's part in it.

    Parameters
    ----------
    standing:
        Under what this life goes on.
    judge:
        What a view leads to from there, or a `ContractError` (`membership.agreed`).
    both:
        Who has approved of both of two views.
    ring:
        Is told from which round on a change holds.
    tell:
        Tells a neighbour, if it is linked.
    """

    def __init__(
        self,
        store: ViewStore,
        standing: Standing,
        judge: Callable[[Standing, View], Contract],
        both: Callable[[View, View], frozenset[int]],
        *,
        completed: Callable[[], int],
        ring: Callable[[int], None],
        tell: Callable[[int, bytes], None],
        note: Callable[[AnyEvent], None],
    ) -> None:
        self._store, self._standing, self._judged, self._both = store, standing, judge, both
        self._completed, self._ring, self._tell, self._note = completed, ring, tell, note
        self._view: View | None = None
        self.agreed: Contract | None = None
        """Under what the run goes on after this life."""
        self._linked: set[int] = set()
        self._seen: set[bytes] = set()
        self._bad: dict[int, int] = {}
        self._others_turned = False

    def begin(self) -> None:
        """Find again what was agreed to in an earlier life.

        Raises
        ------
        ContractError
            What lies there is no such thing.
        """
        if view := self._store.kept(self._standing.number + 1):
            self._agree(view, self._judged(self._standing, view), None)

    def linked(self, peer: int, *, up: bool) -> None:
        """A link under this contract has come up or gone down."""
        (self._linked.add if up else self._linked.discard)(peer)
        if up and self._view:
            self._tell(peer, pack([as_text(self._view)]))
        self._turn_if_alone()

    def heard(self, peer: int, data: bytes, differing: tuple[str, ...]) -> None:
        """A neighbour has told of changes; `differing` are the sections in which its own contract differs."""
        digest = hashlib.sha256(data).digest()
        news = digest not in self._seen
        if news and self._bad.get(peer, 0) < MOST_VERSIONS:
            self._seen.add(digest)
            try:
                for text in unpack(data):
                    self._judge(peer, from_text(text, f"the view of peer {peer}"))
            except ContractError as error:
                self._bad[peer] = self._bad.get(peer, 0) + 1
                differs = f"; {contracts_differ(peer, differing)}" if differing else ""
                self._note(events.Refused(peer, f"{error}{differs}"))
        if differing and self._view:
            self._others_turned = True
            self._turn_if_alone()

    def look(self) -> None:
        """Whether `p2pme adopt` has laid a change into the run folder."""
        try:
            view = self._store.offered()
            if view is None:
                return
            if view.round <= self._completed():
                raise ContractError(
                    f"holds from round {view.round + 1}, and {self._completed()} are behind this peer",
                    where=f"view {view.number}",
                    fix="propose it anew, for a later round",
                )
            self._judge(None, view)
        except ContractError as error:
            self._note(events.Refused(None, str(error)))
        self._store.looked_at()

    def _judge(self, peer: int | None, view: View) -> None:
        if view.number <= self._standing.number:
            return  # of the past; it has come to be, or another in its place
        if self._view and view.number == self._view.number:
            if view.statement != self._view.statement and self._judged(self._standing, view):
                both = ", ".join(map(str, sorted(self._both(self._view, view))))
                raise ContractError(
                    f"is another change of the same number; {both} approved of both",
                    where=f"view {view.number}",
                    fix="ask them why; this peer goes on with the one that it heard of first",
                )
            return
        if view.number > self._standing.number + 1:
            return  # its turn comes with the one before
        self._agree(view, self._judged(self._standing, view), peer)

    def _agree(self, view: View, new: Contract, peer: int | None) -> None:
        self._store.keep(view)
        self._view, self.agreed = view, new
        keys = changes(self._standing.contract, new)
        self._note(events.View(view.number, view.round, keys, view.after, peer))
        for other in sorted(self._linked):
            self._tell(other, pack([as_text(view)]))
        self._ring(view.round)

    def _turn_if_alone(self) -> None:
        """Those who have turned exchange nothing with this peer any more: once all have, it follows at once."""
        if self._view and self._others_turned and not self._linked:
            self._ring(NOW)


def changing_of(
    run: Path,
    standing: Standing,
    private: X25519PrivateKey,
    *,
    completed: Callable[[], int],
    ring: Callable[[int], None],
    tell: Callable[[int, bytes], None],
    note: Callable[[AnyEvent], None],
) -> Changing:
    """That of a real peer: views in its run folder, approvals that the holder of `private` can see."""
    keys = keys_of(standing.contract)
    return Changing(
        FolderStore(run),
        standing,
        lambda under, view: agreed(under, view, private),
        lambda one, two: one.approvers(private, keys) & two.approvers(private, keys),
        completed=completed,
        ring=ring,
        tell=tell,
        note=note,
    )


def news_of(run: Path, number: int) -> bytes:
    """What is told to those under an earlier contract: the changes up to `number`, the latest that fit."""
    texts: list[str] = []
    for each in range(number, 0, -1):
        path = RunFolder(run).view(each)
        if not path.exists():
            break
        found = path.read_text(encoding="utf-8")
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
