"""Output that cannot be written ends no run, and no success is reported that nobody can have seen."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from p2pfl_me import output
from p2pfl_me.output import HELD, Outlet, put

LONG = """
import sys
from p2pfl_me.console.lines import Console
console = Console()
for number in range(20_000):
    console.say(f"round {number}")
print("still there", file=sys.stderr)
"""


def test_a_reader_who_has_gone_ends_no_work() -> None:
    done = subprocess.run(
        f"{sys.executable} -c '{LONG}' | head -n 1", shell=True, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.count("round") == 1 and done.stderr == "still there\n"


@pytest.mark.thorough
def test_a_full_disk_behind_the_output_ends_no_work() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", LONG], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 0 and done.stderr == "still there\n"


def test_a_closed_stream_is_no_error() -> None:
    stream = io.StringIO()
    stream.close()
    put("text", stream)


@pytest.mark.few(1)
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_the_shell_has_closed_are_no_error(closed: str, tmp_path: Path) -> None:
    """And no file that is opened later gets their numbers, here or in a child."""
    program = (
        "import os, sys, subprocess; from p2pfl_me.cli.terminal import open_what_is_closed as fill; fill();"
        "print(1); print(2, file=sys.stderr); sys.stdout.isatty();"
        "low = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY); assert low > 2, low; os.close(low);"
        "code = 'import os; [os.fstat(each) for each in range(3)]';"
        "open(sys.argv[1], 'w').write(str(subprocess.call([sys.executable, '-c', code])))"
    )
    told = tmp_path / "told"
    subprocess.run(f'{sys.executable} -c "{program}" {told} {closed}', shell=True, capture_output=True, timeout=60)
    assert told.read_text() == "0"
    done = subprocess.run(
        f"{sys.executable} -m p2pfl_me topology list {closed}", shell=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0


@pytest.mark.few(1)
@pytest.mark.parametrize("command", [["topology", "list"], ["--help"]])
def test_an_answer_that_cannot_be_written_is_no_success(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "p2pfl_me", *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2 and "the output cannot be written: No space left" in done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_a_letter_that_the_output_lacks_is_shown_as_its_number() -> None:
    script = """
from p2pfl_me.cli.terminal import tolerate_any_name
from p2pfl_me.output import put
tolerate_any_name()
put("Z\\xfcrich \\u2014 ok")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and done.stdout == b"Z\\xfcrich \\u2014 ok\n"


UNREAD = """
import os, sys, time
from p2pfl_me.output import end_process, put, wait_for_no_reader
wait_for_no_reader()
for number in range(20_000):
    put(f"round {number}")
print("still there", file=sys.stderr, flush=True)
sys.stdin.readline()
put("over")
end_process(0)
"""


@pytest.mark.few(1)
@pytest.mark.parametrize("terminal", [False, True])
def test_a_reader_who_does_not_read_holds_up_no_peer_and_gets_the_latest_lines_when_it_reads_again(
    terminal: bool,
) -> None:
    """A peer whose console was stopped (Ctrl-S, a pager) had stopped with it, and its neighbours trained alone."""
    here, there = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", UNREAD], stdin=subprocess.PIPE, stdout=there, stderr=subprocess.PIPE, text=True
    )
    os.close(there)
    assert process.stdin and process.stderr
    assert process.stderr.readline() == "still there\n", "and nobody has read anything"
    process.stdin.write("\n")
    process.stdin.flush()
    text = b""
    with contextlib.suppress(OSError):  # how a terminal ends
        while piece := os.read(here, 1 << 16):
            text += piece
    os.close(here)
    assert process.wait(60) == 0
    process.stdin.close()
    process.stderr.close()
    lines = text.decode().splitlines()
    (cut,) = (number for number, line in enumerate(lines) if line.startswith("... "))
    left_out = int(lines[cut].split()[1])
    assert lines[:cut] == [f"round {number}" for number in range(cut)] and cut > 100
    assert lines[cut + 1 :] == [*(f"round {number}" for number in range(cut + left_out, 20_000)), "over"]
    assert len(lines) - cut - 1 == HELD


def test_who_never_reads_holds_up_no_end_for_longer_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "END_S", 0.05)
    here, there = os.pipe()
    outlet = Outlet(there)
    for _ in range(3 * HELD):
        outlet.say(100 * b"x" + b"\n")
    outlet.settle()
    os.close(there)
    os.close(here)
