"""`p2pme keys` makes keys that only their owner reads and prints what a contract needs, never the private half."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from p2pfl_me.cli.keys import keys
from p2pfl_me.errors import IdentityError
from p2pfl_me.wire.identity import fingerprint, load_identity


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(keys, [str(argument) for argument in arguments])


def test_new_show_and_fingerprint_speak_of_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "lab.key"
    made = run("new", "--out", path)
    assert made.exit_code == 0 and stat.S_IMODE(path.stat().st_mode) == 0o600
    identity = load_identity(path)
    assert identity.public_text in made.output and fingerprint(identity.public) in made.output
    secret = path.read_text().splitlines()[-1]
    assert secret not in made.output
    assert run("show", path).output.strip() == identity.public_text
    by_file, by_text = run("fingerprint", path), run("fingerprint", identity.public_text)
    assert by_file.output == by_text.output == fingerprint(identity.public) + "\n"


def test_no_key_is_ever_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "lab.key"
    run("new", "-o", path)
    before = path.read_text()
    again = run("new", "-o", path)
    assert isinstance(again.exception, IdentityError) and "already exists" in str(again.exception)
    assert path.read_text() == before


@pytest.mark.parametrize("command", ["show", "fingerprint"])
def test_a_missing_or_exposed_file_is_named(tmp_path: Path, command: str) -> None:
    missing = run(command, tmp_path / "absent.key")
    assert isinstance(missing.exception, IdentityError) and "absent.key" in str(missing.exception)
    path = tmp_path / "open.key"
    run("new", "--out", path)
    path.chmod(0o644)
    exposed = run(command, path)
    assert isinstance(exposed.exception, IdentityError) and "chmod 600" in str(exposed.exception)


def test_a_mistyped_public_key_is_refused() -> None:
    result = run("fingerprint", "!" * 43 + "=")
    assert isinstance(result.exception, IdentityError) and "not a public key" in str(result.exception)


def test_its_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, p2pfl_me.cli.keys; "
        "sys.exit(any(name in sys.modules for name in ('zmq', 'numpy', 'pydantic', 'cryptography', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
