"""The one way this package writes files: whole or not at all, and for their owner's eyes unless meant for others.

And the one way it reads them: what is no regular file is neither waited for nor read, and how much is read is bounded.
Private means mode 0600 in folders of mode 0700. A name that somebody put there first is not written through: symbolic
links are not followed, and what belongs to another user or is no regular file is refused. What the system says against
a file is an `OSError` whose `strerror` reads as a sentence's end; `refusing` makes an error of ours of it.
"""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from p2pfl_me.errors import P2pmeError

PRIVATE = 0o600
FOLDER = 0o700
LARGEST = 1 << 32
"""Bytes of a file that is read as a whole."""
LARGEST_TEXT = 1 << 30
"""Bytes of a text that is."""
_PAGE = 1 << 16
"""Bytes of a file that are read however few it had a moment ago."""
Parts = str | bytes | Iterable[bytes | memoryview]


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
    try:
        return json.loads(read_text(path, most))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def write_whole(path: Path, data: Parts, *, public: bool = False, sync: bool = False) -> None:
    """Put `data` (text in UTF-8) under a name: a reader sees all of it, or what stood there before.

    Parameters
    ----------
    public:
        The file is meant for others: its mode follows the umask.
    sync:
        The data are on the disk before the name is: a power cut leaves the old file or the new one.

    Raises
    ------
    OSError
        A full disk, or a folder that cannot be written; what stood there stays.
    """
    with replacing(path, public=public, sync=sync) as draft, draft.open("wb") as file:
        for part in _parts(data):
            file.write(part)


def create_whole(path: Path, data: Parts, *, public: bool = False) -> None:
    """The same, under a name that nobody has: nothing is overwritten.

    Raises
    ------
    FileExistsError
        Something lies there, a link that leads nowhere included.
    OSError
        As `write_whole`.
    """
    if path.exists() or path.is_symlink():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    with _draft(path, public=public) as draft:
        with draft.open("wb") as file:
            for part in _parts(data):
                file.write(part)
        draft.chmod(_public_mode() if public else PRIVATE)
        try:
            os.link(draft, path)  # unlike a rename, takes no name that somebody has taken since
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            draft.rename(path)


@contextmanager
def replacing(path: Path, *, public: bool = False, sync: bool = False) -> Iterator[Path]:
    """A draft beside `path` for the block to write to; it takes the name when the block ends, or goes if it raises.

    What lies in /dev or /proc (/dev/stdout, /dev/null) is written straight and stays what it is; so is a pipe or a
    device elsewhere, if this is `public`.

    Raises
    ------
    OSError
        As `write_whole`.
    UnsafeFile
        A pipe, a socket or a device stands there, and this is private.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and _is_device_folder(path.parent):
        yield path
        return
    if path.exists() and not path.is_file():
        if not public:
            raise UnsafeFile(path, "is no regular file", f"move it away: {path}")
        yield path
        return
    with _draft(path, public=public) as draft:
        yield draft
        draft.chmod(_public_mode() if public else PRIVATE)
        if sync:
            sync_file(draft)
        draft.replace(path)
        if sync:
            sync_file(path.parent)


@contextmanager
def making_folder(path: Path) -> Iterator[Path]:
    """A draft beside `path`, a folder meant for others, for the block to fill; it takes the name when the block ends.

    It goes if the block raises. An empty folder is made anew, except where somebody works in it, what is mounted, and
    where its parent is not ours to write; these, and one that holds something, are filled as they are.

    Raises
    ------
    OSError
        A full disk, or a folder that cannot be written.
    """
    mode = _public_mode(0o777)
    with suppress(OSError):
        if not path.samefile(Path.cwd()):  # a shell in it would go on in a folder without a name
            before = stat.S_IMODE(path.stat().st_mode)
            path.rmdir()
            mode = before  # whoever closed it to others has it closed
    if path.exists():
        yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".draft", dir=path.parent))
    try:
        yield draft
        draft.chmod(mode)
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def undrafted(paths: Iterable[Path], top: Path | None = None) -> list[Path]:
    """Those of the paths that are no drafts, in order: what lies under a draft's name was left by an interrupted write.

    Below `top`, what lies in a folder that is a draft is left out, too.
    """
    return sorted(
        path for path in paths if not any(map(_is_draft, path.relative_to(top).parts if top else [path.name]))
    )


def _is_draft(name: str) -> bool:
    return name.startswith(".") and ".draft" in name


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


def sync_file(path: Path) -> None:
    """Bring a file or folder to the disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _is_device_folder(folder: Path) -> bool:
    """/dev/stdout leads to a file where the shell has put one, and is not to be replaced; /dev/shm holds files."""
    parts = folder.resolve().parts
    return parts[:2] in {("/", "dev"), ("/", "proc")} and parts[2:3] != ("shm",)


@contextmanager
def _draft(path: Path, *, public: bool) -> Iterator[Path]:
    """An empty file beside `path`, gone when the block ends unless it has another name by then."""
    if path.parent.exists() and not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent))
    if public:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.parent.exists():
        private_folder(path.parent)
    file, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=f".draft{path.suffix}", dir=path.parent)
    os.close(file)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _parts(data: Parts) -> Iterable[bytes | memoryview]:
    if isinstance(data, str):
        return (data.encode(),)
    return (data,) if isinstance(data, bytes) else data


def _refuse_foreign(path: Path, info: os.stat_result) -> None:
    """Root is trusted by all, and trusts all: a container's root works in folders of whoever started it."""
    me = os.geteuid()
    if me and info.st_uid not in (me, 0):
        raise UnsafeFile(path, f"belongs to another user (uid {info.st_uid})", "name another, or make it yours: chown")


def _public_mode(of: int = 0o666) -> int:
    """What `open` would give a new file, and `mkdir` a new folder of mode 0777.

    The umask can only be read by setting it: another thread's file, made in between, is more private than it need be.
    """
    mask = os.umask(0o077)
    os.umask(mask)
    return of & ~mask
