"""Files: whole or not at all, private unless meant for others, and never through a name that another put there."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from p2pfl_me.errors import P2pmeError, RunError
from p2pfl_me.files import UnsafeFile, open_private, private_folder, private_opener, refusing, replacing, write_whole
from p2pfl_me.home import home, keys_dir
from p2pfl_me.peer.slots import replace_file, versions
from p2pfl_me.run.lines import EventLog


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _common_umask() -> None:
    os.umask(0o022)


@pytest.mark.parametrize("data", ["text", b"text", (b"te", memoryview(b"xt"))])
def test_what_is_written_is_private_unless_it_is_said_to_be_public(tmp_path: Path, data: str | bytes) -> None:
    write_whole(tmp_path / "new" / "a", data, sync=True)
    write_whole(tmp_path / "b", data, public=True)
    assert (tmp_path / "new" / "a").read_text() == (tmp_path / "b").read_text() == "text"
    assert (mode(tmp_path / "new"), mode(tmp_path / "new" / "a"), mode(tmp_path / "b")) == (0o700, 0o600, 0o644)


def test_what_cannot_be_written_whole_leaves_what_was_there_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, "old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(RunError, match="cannot be written: File too large"), refusing(RunError, path, "mend it"):
            write_whole(path, "new" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.raises(KeyboardInterrupt), replacing(path) as draft:
        draft.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("writer", ["whole", "log", "checkpoint", "spare"])
def test_a_link_under_a_name_of_ours_is_never_written_through(tmp_path: Path, writer: str) -> None:
    """Whoever could put a link into a folder would have this user's other files truncated."""
    victim, path = tmp_path / "thesis.txt", tmp_path / "run" / "a.x"
    victim.write_text("years of work")
    path.parent.mkdir()
    (versions(path)[1] if writer == "spare" else path).symlink_to(victim)
    if writer == "whole":
        write_whole(path, "text")  # takes the link's place
    elif writer == "checkpoint":
        replace_file(path, [b"text"])
    else:
        with pytest.raises((UnsafeFile, P2pmeError), match="symbolic link"):
            EventLog(path) if writer == "log" else replace_file(path, [b"text"])
    assert victim.read_text() == "years of work"


def test_a_pipe_under_a_name_of_ours_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(UnsafeFile, match="no regular file"):
        open_private(tmp_path / "a", os.O_WRONLY)
    with pytest.raises(UnsafeFile, match="no regular file"):
        open_private(tmp_path / "a", os.O_RDWR)


def test_a_file_that_was_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("older version\n")
    (tmp_path / "a").chmod(0o644)
    with open(tmp_path / "a", "a", opener=private_opener) as file:
        file.write("more")
    assert mode(tmp_path / "a") == 0o600 and (tmp_path / "a").read_text() == "older version\nmore"


def test_a_folder_that_others_may_write_to_is_refused_with_the_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(P2pmeError, match=r"others may write to \(mode 0777\)\n  -> chmod 700"):
        keys_dir(tmp_path)
    folder.chmod(0o775)
    with pytest.raises(P2pmeError, match="0775"):
        keys_dir(tmp_path)
    private_folder(folder)  # a group's folder may hold runs, but no keys
    folder.chmod(0o700)
    assert keys_dir(tmp_path) == folder


def test_what_belongs_to_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("mine")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1000)
    if os.getuid() == 0:
        os.chown(tmp_path, 77, -1)
        os.chown(tmp_path / "a", 77, -1)
    with pytest.raises(UnsafeFile, match="belongs to another user"):
        private_folder(tmp_path)
    with pytest.raises(UnsafeFile, match="belongs to another user"):
        open_private(tmp_path / "a", os.O_RDWR)


def test_folders_above_a_private_one_are_made_private_too(tmp_path: Path) -> None:
    private_folder(tmp_path / "one" / "two")
    assert mode(tmp_path / "one") == mode(tmp_path / "one" / "two") == 0o700
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        private_folder(tmp_path / "file")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P2PME_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)

    def unknown(_: int) -> None:
        raise KeyError("uid")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(P2pmeError, match="set P2PME_HOME"):
        home()
    monkeypatch.setenv("P2PME_HOME", "~nobody-of-that-name/x")
    with pytest.raises(P2pmeError, match="names no user"):
        home()
