"""Keys on disk: only their owner can read them, and nothing is overwritten."""

from __future__ import annotations

import os
import resource
import stat
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import pytest

from p2pfl_me.errors import IdentityError
from p2pfl_me.wire.identity import (
    _require_private,
    earlier_identities,
    earlier_path,
    fingerprint,
    load_identity,
    loopback_identities,
    new_identity,
    public_from_text,
    save_identity,
)


def test_a_key_survives_the_disk_with_mode_0600(tmp_path: Path) -> None:
    identity, path = new_identity(), tmp_path / "me.key"
    save_identity(path, identity)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_identity(path).public == identity.public
    with pytest.raises(IdentityError, match="already exists"):
        save_identity(path, new_identity())
    assert load_identity(path).public == identity.public


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_an_exposed_key_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "me.key"
    save_identity(path, new_identity())
    path.chmod(mode)
    with pytest.raises(IdentityError, match="chmod 600"):
        load_identity(path)


@pytest.mark.parametrize("content", [b"", b"# only a comment\n", b"AAAA\n", b"not base64!\n", b"\xff\xfe\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "me.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(IdentityError):
        load_identity(path)


def test_a_link_a_pipe_and_a_folder_are_no_keys(tmp_path: Path) -> None:
    true, link, pipe = tmp_path / "true.key", tmp_path / "link.key", tmp_path / "pipe.key"
    save_identity(true, new_identity())
    link.symlink_to(true)
    os.mkfifo(pipe, 0o600)
    for path, what in (
        (link, r"is a symbolic link, which is not followed\n.*true.key"),
        (pipe, "is no file"),
        (tmp_path, "is no file"),
    ):
        with pytest.raises(IdentityError, match=what):
            load_identity(path)
    with pytest.raises(IdentityError, match="already exists"):
        save_identity(link, new_identity())
    (tmp_path / "dangling.key").symlink_to(tmp_path / "target")
    with pytest.raises(IdentityError, match="already exists"):
        save_identity(tmp_path / "dangling.key", new_identity())
    assert not (tmp_path / "target").exists(), "nothing is written through a link"


def test_a_folder_open_to_all_holds_no_key(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    save_identity(folder / "me.key", new_identity())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    with pytest.raises(IdentityError, match="others may write to"):
        load_identity(folder / "me.key")
    with pytest.raises(IdentityError, match="others may write to"):
        save_identity(folder / "other.key", new_identity())
    assert not (folder / "other.key").exists()


@pytest.mark.parametrize("name", [".lock", "loopback-1.key"])
def test_a_link_in_the_shared_folder_is_neither_followed_nor_emptied(tmp_path: Path, name: str) -> None:
    target, folder = tmp_path / "precious", tmp_path / "keys"
    folder.mkdir(mode=0o700)
    target.write_text("precious")
    (folder / name).symlink_to(target)
    with pytest.raises(IdentityError, match="symbolic link"):
        loopback_identities(folder, 2)
    assert target.read_text() == "precious"


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="p2pme keys new"):
        load_identity(tmp_path / "absent.key")


def test_a_full_disk_leaves_no_half_key(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(IdentityError, match="cannot be written"):
            save_identity(tmp_path / "me.key", new_identity())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_keys_that_were_followed_lie_beside_the_last_one_newest_first(tmp_path: Path) -> None:
    path = tmp_path / "lab.key"
    assert earlier_identities(path) == () and earlier_path(path) == tmp_path / "lab.key.1"
    made = {number: new_identity() for number in (2, 10, 1)}
    for number, identity in made.items():
        save_identity(tmp_path / f"lab.key.{number}", identity)
    for other in ("lab.key", "lab.key.pub", "lab.key.²", "other.key.11"):
        (tmp_path / other).touch(0o600)
    assert [each.public for each in earlier_identities(path)] == [made[number].public for number in (10, 2, 1)]
    assert earlier_path(path) == tmp_path / "lab.key.11"


def test_public_keys_as_text() -> None:
    identity = new_identity()
    assert len(identity.public_text) == 44 and public_from_text(identity.public_text) == identity.public
    for bad in ("", "short", identity.public_text[:-4], "é" * 44, identity.public_text + "AAAA"):
        with pytest.raises(IdentityError):
            public_from_text(bad)


def test_the_private_key_does_not_show() -> None:
    assert "private" not in repr(new_identity())


def test_fingerprints_differ_and_do_not_change() -> None:
    assert fingerprint(bytes(32)) == fingerprint(bytes(32)) != fingerprint(bytes(31) + b"\1")
    assert [len(group) for group in fingerprint(bytes(32)).split()] == [4] * 8


def public_keys(folder: Path) -> list[bytes]:
    return [identity.public for identity in loopback_identities(folder, 6)]


def test_loopback_peers_that_start_together_agree_on_their_keys(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        seen = list(pool.map(public_keys, [tmp_path] * 4))
    assert all(keys == seen[0] for keys in seen) and len(set(seen[0])) == 6
    assert public_keys(tmp_path) == seen[0]


@pytest.mark.parametrize(
    ("me", "owner", "is_refused"),
    [(1000, 1000, False), (1000, 0, False), (1000, 1, True), (1000, 1001, True), (0, 1000, False), (0, 0, False)],
)
def test_a_key_is_ones_own_or_the_administrators_who_may_read_everybodys(
    me: int, owner: int, is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: me)
    info = SimpleNamespace(st_mode=stat.S_IFREG | 0o600, st_uid=owner)
    if is_refused:
        with pytest.raises(IdentityError, match=f"belongs to another user \\(uid {owner}\\)"):
            _require_private(Path("lab.key"), info)  # type: ignore[arg-type]
    else:
        _require_private(Path("lab.key"), info)  # type: ignore[arg-type]


def test_words_about_keys_that_are_none_say_what_is_due(tmp_path: Path) -> None:
    for text, what, fix in (
        ("no key!", "not a public key: 'no key!'", "44 characters of base64 are due"),
        ("AAAA", "a public key of 3 bytes", "32 bytes, 44 characters of base64, are due"),
    ):
        with pytest.raises(IdentityError) as caught:
            public_from_text(text)
        assert (caught.value.what, caught.value.fix) == (what, fix)
    (tmp_path / "lab.key.2").touch()
    (tmp_path / "lab.key.10").touch()
    (tmp_path / "lab.key.old").touch()
    assert earlier_path(tmp_path / "lab.key") == tmp_path / "lab.key.11"
    assert earlier_path(tmp_path / "me.key") == tmp_path / "me.key.1"
