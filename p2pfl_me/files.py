"""The one way this package opens files: what is no regular file is neither waited for nor read, and how much is read is
bounded. What is written is for its owner's eyes unless meant for others (`atomic` writes it, whole or not at all).

Private means mode 0600 in folders of mode 0700. A name that somebody put there first is not written through: symbolic
links are not followed, and what belongs to another user or is no regular file is refused. What the system says against
a file is an `OSError` whose `strerror` reads as a sentence's end; `refusing` makes an error of ours of it.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from p2pfl_me.errors import P2pmeError
from p2pfl_me.parsed import json_of

PRIVATE = 0o600
FOLDER = 0o700
LARGEST = 1 << 32
"""Bytes of a file that is read as a whole."""
LARGEST_TEXT = 1 << 30
"""Bytes of a text that is."""
_PAGE = 1 << 16
"""Bytes of a file that are read however few it had a moment ago."""


class UnsafeFile(OSError):
    """A file or folder that is not what a private one must be; `fix` says what to do."""

    def __init__(self, path: Path, strerror: str, fix: str) -> None:
        super().__init__(errno.EPERM, strerror, str(path))
        self.fix = fix


NOT_YOURS = "see that this user may write there (`ls -ld`, `mount`), or name another place; then try again"
"""What to do where the system does not let it be written."""


@contextmanager
def refusing(kind: type[P2pmeError], path: Path, fix: str, what: str = "cannot be written") -> Iterator[None]:
    """Whatever the system has against writing `path` in the block becomes an error of `kind`; `fix` is for all but what
    no free space would mend."""
    try:
        yield
    except UnsafeFile as error:
        raise kind(f"{what}: it {error.strerror}", where=str(error.filename or path), fix=error.fix) from error
    except OSError as error:
        fix = NOT_YOURS if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} else fix
        raise kind(f"{what}: {error.strerror or error}", where=str(path), fix=fix) from error


def private_folder(path: Path, forbidden: int = stat.S_IWOTH) -> Path:
    """Make a folder and what is missing above it with mode 0700, or see that the one there is this user's.

    Raises
    ------
    OSError
        It cannot be made.
    UnsafeFile
        It belongs to another user, or has one of the `forbidden` bits: others could put files there.
    """
    if not path.exists():
        if not path.parent.exists():
            private_folder(path.parent)
        with suppress(FileExistsError):  # another process of ours was faster
            path.mkdir(mode=FOLDER)
    return require_private(path, forbidden)


def require_private(path: Path, forbidden: int = stat.S_IWOTH) -> Path:
    """See that a folder is one, and this user's.

    Raises
    ------
    OSError
        It is none, or cannot be looked at.
    UnsafeFile
        As with `private_folder`.
    """
    for info in (path.lstat(), path.stat()):
        _refuse_foreign(path, info)
    mode = path.stat().st_mode
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if mode & forbidden and not mode & stat.S_ISVTX:
        said = f"is a folder that others may write to (mode {stat.S_IMODE(mode):04o})"
        raise UnsafeFile(path, said, f"chmod 700 {path}")
    return path


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a private file: a new one gets mode 0600, one that was open to others is closed to them.

    Raises
    ------
    OSError
        It cannot be opened.
    UnsafeFile
        It is a symbolic link, no regular file, or belongs to another user.
    """
    try:
        # Without O_NONBLOCK a pipe of that name would be waited for.
        file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise UnsafeFile(path, "is a symbolic link, which is not followed", f"remove it: rm {path}") from error
        if error.errno == errno.ENXIO:
            raise UnsafeFile(path, "is no regular file", f"move it away: {path}") from error
        raise
    try:
        info = os.fstat(file)
        if not stat.S_ISREG(info.st_mode) and not stat.S_ISCHR(info.st_mode):
            raise UnsafeFile(path, "is no regular file", f"move it away: {path}")
        _refuse_foreign(path, info)
        if info.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            with suppress(OSError):  # a file system without modes
                os.fchmod(file, PRIVATE)
    except BaseException:
        os.close(file)
        raise
    return file


def open_regular(path: Path, most: int | None = LARGEST, *, own: bool = False) -> io.BufferedReader:
    """A file to read that others may have put there: a pipe of that name is not waited for, a device not read.

    Parameters
    ----------
    own:
        It is this user's own business: no link is followed, and what belongs to another user is not taken.

    Raises
    ------
    OSError
        It cannot be opened.
    UnsafeFile
        It is no regular file, or has more than `most` bytes, which one with holes has without filling any disk; or it
        is not this user's `own`.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if own else 0))
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise UnsafeFile(path, "is no regular file", f"move it away: {path}") from error
        if own and error.errno in (errno.ELOOP, errno.EMLINK):
            raise UnsafeFile(path, "is a symbolic link, which is not followed", f"remove it: rm {path}") from error
        raise
    try:
        info = os.fstat(file)
        if own:
            _refuse_foreign(path, info)
        if not stat.S_ISREG(info.st_mode):
            raise UnsafeFile(path, "is no regular file", f"move it away: {path}")
        if most is not None and info.st_size > most:
            raise UnsafeFile(path, f"has {info.st_size} bytes, more than {most}", f"move it away: {path}")
    except BaseException:
        os.close(file)
        raise
    return os.fdopen(file, "rb")


def read_regular(path: Path, most: int = LARGEST, *, own: bool = False) -> bytes:
    """All of such a file; errors are those of `open_regular`."""
    with open_regular(path, most, own=own) as file:
        # Memory for as many bytes as are asked for is taken at once, so not for `most` of a file of ten.
        return file.read(min(most, max(_PAGE, os.fstat(file.fileno()).st_size)))


def require_regular(path: Path, most: int | None = None, *, own: bool = False) -> None:
    """See that there is such a file, for a library that opens it by its name; errors are those of `open_regular`."""
    open_regular(path, most, own=own).close()


def open_text(path: Path, most: int = LARGEST_TEXT, encoding: str = "utf-8-sig") -> TextIO:
    """Such a file as text for `csv`, its ends of lines as they are; errors are those of `open_regular`."""
    return io.TextIOWrapper(open_regular(path, most), encoding=encoding, newline="")


def read_text(path: Path, most: int = LARGEST_TEXT, *, own: bool = False) -> str:
    """All of such a file in UTF-8; errors are those of `open_regular`, or `UnicodeDecodeError`, a `ValueError`."""
    return read_regular(path, most, own=own).decode()


def read_json(path: Path, most: int = LARGEST_TEXT) -> Any:
    """What such a file says.

    Raises
    ------
    OSError
        As `open_regular`.
    ValueError
        It is no JSON, or nested so deep that nothing of ours could be.
    """
    return json_of(read_text(path, most))


@contextmanager
def locked(path: Path, wait_s: float | None = None) -> Iterator[None]:
    """Hold the private file at `path`, of which nothing is read: one process does what others wait for, for `wait_s` at
    most or until it is their turn.

    Raises
    ------
    OSError
        It cannot be made or opened; `BlockingIOError`: another process holds it.
    """
    private_folder(path.parent)
    with os.fdopen(open_private(path, os.O_CREAT | os.O_RDWR), "r+b") as file:
        if wait_s is None:
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            _lock_within(file.fileno(), wait_s)
        yield


def _lock_within(file: int, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.02)
        else:
            return


def _refuse_foreign(path: Path, info: os.stat_result) -> None:
    """Root is trusted by all, and trusts all: a container's root works in folders of whoever started it."""
    me = os.geteuid()
    if me and info.st_uid not in (me, 0):
        raise UnsafeFile(path, f"belongs to another user (uid {info.st_uid})", "name another, or make it yours: chown")
