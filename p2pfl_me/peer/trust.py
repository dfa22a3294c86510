"""What this user's peers believe of keys beside the contract: certificates in `trust/` of the private folder.

Who put one there has checked it (`believe`), and the folder is the user's alone; so it is read again without a key, at
every start and while a peer runs: a revocation that comes in counts within a second and after every restart.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from p2pfl_me.atomic import undrafted, write_whole
from p2pfl_me.contract import Contract
from p2pfl_me.errors import IdentityError, P2pmeError
from p2pfl_me.files import private_folder, read_text, refusing
from p2pfl_me.membership.agreed import keys_of
from p2pfl_me.membership.certificates import Book, Certificate, Revocation, Rotation, as_text, from_text
from p2pfl_me.membership.views import LONGEST, needed
from p2pfl_me.wire.identity import Identity, fingerprint

TRUST = "trust"
FIX = "mend that, or set P2PME_HOME"


class Trust:
    """The certificates of one user, looked at again and again. `clock`: seconds since 1970."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = home / TRUST, clock
        self._seen: object = None
        self.trouble = ""
        """Why what lies there could not be read at the last look; what was known before counts on."""
        self._book = self.read()
        self._seen = self._state()

    @property
    def book(self) -> Book:
        return self._book

    def good(self, stated: bytes) -> tuple[bytes, ...]:
        """The keys of whom a contract names by the key `stated`, the newest first; none where it is revoked."""
        return self._book.good(stated, self._clock())

    def look(self) -> bool:
        """Look again; whether anything is otherwise than at the last look."""
        state = self._state()
        if state == self._seen:
            return False
        self._seen = state
        try:
            self._book, self.trouble = self.read(), ""
        except P2pmeError as error:
            self.trouble = str(error)
        return True

    def read(self) -> Book:
        """What lies there.

        Raises
        ------
        P2pmeError
            Something there cannot be read: it may be a revocation, so nothing is taken for granted.
        """
        return Book.of(self._certificates())

    def _certificates(self) -> Iterable[Certificate]:
        if not self._folder.exists():
            return
        with refusing(IdentityError, self._folder, FIX, "cannot be trusted"):
            private_folder(self._folder, 0o022)
            paths = undrafted(self._folder.glob("*.json"))
        for path in paths:
            yield read_certificate(path, own=True)

    def keep(self, certificate: Certificate) -> Path:
        """Write down a certificate that is believed; on the disk when this returns."""
        name = hashlib.sha256(certificate.statement).hexdigest()[:32]
        path = self._folder / f"{name}.json"
        with refusing(IdentityError, path, FIX):
            private_folder(self._folder, 0o022)
            write_whole(path, as_text(certificate), sync=True)
        return path

    def _state(self) -> object:
        """What changes with what is there, and with the ends of rotations."""
        past = sum(end <= self._clock() for end in self._book.changes_at()) if self._seen is not None else 0
        try:
            return self._folder.stat().st_mtime_ns, past
        except OSError:
            return None, past


def read_certificate(path: Path, *, own: bool = False) -> Certificate:
    """The certificate in a file, which is this user's `own` where it is believed unseen.

    Raises
    ------
    P2pmeError
        There is none.
    """
    try:
        with refusing(IdentityError, path, "check the file", "cannot be read"):
            text = read_text(path, LONGEST, own=own)
    except UnicodeDecodeError as error:
        raise IdentityError(f"cannot be read: {error}", where=str(path), fix="check the file") from error
    return from_text(text, str(path))


def believe(trust: Trust, certificate: Certificate, contract: Contract, mine: Sequence[Identity], where: str) -> bool:
    """Take in a certificate that one of `mine` can see to be true, for the members of a contract; whether it is news.

    Raises
    ------
    IdentityError
        Its seals are not those of who should have made them, too few have, or it contradicts what is known.
    """
    book = trust.read()
    stated = keys_of(contract)
    try:
        if isinstance(certificate, Rotation):
            _require_member(certificate.old, book, stated)
            if not any(certificate.holds(each.private) for each in mine):
                raise IdentityError(
                    "is not sealed for this laboratory by the key that it names and the one that follows",
                    fix="ask for one that was made under your contract, and compare fingerprints",
                )
            after = book.with_rotation(certificate)
        else:
            _require_member(certificate.key, book, stated)
            _require_signers(certificate, book, contract, mine)
            after = book.with_revocation(certificate)
    except IdentityError as error:
        raise IdentityError(error.what, where=where, fix=error.fix) from error
    if after == book:
        return False
    trust.keep(certificate)
    return True


def member_keys(book: Book, contract: Contract, now: float) -> dict[int, tuple[bytes, ...]]:
    """The keys of the members of a contract that are good now, by id, the newest first."""
    return {member: book.good(public, now) for member, public in keys_of(contract).items()}


def _lineage(book: Book, stated: bytes) -> set[bytes]:
    """A contract's key and all that have followed it, good or not."""
    found, key = {stated}, stated
    while (follows := book.rotations.get(key)) is not None and follows.new not in found:
        found.add(key := follows.new)
    return found


def _require_member(key: bytes, book: Book, stated: dict[int, bytes]) -> None:
    if not any(key in _lineage(book, each) for each in stated.values()):
        raise IdentityError(
            f"speaks of a key ({fingerprint(key)}) that no member of the contract has or had",
            fix="name the right contract with --topology, or take in the rotations before this one",
        )


def _require_signers(given: Revocation, book: Book, contract: Contract, mine: Sequence[Identity]) -> None:
    """By the key itself, or by the contract's share of members; a member counts once, by whichever key is good."""
    now = time.time()
    members = member_keys(book, contract, now)
    everyone = {given.key, *(key for keys in members.values() for key in keys)}
    signed = frozenset[bytes]().union(*(given.signers(each.private, everyone) for each in mine))
    if given.key in signed:
        return
    share = contract.peers.approve
    if share is None:
        raise IdentityError(
            "is not sealed by the key that it revokes, and the contract names no share of members who may "
            "(peers.approve)",
            fix="have it made with the key's own file, or agree on a contract without that member",
        )
    found = [member for member, keys in members.items() if signed.intersection(keys)]
    many = needed(share, len(members))
    if len(found) < many:
        who = f"{', '.join(map(str, found))} did" if found else "nobody did"
        raise IdentityError(
            f"{many} of {len(members)} members must seal it (peers.approve), and {who}",
            fix="each adds its seal with `p2pme keys revoke KEY --key lab.key --topology CONTRACT --out FILE`",
        )
