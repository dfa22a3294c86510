"""Workers leave Ctrl-C to the command that started them, also while they are still being imported."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from p2pfl_me.workers import _deaf_children, pool

SCRIPT = """
from p2pfl_me.workers import pool

try:
    with pool(1, "slow") as workers:
        workers.submit(abs, -1).result()
except KeyboardInterrupt:
    raise SystemExit(130)
"""
SLOW = """
with open("importing", "w"):
    pass  # the test waits for this end
with open("go"):
    pass  # and this one for the test
"""


def test_ctrl_c_while_a_fork_server_is_started_is_answered_after_that() -> None:
    """It was ignored there: a comparison that was stopped as its baselines began went on to its end."""
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with _deaf_children():
            # To this thread, as where it is the only one: what other tests have left would take a process's signal.
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            assert not heard
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_the_fork_server_still_imports_prints_nothing(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    for name in ("importing", "go"):
        os.mkfifo(tmp_path / name)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        (tmp_path / "importing").read_text()
        os.killpg(command.pid, signal.SIGINT)  # as a terminal does: all of them
        (tmp_path / "go").write_text("")
        _, said = command.communicate(timeout=60)
        assert command.returncode == 130
    finally:
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGKILL)
    assert said == ""


@pytest.mark.thorough
def test_a_worker_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    script = (
        "import os, signal\nfrom p2pfl_me.workers import pool\n"
        "with pool(1, 'json') as workers:\n"
        "    print(workers.submit(os.getpid).result(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # The worker holds this pipe, too: it is read to its end only when the worker is gone.
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL and int(done.stdout) > 0


@pytest.mark.parametrize("instant", ["while it imports", "before it has begun"])
def test_a_server_that_still_imports_ends_with_its_parent_however_that_ends(tmp_path: Path, instant: str) -> None:
    """A comparison that was killed while torch was imported left it behind for half a minute."""
    (tmp_path / "slow.py").write_text("import os, threading\nos.write(1, b'imports\\n')\nthreading.Event().wait(600)\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    script = "import os, signal\nfrom p2pfl_me.workers import fork_server\nfork_server('slow')\n"
    script += "os.kill(os.getpid(), signal.SIGKILL)" if instant == "before it has begun" else "signal.pause()"
    command = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE)
    assert command.stdout
    if instant == "while it imports":
        assert command.stdout.readline() == b"imports\n"
        command.kill()
    # The server holds this pipe, too: it is read to its end only when the server is gone.
    command.communicate(timeout=60)
    assert command.returncode == -signal.SIGKILL


@pytest.mark.thorough
def test_a_script_needs_no_guard_because_workers_do_not_run_it_again(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import sys\nfrom p2pfl_me.workers import pool\n"
        "print('once', flush=True)\n"
        "with pool(2, 'json') as workers:\n"
        "    print(*workers.map(abs, [-1, -2]), sys.modules['__main__'].__file__ == __file__)\n"
    )
    command = [sys.executable, str(tmp_path / "mine.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("once\n1 2 True\n", "")


def test_any_child_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Of a swarm, of baselines, of a comparison: kill -9 of the command leaves nobody who trains on."""
    script = (
        "import os, signal, sys, time\nfrom p2pfl_me.workers import fork_server\n"
        "child = fork_server('json').Process(target=time.sleep, args=(600,), daemon=True)\n"
        "child.start()\nprint(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # The child holds this pipe, too: it is read to its end only when the child is gone.
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL and done.stdout.strip().isdigit()


@pytest.mark.thorough
def test_a_long_tmpdir_leaves_room_for_the_servers_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 20) / ("long-" * 20)
    folder.mkdir(parents=True)
    script = (
        "from p2pfl_me.workers import pool\nwith pool(1, 'json') as workers: print(workers.submit(abs, -3).result())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_a_server_that_still_imports_ends_with_a_command_that_needs_no_child(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    for name in ("importing", "go"):
        os.mkfifo(tmp_path / name)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    script = "from p2pfl_me.workers import fork_server\nfork_server('slow')\nwith open('importing'):\n    pass\n"
    # The server holds the pipe, too, and would import for as long as nobody writes to `go`.
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_children_collect_their_own_garbage_and_leave_alone_what_all_share() -> None:
    with pool(1, "json") as workers:
        assert workers.submit(gc.isenabled).result()
        assert workers.submit(gc.get_freeze_count).result() > 0
        # The clock by which a server that imports looks after its parent is none of theirs.
        assert workers.submit(signal.getitimer, signal.ITIMER_REAL).result() == (0.0, 0.0)
        assert workers.submit(signal.getsignal, signal.SIGALRM).result() == signal.SIG_DFL
    assert gc.isenabled()
