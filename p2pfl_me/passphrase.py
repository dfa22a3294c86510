"""Where a passphrase comes from: a file, a descriptor, the system's keyring, or whoever sits at the terminal. Never
from the command line, which every process on the machine can read.

Floor 0 of the house.
"""

from __future__ import annotations

import os
import stat
import sys
from getpass import getpass
from pathlib import Path

from p2pfl_me.errors import IdentityError
from p2pfl_me.files import open_private, refusing

FILE, DESCRIPTOR, KEYRING = "P2PME_PASSPHRASE_FILE", "P2PME_PASSPHRASE_FD", "P2PME_PASSPHRASE_KEYRING"
"""Variables that name a private file with the passphrase in its first line, the number of an open descriptor, or a name
under which the system's keyring has it (service `p2pme`)."""
SERVICE = "p2pme"
LONGEST = 1024
SHORTEST = 12
"""Characters of a new one. Who has the file can try as often as it likes."""


def known_passphrase(what: str) -> str:
    """The passphrase of `what`, which is sealed.

    Raises
    ------
    IdentityError
        There is none to be had: nothing names one, and nobody sits at a terminal.
    """
    if named := _named():
        return named
    _require_terminal(what)
    return getpass(f"passphrase of {what}: ")


def new_passphrase(what: str) -> str:
    """A passphrase for `what`, typed twice at a terminal.

    Raises
    ------
    IdentityError
        It is too short, was typed differently the second time, or there is none to be had.
    """
    chosen = _named()
    if chosen is None:
        _require_terminal(what)
        chosen = getpass(f"new passphrase for {what}: ")
        if getpass("once more: ") != chosen:
            raise IdentityError("the two passphrases differ", where=what, fix="give the command again")
    if len(chosen) < SHORTEST:
        raise IdentityError(
            f"a passphrase of {len(chosen)} characters, which who has the file can guess",
            where=what,
            fix=f"take {SHORTEST} or more: some words that do not belong together",
        )
    return chosen


def _named() -> str | None:
    if path := os.environ.get(FILE):
        with refusing(IdentityError, Path(path), f"check {FILE}", "cannot be read"):
            return _first_line(open_private(Path(path), os.O_RDONLY), Path(path).name)
    if number := os.environ.get(DESCRIPTOR):
        try:
            descriptor = int(number)
            os.fstat(descriptor)
        except (ValueError, OSError) as error:
            fix = f"open it for this command, as in {DESCRIPTOR}=3 p2pme ... 3< file"
            raise IdentityError("no open descriptor", where=f"{DESCRIPTOR}={number}", fix=fix) from error
        return _first_line(os.dup(descriptor), f"{DESCRIPTOR}={number}")
    if name := os.environ.get(KEYRING):
        return _from_keyring(name)
    return None


def _from_keyring(name: str) -> str:
    where = f"{KEYRING}={name}"
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        fix = "pip install 'p2pfl-me[keyring]'"
        raise IdentityError("the system's keyring is reached by an extra", where=where, fix=fix) from error
    try:
        found: str | None = keyring.get_password(SERVICE, name)
    except (KeyringError, RuntimeError, OSError) as error:  # RuntimeError: no backend on this machine
        fix = "open the session's keyring, or name a private file with P2PME_PASSPHRASE_FILE"
        raise IdentityError(f"the system's keyring does not answer: {error}", where=where, fix=fix) from error
    if not found:
        raise IdentityError(
            "the system's keyring has nothing of that name",
            where=where,
            fix=f"put it there: keyring set {SERVICE} {name}",
        )
    return found


def _first_line(descriptor: int, where: str) -> str:
    with os.fdopen(descriptor, "rb") as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.seek(0)  # a descriptor that was read before, by this process
        found = file.read(LONGEST).split(b"\n")[0].rstrip(b"\r")
    try:
        return found.decode()
    except UnicodeDecodeError as error:
        raise IdentityError("no text", where=where, fix="put the passphrase into its first line, in UTF-8") from error


def _require_terminal(what: str) -> None:
    if not sys.stdin.isatty():
        raise IdentityError(
            "needs a passphrase, and nobody sits at a terminal",
            where=what,
            fix=f"set {FILE} to a private file with it in the first line, {DESCRIPTOR} to an open descriptor, or "
            f"{KEYRING} to its name in the system's keyring",
        )
