"""What this process may use of the machine: cores, memory, open files, ports; a container's limits, not its host's.

And how its C library keeps memory that it has left.
"""

from __future__ import annotations

import ctypes
import errno
import math
import os
import re
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from p2pfl_me.counting import many
from p2pfl_me.errors import ContractError, PeerError

LISTENING = "0A"
"""A socket's state in Linux's /proc/net/tcp."""
CGROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
FILES = 65_536
"""Open files and connections that a process allows itself, where the system does."""
LACKING = ("allocate memory", "out of memory", "not enough memory", "start new thread", "failed to map segment")
"""What stands in the words of those who get no memory and raise no MemoryError."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""glibc's malloc.h"""
_GROWING = threading.Lock()
"""The limit is the process's: whoever lowers it first puts it back before the next."""
_given: ContextVar[float] = ContextVar("given", default=math.inf)


@contextmanager
def confined(count: int) -> Iterator[None]:
    """In the block this process uses `count` cores at most: a scheduler gave the others to someone else."""
    before = _given.set(count)
    try:
        yield
    finally:
        _given.reset(before)


def cores() -> int:
    """Cores that may compute at once, 1 at least: those of the machine, of the process's mask, of the container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = (share for folder in _groups() if (share := _cpu_share(folder)))
    return max(1, math.ceil(min([allowed, _given.get(), *shares])))


def available_bytes() -> int:
    """Memory that can still be had without swapping, here and in each container around; else the machine's whole."""
    free = [_left(folder) for folder in _groups()]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")))
    except (OSError, StopIteration):
        free.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found for found in free if found is not None)


def allowed_bytes() -> int | None:
    """Of address space, by whoever began this process (`ulimit -v`), as each of its children has for itself; None
    where nobody limits it."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def require_bytes(count: int, each: int, where: str, fix: str, *, shared: int = 0) -> None:
    """Refuse `count` peers of `each` bytes, beside what they have in common, where this machine has fewer free.

    Raises
    ------
    ContractError
        With `fix`, in which {fit} becomes the largest number of peers that would fit.
    """
    free, needed = available_bytes(), count * each + shared
    if needed > free:
        raise ContractError(
            f"{many(count, 'peer', 'take')} about {_gigabytes(needed)}, and {_gigabytes(free)} are free",
            where=where,
            fix=fix.format(fit=fit) if (fit := (free - shared) // each) > 0 else "take a machine with more memory",
        )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.{0 if size >= 10e9 else 1}f} GB"


def lack_of(error: Exception) -> PeerError | None:
    """What a failure says to a user that comes of what this process may not have; None where it is another one.

    torch, zlib and the threads of Python's own raise a RuntimeError or an error of theirs for it.
    """
    is_said = any(words in str(error).lower() for words in LACKING)
    if not isinstance(error, MemoryError) and getattr(error, "errno", None) != errno.ENOMEM and not is_said:
        return None
    return PeerError(
        f"no memory was left, or no more is allowed here ({str(error).splitlines()[0][:80] if str(error) else 'none'})",
        fix="free some, or raise the limit (`ulimit -v`, `ulimit -u`, MemoryMax and TasksMax of the unit, the "
        "container's), then give the same command again",
    )


@contextmanager
def growing_at_most(size: int) -> Iterator[None]:
    """In the block this process takes `size` bytes more and no further: what a library asks for beyond them, because a
    foreign file speaks of them, is refused to it.

    Other threads are held to it too, so the block is to be short. A system that does not count memory (all but Linux)
    holds nobody to it.
    """
    with _GROWING:
        taken = _private_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if taken is None or (soft != resource.RLIM_INFINITY and soft <= taken + size):
            yield
            return
        resource.setrlimit(resource.RLIMIT_DATA, (taken + size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _private_bytes() -> int | None:
    """What Linux holds against RLIMIT_DATA: all that this process can write to and shares with nobody."""
    with suppress(OSError):
        found = re.search(r"VmData:\s+([0-9]+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) * 1024 if found else None
    return None


def allow_many_files() -> int:
    """Raise the soft limit of open files as far as is wanted and allowed; what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return FILES if soft == resource.RLIM_INFINITY else soft


def holder_of(port: int) -> str:
    """Who listens at a TCP port of this machine, as far as this user may see: "process 4711 (p2pme ...)", or ""."""
    sockets = set[str]()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError, ValueError, IndexError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{fields[9]}]")
    if not sockets:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # another user's, or gone meanwhile
            if any(str(file.readlink()) in sockets for file in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                return f"process {process.name} ({' '.join(words).strip()[:80]})"
    return "a process of another user"


def _groups() -> list[Path]:
    """The control groups that this process is in, each from its own up to the root of what it sees: that of version 2,
    and, where the system still has version 1, one for each of cores and memory."""
    try:
        lines = [line.split(":", 2) for line in OWN_GROUPS.read_text().splitlines()]
    except OSError:
        return []
    found: list[Path] = []
    for names, own in ((names.split(","), own) for _, names, own in lines):
        for root in (CGROUPS / name for name in names if name in {"", "cpu", "memory"}):
            inner = root / own.strip("/")
            folder = inner if inner.is_dir() else root  # a container's own root has another name outside
            found += [folder, *(parent for parent in folder.parents if parent.is_relative_to(root))]
    return found


def _cpu_share(group: Path) -> float | None:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError):
        return None  # no limit ("max"), no such file


def _left(group: Path) -> int | None:
    """Bytes until the group's limit. What it holds of files can be had back, so it does not count."""
    two = (group / "memory.max").exists()
    limits = ("memory.max", "memory.current") if two else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    try:
        limit, used = (int((group / name).read_text()) for name in limits)
        numbers = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return max(0, limit - used + int(numbers.get("inactive_file" if two else "total_inactive_file", 0)))


@cache
def reuse_freed_memory() -> None:
    """Have glibc keep freed models, records and maps and use them again, whichever thread frees them.

    By default each thread has a pool of its own and large blocks go back to the kernel: page faults cost a third of a
    link's speed and of a convolution's, and pools that cannot share double a peer's memory. What is kept at most
    (256 MiB) is what a round of 29 MB models needs at its widest: with less, a peer spends a tenth of its time on
    giving pages back and asking for them again. Other allocators are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, 256 << 20)):
        mallopt(option, value)
