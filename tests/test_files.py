"""Files: whole or not at all, private unless meant for others, and never through a name that another put there."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import p2pfl_me
from p2pfl_me.data.vectors import vectors_manifest
from p2pfl_me.errors import ContractError, DataError, P2pmeError, RunError, WeightsError
from p2pfl_me.files import (
    UnsafeFile,
    create_whole,
    locked,
    making_folder,
    open_private,
    private_folder,
    refusing,
    replacing,
    write_whole,
)
from p2pfl_me.home import home, keys_dir
from p2pfl_me.peer.checkpoint import checkpoint_path, read_model
from p2pfl_me.peer.joining import read_ticket
from p2pfl_me.peer.slots import replace_file, versions
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.ledger import read_ledger
from p2pfl_me.run.lines import EventLog
from p2pfl_me.run.manifest import read_manifest_file
from p2pfl_me.run.reading import read_log


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
    with os.fdopen(open_private(tmp_path / "a", os.O_WRONLY | os.O_APPEND), "a") as file:
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


@pytest.mark.parametrize("taken", ["file", "link to nothing", "folder"])
def test_what_is_created_overwrites_nothing(tmp_path: Path, taken: str) -> None:
    create_whole(tmp_path / "a" / "key", "mine")
    create_whole(tmp_path / "b", "mine", public=True)
    assert (mode(tmp_path / "a" / "key"), mode(tmp_path / "b")) == (0o600, 0o644)
    path = tmp_path / "taken"
    match taken:
        case "file":
            path.write_text("theirs")
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        create_whole(path, "mine")
    assert not (tmp_path / "nowhere").exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "b", "taken"]


def test_what_is_public_may_go_to_a_pipe_which_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, "text", public=True)
    assert os.read(reader, 10) == b"text" and stat.S_ISFIFO(pipe.stat().st_mode)
    os.close(reader)


def test_a_device_that_leads_to_a_file_is_written_and_not_replaced(tmp_path: Path) -> None:
    with (tmp_path / "redirected").open("w") as file:
        write_whole(Path(f"/dev/fd/{file.fileno()}"), "text", public=True)
    assert (tmp_path / "redirected").read_text() == "text"


@pytest.mark.parametrize("public", [True, False])
def test_a_device_is_never_replaced_and_a_full_one_is_told(public: bool, tmp_path: Path) -> None:
    """Root may write to /dev, and would leave a file in place of /dev/null to all who use the machine."""
    devices = (Path("/dev/null"), Path("/dev/full"))
    before = [each.lstat().st_ino for each in devices]
    write_whole(Path("/dev/null"), "gone", public=public)
    with pytest.raises(OSError, match="No space left"):
        write_whole(Path("/dev/full"), "gone", public=public)
    assert [each.lstat().st_ino for each in devices] == before and all(map(Path.is_char_device, devices))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shared:
        write_whole(Path(shared) / "a", "old", public=public)
        with pytest.raises(KeyboardInterrupt), replacing(Path(shared) / "a", public=public) as draft:
            draft.write_text("half")
            raise KeyboardInterrupt
        assert (Path(shared) / "a").read_text() == "old", "a folder of files as any other"
    os.mkfifo(tmp_path / "pipe")
    if not public:
        with pytest.raises(UnsafeFile, match="is no regular file"):
            write_whole(tmp_path / "pipe", "private")
    assert (tmp_path / "pipe").is_fifo() and [each.name for each in tmp_path.iterdir()] == ["pipe"]


def test_a_folder_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), making_folder(tmp_path / "new") as draft:
        (draft / "half").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with making_folder(tmp_path / "up" / "new") as draft:
        (draft / "a").write_text("a")
        assert not (tmp_path / "up" / "new").exists()
    made = tmp_path / "up" / "new"
    assert [each.name for each in made.iterdir()] == ["a"] and mode(made) == 0o755
    with making_folder(tmp_path / "up") as there:
        assert there == tmp_path / "up"


def test_one_at_a_time_holds_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "private" / ".lock"
    with locked(path):
        file = os.open(path, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(file)
    assert mode(path) == 0o600


WRITING = re.compile(
    r"\.write_(text|bytes)\(|open\([^)]*['\"][rwxa]b?\+?b?['\"]|savefig\(|imwrite\(|VideoWriter\(|[a-z]\.save\(|save_file\("
    r"|os\.(open|fdopen)\(|shutil\.(copy|move)|mkstemp|flock\("
)
"""Every way that there is to write a file, and the locks."""
OTHERWISE = {
    "cli/terminal.py": "the null device",
    "data/drawn_films.py": "a film's end, in the draft that its writer holds",
    "data/images.py": "reads",
    "data/row_cache.py": "appends, and says itself what a torn write leaves",
    "data/synthetic/__init__.py": "a subject's folder, which takes its name when it is whole",
    "data/synthetic/film_file.py": "a draft of `replacing`",
    "data/trained_on.py": "a draft of `replacing`",
    "data/twins/write.py": "a draft of `making_folder`",
    "deploy/film.py": "a temporary folder",
    "learning/backbone.py": "a draft of `replacing`",
    "learning/weight_files.py": "says how a file of weights is written",
    "live/intervals.py": "a draft of `replacing`",
    "learning/onnx_file.py": "a draft of `replacing`",
    "learning/pretraining.py": "a draft of `replacing`",
    "output.py": "the null device",
    "privacy/ledger.py": "appends an entry at a time through `open_private`, and holds its file while it does",
    "report/graph_picture.py": "a draft of `replacing`",
    "report/svg.py": "memory",
    "run/lines.py": "appends a line at a time, and holds its file while it does",
    "wire/identity.py": "reads a key that nobody else may read",
}


def test_nothing_is_written_but_by_the_one_way_or_for_a_stated_reason() -> None:
    root = Path(p2pfl_me.__file__).parent
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if any(
            WRITING.search(line) and not re.search(r"open\([^)]*['\"]rb?['\"]|edges\.items\(\)|state\.save\(", line)
            for line in path.read_text().splitlines()
        )
    }
    assert found - {"files.py"} == set(OTHERWISE)


@pytest.mark.parametrize("kind", ["pipe", "holes", "device", "folder", "link to itself"])
def test_whatever_lies_where_a_runs_files_should_is_told_in_words_and_hangs_nobody(kind: str, tmp_path: Path) -> None:
    """A run folder is handed on: what stands in it may be anybody's doing. A file with holes of a terabyte fills no
    disk, and memory if it is read."""
    folder = RunFolder(tmp_path / "run")
    folder.log(0).parent.mkdir(mode=0o700)
    checkpoint, egress, ticket = checkpoint_path(tmp_path / "run", 0), tmp_path / "run/egress-0.jsonl", tmp_path / "one"
    vectors = tmp_path / "vectors.safetensors"
    for path in (folder.log(0), folder.manifest, checkpoint, egress, ticket, vectors):
        match kind:
            case "pipe":
                os.mkfifo(path)
            case "holes":
                with path.open("wb") as file:
                    file.truncate(1 << 40)
            case "device":
                path.symlink_to("/dev/zero")
            case "folder":
                path.mkdir()
            case _:
                path.symlink_to(path)
    assert [each.line for each in read_log(folder, 0).unread] == [0]
    assert read_manifest_file(folder) is None
    reads: list[tuple[type[P2pmeError], Callable[[], object]]] = [
        (WeightsError, lambda: read_model(checkpoint)),
        (RunError, lambda: list(read_ledger(egress))),
        (ContractError, lambda: read_ticket(ticket)),
        (DataError, lambda: vectors_manifest(vectors, None)),
    ]
    for error, read in reads:
        with pytest.raises(error):
            read()
