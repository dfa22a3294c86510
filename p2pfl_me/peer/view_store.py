"""Where the changes lie on which a peer has agreed: in its run folder, whole and on the disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Protocol

from p2pfl_me.atomic import write_whole
from p2pfl_me.errors import PeerError
from p2pfl_me.files import locked, read_regular, refusing
from p2pfl_me.membership.views import View, as_text
from p2pfl_me.peer.consent import read_view
from p2pfl_me.run.folder import RunFolder


class ViewStore(Protocol):
    """What a peer keeps of its changes, and where others may lay one."""

    def kept(self, number: int) -> View | None: ...
    def keep(self, view: View, *, instead: bool = False) -> None: ...
    def offered(self) -> View | None: ...
    def looked_at(self) -> None: ...
    def approval(self, number: int) -> bytes | None: ...
    def approve(self, view: View, before: bytes | None) -> bool: ...
    def leaves(self) -> View | None: ...
    def keep_leaving(self, view: View) -> None: ...


class FolderStore:
    """Those of a run folder."""

    def __init__(self, run: Path) -> None:
        self._folder = RunFolder(run)

    def kept(self, number: int) -> View | None:
        """The `number`-th change, if it has been agreed to.

        Raises
        ------
        ContractError
            What lies there is none.
        """
        path = self._folder.view(number)
        return read_view(path) if path.exists() else None

    def keep(self, view: View, *, instead: bool = False) -> None:
        """Keep it, whatever happens next; `instead` of the one of its number that has been kept.

        Raises
        ------
        PeerError
            The disk is full, or the folder cannot be written.
        """
        path = self._folder.view(view.number)
        with refusing(PeerError, path, "free some space, then give the same command again"):
            if instead or not path.exists():
                write_whole(path, as_text(view), sync=True)

    def offered(self) -> View | None:
        """What `p2pme adopt` has laid there.

        Raises
        ------
        ContractError
            It is no view.
        """
        return read_view(self._folder.offer) if self._folder.offer.exists() else None

    def looked_at(self) -> None:
        """It need not lie there any more."""
        with suppress(OSError):
            self._folder.offer.unlink(missing_ok=True)

    def approval(self, number: int) -> bytes | None:
        """The statement of which this lab has approved under a number, if it has.

        Raises
        ------
        PeerError
            It cannot be read.
        """
        path = self._folder.approved(number)
        with refusing(PeerError, path, "give it back to its owner", "cannot be read"):
            return read_regular(path, own=True) if path.exists() else None

    def approve(self, view: View, before: bytes | None, *, wait_s: float = 0.0) -> bool:
        """Write down that this lab approves, and of nothing else under this number, before anybody is told.

        `before`: what it had approved under it when this was decided. False, and nothing is written, if that has
        changed since, or another process is about to decide: `p2pme approve`, `p2pme leave` and the running peer do it
        one after the other, and each waits for `wait_s` at most.

        Raises
        ------
        PeerError
            The disk is full, or the folder cannot be written.
        """
        path = self._folder.approved(view.number)
        with refusing(PeerError, path, "free some space, then give the same command again"):
            try:
                with locked(self._folder.approving, wait_s):
                    if self.approval(view.number) != before:
                        return False
                    write_whole(path, view.statement, sync=True)
                    return True
            except BlockingIOError:
                return False

    def leaves(self) -> View | None:
        """With what this lab leaves (`p2pme leave`), if it does.

        Raises
        ------
        ContractError
            It is no view.
        """
        return read_view(self._folder.leaving) if self._folder.leaving.exists() else None

    def keep_leaving(self, view: View) -> None:
        """Keep with what this lab leaves.

        Raises
        ------
        PeerError
            The disk is full, or the folder cannot be written.
        """
        with refusing(PeerError, self._folder.leaving, "free some space, then give the same command again"):
            write_whole(self._folder.leaving, as_text(view), sync=True)
