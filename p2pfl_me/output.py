"""What is printed while work goes on for hours: a reader who has gone, or a full disk behind it, ends no run.

Nor is a process that others wait for held up by one who does not read (Ctrl-S, a pager, a journal that hangs).
"""

from __future__ import annotations

import atexit
import io
import os
import select
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import NoReturn, TextIO

HELD = 1000
"""Lines that are kept for a reader who does not read just now, the latest of them."""
PIECE = 4096
"""Bytes that a pipe takes at once if it takes any (PIPE_BUF)."""
END_S = 10.0
"""How long a process that ends waits for its reader."""
_outlets: dict[int, Outlet] | None = None
"""Of a process that waits for no reader: by file descriptor."""


def wait_for_no_reader() -> None:
    """From now on `put` never waits: this process is one that others wait for."""
    global _outlets
    if _outlets is None:
        _outlets = {}
        atexit.register(_settle)


def put(text: str, stream: TextIO | None = None) -> None:
    """Print a line at once. Where it cannot be written (`| head`, a full disk), this and later lines go nowhere."""
    stream = stream or sys.stdout
    try:
        if (outlet := _outlet(stream)) is None:
            print(text, file=stream, flush=True)
        else:
            stream.flush()
            outlet.say(f"{text}\n".encode(stream.encoding, stream.errors or "strict"))
    except (OSError, ValueError):  # ValueError: the stream is closed
        to_nowhere(stream)


def _outlet(stream: TextIO) -> Outlet | None:
    """Where the lines of a process that waits for no reader go; None: into the stream, which may be no file at all."""
    if _outlets is None:
        return None
    try:
        fd = stream.fileno()
    except io.UnsupportedOperation:
        return None
    return _outlets.setdefault(fd, Outlet(fd))


def _settle() -> None:
    for outlet in (_outlets or {}).values():
        with suppress(OSError):  # its reader has gone; the log has all of it
            outlet.settle()


class Outlet:
    """Lines for one reader, who takes them when it likes; the process goes on meanwhile."""

    def __init__(self, fd: int) -> None:
        self._fd, self._lines, self._left_out, self._rest = fd, deque[bytes](), 0, b""
        self._own: int | None = None
        """A terminal, opened once more: it may take less than it is given, and the user's shell has the same `fd`."""
        if os.isatty(fd):
            with suppress(OSError):  # another user's
                self._own = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        self._lock = threading.Lock()  # a round is concluded, and told, in the thread that trains

    def say(self, line: bytes) -> None:
        """Write a line, if it is taken now; else keep it."""
        with self._lock:
            if len(self._lines) >= HELD:
                self._lines.popleft()
                self._left_out += 1
            self._lines.append(line)
            self._pass_on(0.0)

    def settle(self) -> None:
        """Wait for a while until all is taken."""
        with self._lock:
            self._pass_on(END_S)

    def _pass_on(self, wait_s: float) -> None:
        fd, poll = self._fd if self._own is None else self._own, select.poll()
        poll.register(fd, select.POLLOUT)
        while self._rest or self._lines:
            if not poll.poll(1000 * wait_s):
                return
            if not self._rest and self._left_out:
                self._rest = f"... {self._left_out} lines that nobody read are left out; the log has them\n".encode()
                self._left_out = 0
            self._rest = self._rest or self._lines.popleft()
            try:
                self._rest = self._rest[os.write(fd, self._rest[:PIECE]) :]
            except BlockingIOError:
                return


def redraws(stream: TextIO) -> bool:
    """Whether what stands there can be drawn over: a terminal, and none that calls itself dumb (editors, some logs)."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def end_process(code: int) -> NoReturn:
    """End at once, with what was printed: a training step that is still running in its thread must not hold it up."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # its reader has gone; the log has all of it
            stream.flush()
    _settle()
    os._exit(code)


def to_nowhere(stream: TextIO) -> None:
    """Whatever is still in the stream's buffer, or comes later, is dropped without a word."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
