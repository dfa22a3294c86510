"""Files and folders written whole or not at all: a reader sees what stood there before, or all of what stands there.

Private unless meant for others, by the rules of `files`. What a kill leaves is a draft, and known as one by its name.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from p2pfl_me.errors import P2pmeError
from p2pfl_me.files import PRIVATE, UnsafeFile, private_folder

Parts = str | bytes | Iterable[bytes | memoryview]


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


@contextmanager
def gone_if_refused(
    path: Path, *, ours: Iterable[str] = ("*",), unless: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """The folder that the block begins does not stay to block the corrected command when the block refuses.

    One that was there keeps what it held, and what matches none of `ours`. With `unless`, asked after the refusal, it
    stays as it is: something in it was worth its time.
    """
    before = set(path.iterdir()) if path.is_dir() else set[Path]()
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield
    except P2pmeError:
        if not unless():
            new = {each for name in ours for each in path.glob(name)} - before
            for each in (path,) if missing else new:
                shutil.rmtree(each) if each.is_dir() else each.unlink(missing_ok=True)
            for folder in missing[1:]:
                with suppress(OSError):  # somebody else has something there by now
                    folder.rmdir()
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


def _public_mode(of: int = 0o666) -> int:
    """What `open` would give a new file, and `mkdir` a new folder of mode 0777.

    The umask can only be read by setting it: another thread's file, made in between, is more private than it need be.
    """
    mask = os.umask(0o077)
    os.umask(mask)
    return of & ~mask
