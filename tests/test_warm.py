"""What tests start ends with them, however they end; and what one leaves behind is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small import wait_for

STARTER = """
import os, signal, subprocess
from tests.warm import end_with_parent

print(subprocess.Popen(["sleep", "600"], preexec_fn=end_with_parent).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of others does not know how")
def test_a_command_ends_with_the_process_of_the_tests_however_that_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTER],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    status = Path(f"/proc/{int(done.stdout)}/status")
    wait_for(lambda: not status.exists() or "State:\tZ" in status.read_text(), "the child is killed, too")


LEAVES = """
import signal

def test_that_leaves_ctrl_c_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)

def test_that_comes_after_it():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


@pytest.mark.thorough
def test_whoever_leaves_a_signal_ignored_fails_and_nobody_after_it(tmp_path: Path) -> None:
    here = Path(__file__).parent
    (tmp_path / "test_one.py").write_text(LEAVES)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(words, cwd=here.parent, capture_output=True, text=True, timeout=120, check=False)
    assert "2 passed, 1 error" in done.stdout and "ERROR" in done.stdout and "leaves_ctrl_c_ignored" in done.stdout
