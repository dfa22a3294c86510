"""Private keys under a passphrase: what lies on the disk opens with it alone, wherever the passphrase comes from."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me import passphrase
from p2pfl_me.cli.keys import keys
from p2pfl_me.errors import IdentityError
from p2pfl_me.wire.identity import is_sealed_file, load_identity, new_identity, replace_identity, save_identity
from p2pfl_me.wire.noise import private_bytes
from p2pfl_me.wire.sealed_key import MOST, sealed, unsealed

WORDS = "four unrelated words here"


def test_a_sealed_key_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    identity, path = new_identity(), tmp_path / "lab.key"
    save_identity(path, identity, WORDS)
    assert is_sealed_file(path) and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert base64.b64encode(private_bytes(identity.private)).decode() not in path.read_text()
    assert load_identity(path, lambda what: WORDS).public == identity.public
    with pytest.raises(IdentityError, match="does not open with this passphrase"):
        load_identity(path, lambda what: WORDS + ".")


def test_a_key_is_sealed_and_opened_again_in_its_place(tmp_path: Path) -> None:
    identity, path = new_identity(), tmp_path / "lab.key"
    save_identity(path, identity)
    replace_identity(path, identity, WORDS)
    assert is_sealed_file(path)
    replace_identity(path, load_identity(path, lambda what: WORDS), None)
    assert not is_sealed_file(path)
    assert load_identity(path).public == identity.public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and [each.name for each in tmp_path.iterdir()] == ["lab.key"]


def test_a_sealed_file_that_was_changed_is_refused_in_words() -> None:
    data = sealed(b"k" * 32, WORDS)
    assert unsealed(data, WORDS, "x") == b"k" * 32
    # Each byte of the head but scrypt's cost, which has bounds of its own, and some of the rest.
    for place in [0, 5, 20, 21, 32, 33, len(data) - 1]:
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(IdentityError):
            unsealed(bytes(changed), WORDS, "x")
    for cost in (0, 9, MOST + 1, 255):  # no memory is taken for what no honest file says
        with pytest.raises(IdentityError, match="damaged"):
            unsealed(data[:4] + bytes([cost]) + data[5:], WORDS, "x")
    with pytest.raises(IdentityError, match="damaged"):
        unsealed(data[:20], WORDS, "x")


def test_a_passphrase_comes_from_a_private_file_or_a_descriptor_and_else_from_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (passphrase.FILE, passphrase.DESCRIPTOR):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: PTH123, SIM115
    with pytest.raises(IdentityError, match="nobody sits at a terminal"):
        passphrase.known_passphrase("lab.key")
    file = tmp_path / "words"
    file.write_text(f"{WORDS}\nsecond line\n")
    file.chmod(0o600)
    monkeypatch.setenv(passphrase.FILE, str(file))
    assert passphrase.known_passphrase("lab.key") == WORDS
    monkeypatch.setenv(passphrase.FILE, str(tmp_path / "missing"))
    with pytest.raises(IdentityError, match="cannot be read"):
        passphrase.known_passphrase("lab.key")
    monkeypatch.delenv(passphrase.FILE)
    with file.open() as opened:
        monkeypatch.setenv(passphrase.DESCRIPTOR, str(opened.fileno()))
        assert passphrase.known_passphrase("lab.key") == passphrase.known_passphrase("lab.key") == WORDS
    for wrong in ("word", "987654"):
        monkeypatch.setenv(passphrase.DESCRIPTOR, wrong)
        with pytest.raises(IdentityError, match="no open descriptor"):
            passphrase.known_passphrase("lab.key")


def test_the_commands_seal_show_and_unseal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, path = tmp_path / "words", tmp_path / "lab.key"
    words.write_text(WORDS)
    words.chmod(0o600)
    monkeypatch.setenv(passphrase.FILE, str(words))
    run = CliRunner().invoke
    assert run(keys, ["new", "-o", str(path), "--seal"]).exit_code == 0
    assert is_sealed_file(path)
    shown = run(keys, ["show", str(path)]).output
    refused = run(keys, ["seal", str(path)]).exception
    assert isinstance(refused, IdentityError) and "sealed already" in str(refused)
    assert run(keys, ["unseal", str(path)]).exit_code == 0
    assert not is_sealed_file(path) and run(keys, ["show", str(path)]).output == shown
    words.write_text("short")
    refused = run(keys, ["seal", str(path)]).exception
    assert isinstance(refused, IdentityError) and "can guess" in str(refused)
    assert not is_sealed_file(path)
