"""Static X25519 identities: files that only their owner can read, public keys as text, fingerprints for the phone."""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from p2pfl_me.errors import IdentityError
from p2pfl_me.wire.noise import private_bytes, public_bytes

HEADING = "p2pme private key, X25519; keep it secret"


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


def save_identity(path: Path, identity: Identity) -> None:
    """Write a private key with mode 0600; an existing file is never overwritten.

    Raises
    ------
    IdentityError
        The file exists or cannot be written.
    """
    text = f"# {HEADING}\n{base64.b64encode(private_bytes(identity.private)).decode()}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise IdentityError("already exists", where=str(path), fix="name another file with --out") from error
    except OSError as error:
        raise IdentityError(f"cannot be written: {error.strerror}", where=str(path), fix="name another file") from error
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise IdentityError(f"cannot be written: {error.strerror}", where=str(path), fix="free some space") from error


def load_identity(path: Path) -> Identity:
    """Read a private key, and refuse one that others on this machine could read.

    Raises
    ------
    IdentityError
        Missing, readable by others, or not a key.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise IdentityError("no such key", where=str(path), fix="make one with `p2pme keys new`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise IdentityError(f"cannot be read: {error}", where=str(path), fix="check the file") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise IdentityError(
            f"this private key is open to others (mode {stat.S_IMODE(mode):04o})",
            where=str(path),
            fix=f"chmod 600 {path}; if others may have read it, make a new one",
        )
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    try:
        raw = base64.b64decode("".join(lines), validate=True)
        return _identity(X25519PrivateKey.from_private_bytes(raw))
    except (binascii.Error, ValueError) as error:
        raise IdentityError(
            "not a p2pme private key", where=str(path), fix="move it away and make one with `p2pme keys new`"
        ) from error


def loopback_identities(folder: Path, count: int) -> list[Identity]:
    """The keys of `count` loopback peers of one user, made on first use in the folder that they share."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # peers start together; one of them makes the keys
        identities = []
        for peer in range(count):
            path = folder / f"loopback-{peer}.key"
            if not path.exists():
                save_identity(path, new_identity())
            identities.append(load_identity(path))
        return identities


def _identity(private: X25519PrivateKey) -> Identity:
    return Identity(private, public_bytes(private))
