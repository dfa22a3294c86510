"""Commands in processes that need not import torch first: each is forked from one that has.

A test of two labs at work is about their two processes, not about the second and a half that each spends on an import.
So one server per test process imports the libraries, and every `p2pme` that a test starts is a fork of it: a process of
its own, in a session of its own, which begins in `main()` and ends as any other. The fork server that a command starts
for its own children is a fork of the command, too. A command that must be a fresh
interpreter's says so (`tests.small.Command`), and so it is done where coverage is measured.

Whoever is started ends with the test that started it (`tests/conftest.py`), and with the process of the tests, however
that ends.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import multiprocessing.util
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import TextIO

import p2pfl_me.workers

ROOT = Path(__file__).parent.parent
AT_START = ("PYTHON", "LC_", "LANG", "LD_", "OMP_", "OPENBLAS_", "COVERAGE")
"""What variables that an interpreter or a library reads once begin with: whoever changed one needs a new process."""
LONGEST = 1 << 17
"""Bytes of a request: arguments and environment."""
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_running: set[subprocess.Popen[str] | WarmProcess] = set()


def _read_at_start() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(AT_START)}


def end_with_parent() -> None:
    """In a child of the thread that goes on longest: the kernel kills it when that thread has ended. Linux alone knows
    how; elsewhere nothing is done."""
    if sys.platform == "linux":
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def running() -> set[subprocess.Popen[str] | WarmProcess]:
    """The processes that tests have started and that have not been seen to end."""
    _running.difference_update([each for each in _running if each.poll() is not None])
    return set(_running)


def end(processes: Iterable[subprocess.Popen[str] | WarmProcess]) -> None:
    """Kill these with all of their group."""
    for each in processes:
        with suppress(ProcessLookupError):
            os.killpg(each.pid, signal.SIGKILL)
        each.wait(60)


def start(arguments: Sequence[str], environment: dict[str, str], *, new: bool) -> subprocess.Popen[str] | WarmProcess:
    """A `p2pme` in a session of its own; its output and errors are one stream."""
    if not new and server().suits():
        process: subprocess.Popen[str] | WarmProcess = server().start(list(arguments), environment)
    else:
        process = subprocess.Popen(
            [sys.executable, "-m", "p2pfl_me", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    _running.add(process)
    return process


class Server:
    """The process that has imported the libraries, seen from the tests."""

    def __init__(self) -> None:
        self._environment = _read_at_start()
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = [sys.executable, "-m", "tests.warm", str(theirs.fileno())]
            # It ends when the last end of the socket that this process holds is closed, at the latest with it.
            self._process = subprocess.Popen(
                words, pass_fds=[theirs.fileno()], cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def suits(self) -> bool:
        """Whether a fork of it is what a new interpreter would be now."""
        return self._environment == _read_at_start() and "coverage" not in sys.modules

    def start(self, arguments: list[str], environment: dict[str, str]) -> WarmProcess:
        output, write = os.pipe()
        told, tell = os.pipe()
        try:
            request = {"arguments": arguments, "environment": environment, "folder": str(Path.cwd())}
            socket.send_fds(self._requests, [json.dumps(request).encode()], [write, tell])
        finally:
            os.close(write)
            os.close(tell)
        return WarmProcess(arguments, output, told)


class WarmProcess:
    """What `subprocess.Popen` would be for it, as far as tests ask."""

    def __init__(self, arguments: list[str], output: int, told: int) -> None:
        self.args = arguments
        self.stdout: TextIO = os.fdopen(output)
        self.returncode: int | None = None
        self._said = b""
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = self._number("pid")

    def _number(self, name: str) -> int:
        line = b""
        while not line.endswith(b"\n"):
            if not (more := self._told.read(1)):
                raise RuntimeError("the server of warm processes has ended")
            line += more
        found, _, number = line.decode().partition(" ")
        if found != name:
            raise RuntimeError(f"a warm process has ended before it began, with exit code {number}")
        return int(number)

    def poll(self) -> int | None:
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        if (code := self._wait(timeout)) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = self._number("code")
            self._told.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """All that it has yet to say, once it and all who write there have ended."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self.stdout], [], [], left)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)  # whoever asks again gets all of it
            if not (more := os.read(self.stdout.fileno(), 1 << 16)):
                break
            self._said += more
        self.stdout.close()
        self.wait(None if until is None else max(0.0, until - time.monotonic()))
        return self._said.decode(errors="replace"), None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def serve(requests: socket.socket) -> None:
    """Fork a child for each request, and tell how it ended; returns in the children alone."""
    import torch  # noqa: F401

    import p2pfl_me.cli.main
    import p2pfl_me.contract
    import p2pfl_me.evaluate.pool
    import p2pfl_me.learning.trainer
    import p2pfl_me.peer.host
    import p2pfl_me.peer.process
    import p2pfl_me.swarm.children  # noqa: F401

    gc.collect()
    gc.freeze()  # what all share is never looked through, so never copied either
    waking, wake = os.pipe()
    for end in (waking, wake):
        os.set_blocking(end, False)
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    running: dict[int, int] = {}
    while True:
        for ready in select.select([requests, waking], [], [])[0]:
            if ready is waking:
                with suppress(BlockingIOError):
                    os.read(waking, 1 << 10)
                continue
            message, fds, _, _ = socket.recv_fds(requests, LONGEST, 2)
            if not message:
                os._exit(0)
            output, tell = fds
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, before)
                for other in (waking, wake, requests.detach(), *running.values()):
                    os.close(other)
                _become(json.loads(message), output, tell)
                return
            os.close(output)
            running[pid] = tell
        while running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            with os.fdopen(running.pop(pid), "wb") as told, suppress(BrokenPipeError):
                told.write(f"code {os.waitstatus_to_exitcode(status)}\n".encode())


def _become(request: dict[str, object], output: int, tell: int) -> None:
    """The command's own session, folder, environment and output."""
    os.setsid()
    end_with_parent()
    folder, environment, arguments = request["folder"], request["environment"], request["arguments"]
    assert isinstance(folder, str) and isinstance(environment, dict) and isinstance(arguments, list)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.path[0] = ["p2pme", *arguments], folder
    for number in (1, 2):
        os.dup2(output, number)
    _own_streams()
    os.write(tell, f"pid {os.getpid()}\n".encode())
    for used in (output, tell):
        os.close(used)
    multiprocessing.util.spawnv_passfds = _fork_server_forked


def _own_streams() -> None:
    """Made anew, as an interpreter's: whether they can seek is asked of the file once."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        own = getattr(sys, f"__{name}__")
        stream = os.fdopen(
            number, "w", encoding=own.encoding, buffering=1 if number == 2 else -1, errors=own.errors, closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def fork_server() -> None:
    """This process's fork server, as a fork of it: it has imported what a new one would import first."""
    multiprocessing.util.spawnv_passfds = _fork_server_forked
    try:
        p2pfl_me.workers.fork_server()
    finally:
        multiprocessing.util.spawnv_passfds = _spawn


def _fork_server_forked(path: bytes, words: Sequence[str | bytes], kept: Sequence[int]) -> int:
    """In place of `multiprocessing.util.spawnv_passfds` in a command: its fork server has imported what it has."""
    code = os.fsdecode(words[-1])
    if not code.startswith("from multiprocessing.forkserver import main"):
        return _spawn(path, words, kept)
    if pid := os.fork():
        return pid
    # As an interpreter begins: no handler but those of ignored signals, no file but these, nothing of the parent's.
    _own_streams()
    faulthandler.disable()
    sys.excepthook, sys.unraisablehook = sys.__excepthook__, sys.__unraisablehook__
    threading.excepthook = threading.__excepthook__
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    low = 3
    for number in sorted(kept):
        os.closerange(low, number)
        low = number + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
    forkserver._forkserver.__init__()  # type: ignore[attr-defined,misc]
    resource_tracker._resource_tracker.__init__()  # type: ignore[misc]
    try:
        exec(code, {"__name__": "__main__"})
    except SystemExit:
        os._exit(0)
    finally:
        os._exit(1)


_spawn = multiprocessing.util.spawnv_passfds
_server: Server | None = None


def server() -> Server:
    """The one of this process."""
    global _server
    if _server is None:
        _server = Server()
    return _server


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    serve(socket.socket(fileno=int(sys.argv[1])))
    from p2pfl_me.cli.main import main

    main()
