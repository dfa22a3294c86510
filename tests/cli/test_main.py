"""The command's frame: quick help without heavy imports, errors in words, lazily loaded commands that all exist."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli import main as frame
from p2pfl_me.errors import ContractError

HEAVY = ("torch", "networkx", "matplotlib", "cv2", "zmq", "pydantic", "numpy")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['p2pme', '--help']\nfrom p2pfl_me.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "heavy: []" in done.stdout, done.stdout + done.stderr


def test_nobody_looks_for_garbage_at_the_end() -> None:
    """Who is registered first is called last."""
    code = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print('kept:', gc.get_freeze_count() > 1000 and not gc.get_objects(2)))\n"
        "from p2pfl_me.cli.main import main\n"
        "sys.argv = ['p2pme', '--version']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.endswith("kept: True\n"), done


@pytest.mark.parametrize("name", frame.COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = CliRunner().invoke(frame.cli, [name, "--help"])
    assert done.exit_code == 0 and "Usage:" in done.output


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["p2pme", *arguments])
    with pytest.raises(SystemExit) as ended:
        frame.main()
    return int(ended.value.code or 0)


def test_errors_are_words_and_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "topology", "show", str(tmp_path / "none.yaml")) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and "no such contract" in error and "->" in error
    assert run(monkeypatch, "nonsense") == 2
    assert "No such command" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("error", [ContractError("this file cannot be read"), ValueError("error building serializer")])
def test_what_a_library_makes_of_being_stopped_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals, error: Exception
) -> None:
    """What is compiled swallows what is raised in its midst: a contract's classes are built by such a library."""

    def build(*_: object, **__: object) -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(number)
        raise error

    monkeypatch.setattr(frame.cli, "main", build)
    before = signal.signal(number, signal.SIG_DFL)  # nohup has one of them ignored in all that it starts
    try:
        assert run(monkeypatch, "peer") == 130 and capsys.readouterr().err == "Stopped.\n"
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory")])
def test_memory_that_is_not_there_is_no_bug_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(frame.cli, "main", greedy)
    assert run(monkeypatch) == 3
    said = capsys.readouterr().err
    assert said.startswith("Error: no memory was left") and "ulimit -v" in said and "report" not in said


def test_a_bug_of_ours_leaves_a_file_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(frame.cli, "main", broken)
    assert run(monkeypatch) == 70
    error = capsys.readouterr().err
    assert "Internal error, ZeroDivisionError: by nought" in error and "Traceback" not in error
    path = Path(error.split()[-1])
    assert "ZeroDivisionError" in path.read_text()
    path.unlink()
