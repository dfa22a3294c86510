"""Static X25519 identities: files that only their owner can read, public keys as text, fingerprints for the phone."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from p2pfl_me.atomic import create_whole, write_whole
from p2pfl_me.errors import IdentityError
from p2pfl_me.files import locked, private_folder, refusing
from p2pfl_me.passphrase import known_passphrase
from p2pfl_me.wire.noise import private_bytes, public_bytes
from p2pfl_me.wire.sealed_key import is_sealed, sealed, unsealed

HEADING = "p2pme private key, X25519; keep it secret"
SEALED = "p2pme private key, X25519, sealed under a passphrase"
LONGEST = 4096
"""Bytes of a key's file that are looked at."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A peer's long-term key pair. `public` is the raw key, 32 bytes."""

    private: X25519PrivateKey = field(repr=False)
    public: bytes

    @property
    def public_text(self) -> str:
        """The public key as it stands in a contract: 44 characters of base64."""
        return base64.b64encode(self.public).decode()


def new_identity() -> Identity:
    return _identity(X25519PrivateKey.generate())


def public_from_text(text: str) -> bytes:
    """The 32 raw bytes of a public key given as base64.

    Raises
    ------
    IdentityError
        It is not one.
    """
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise IdentityError(f"not a public key: {text[:60]!r}", fix="44 characters of base64 are due") from error
    if len(raw) != 32:
        raise IdentityError(f"a public key of {len(raw)} bytes", fix="32 bytes, 44 characters of base64, are due")
    return raw


def fingerprint(public: bytes) -> str:
    """Eight groups of four hex digits of the key's SHA-256, to read out over the phone."""
    digits = hashlib.sha256(b"p2pme identity" + public).hexdigest()[:32]
    return " ".join(digits[begin : begin + 4] for begin in range(0, 32, 4))


def save_identity(path: Path, identity: Identity, passphrase: str | None = None) -> None:
    """Write a private key with mode 0600 in a folder that only its owner may write to; nothing is ever overwritten.

    With a passphrase, what lies there is sealed under it.

    Raises
    ------
    IdentityError
        The file exists or cannot be written, or others could exchange it.
    """
    text = _text_of(identity, passphrase)
    with refusing(IdentityError, path, "free some space, or name another place"):
        private_folder(path.parent)
        try:
            create_whole(path, text)
        except FileExistsError as error:
            raise IdentityError("already exists", where=str(path), fix="name another file with --out") from error


def replace_identity(path: Path, identity: Identity, passphrase: str | None) -> None:
    """Put the same key in its file's place, sealed or open: whole or not at all, and on the disk.

    Raises
    ------
    IdentityError
        It cannot be written; the file stays as it was.
    """
    with refusing(IdentityError, path, "check the file"):
        write_whole(path, _text_of(identity, passphrase), sync=True)


def load_identity(path: Path, passphrase: Callable[[str], str] = known_passphrase) -> Identity:
    """Read a private key, and refuse one that others on this machine could have read or exchanged.

    `passphrase` is asked with the file's name where the key is sealed.

    Raises
    ------
    IdentityError
        Missing, readable by others, another user's, a symbolic link, in a folder open to all, not a key, or sealed
        under another passphrase.
    """
    text = _read_private(path)
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    try:
        raw = base64.b64decode("".join(lines), validate=True)
        if is_sealed(raw):
            raw = unsealed(raw, passphrase(path.name), str(path))
        return _identity(X25519PrivateKey.from_private_bytes(raw))
    except (binascii.Error, ValueError) as error:
        raise IdentityError(
            "not a p2pme private key", where=str(path), fix="move it away and make one with `p2pme keys new`"
        ) from error


def earlier_identities(path: Path, passphrase: Callable[[str], str] = known_passphrase) -> tuple[Identity, ...]:
    """The keys that the one at `path` has followed (`p2pme keys rotate` leaves them beside it), the newest first.

    Raises
    ------
    IdentityError
        As `load_identity`.
    """
    found = sorted(_earlier(path).items(), reverse=True)
    return tuple(load_identity(each, passphrase) for _, each in found)


def earlier_path(path: Path) -> Path:
    """Where the key at `path` goes when another follows it: the next of `lab.key.1`, `lab.key.2`, ..."""
    return path.with_name(f"{path.name}.{max(_earlier(path), default=0) + 1}")


def _earlier(path: Path) -> dict[int, Path]:
    names = ((each.name.removeprefix(f"{path.name}."), each) for each in path.parent.glob(f"{path.name}.*"))
    return {int(number): each for number, each in names if number.isascii() and number.isdigit()}


def is_sealed_file(path: Path) -> bool:
    """Whether the private key there is under a passphrase. Raises `IdentityError` as `load_identity` does."""
    return _read_private(path).startswith(f"# {SEALED}")


def _text_of(identity: Identity, passphrase: str | None) -> str:
    private = private_bytes(identity.private)
    heading, data = (HEADING, private) if passphrase is None else (SEALED, sealed(private, passphrase))
    return f"# {heading}\n{base64.b64encode(data).decode()}\n"


def loopback_identities(folder: Path, count: int) -> list[Identity]:
    """The keys of `count` loopback peers of one user, made on first use in the folder that they share.

    Raises
    ------
    IdentityError
        The folder or a key in it is not private.
    """
    lock, identities = folder / ".lock", []
    with ExitStack() as held:
        with refusing(IdentityError, lock, "mend that, or set P2PME_HOME"):
            held.enter_context(locked(lock))  # peers start together; one of them makes the keys
        for peer in range(count):
            path = folder / f"loopback-{peer}.key"
            if not path.exists() and not path.is_symlink():
                save_identity(path, new_identity())
            identities.append(load_identity(path))
    return identities


def _read_private(path: Path) -> str:
    """The text of a private file, looked at through one descriptor, so that it cannot be exchanged in between."""
    if not path.parent.exists():
        raise IdentityError("no such key", where=str(path), fix="make one with `p2pme keys new`")
    with refusing(IdentityError, path, "check the file", "cannot be trusted"):
        private_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise IdentityError("no such key", where=str(path), fix="make one with `p2pme keys new`") from error
    except OSError as error:
        if path.is_symlink():
            raise IdentityError(
                "is a symbolic link, which is not followed",
                where=str(path),
                fix=f"name the key itself: {os.path.realpath(path)}",
            ) from error
        raise IdentityError(f"cannot be read: {error.strerror}", where=str(path), fix="check the file") from error
    try:
        _require_private(path, os.fstat(descriptor))
        return os.read(descriptor, LONGEST).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise IdentityError(f"cannot be read: {error}", where=str(path), fix="check the file") from error
    finally:
        os.close(descriptor)


def _require_private(path: Path, info: os.stat_result) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise IdentityError("is no file", where=str(path), fix="name the key itself")
    if os.geteuid() and info.st_uid not in (os.geteuid(), 0):
        raise IdentityError(
            f"belongs to another user (uid {info.st_uid})", where=str(path), fix="make a key of your own"
        )
    if info.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise IdentityError(
            f"this private key is open to others (mode {stat.S_IMODE(info.st_mode):04o})",
            where=str(path),
            fix=f"chmod 600 {path}; if others may have read it, make a new one",
        )


def _identity(private: X25519PrivateKey) -> Identity:
    return Identity(private, public_bytes(private))
