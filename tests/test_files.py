"""Files: whole or not at all, private unless meant for others, and never through a name that another put there."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import resource
import signal
import stat
import tempfile
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import pytest

import p2pfl_me
from p2pfl_me.atomic import create_whole, making_folder, replacing, write_whole
from p2pfl_me.errors import P2pmeError, RunError
from p2pfl_me.files import UnsafeFile, locked, open_private, private_folder, read_text, refusing, require_regular
from p2pfl_me.home import home, keys_dir
from p2pfl_me.peer.slots import replace_file, versions
from p2pfl_me.peer.trust import Trust
from p2pfl_me.run.lines import EventLog
from tests import fuzzing_files


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
    for number in (errno.EACCES, errno.EROFS):
        with (
            pytest.raises(RunError, match="see that this user may write there"),
            refusing(RunError, path, "free space"),
        ):
            raise OSError(number, os.strerror(number))
    with pytest.raises(KeyboardInterrupt), replacing(path) as draft:
        draft.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("writer", ["whole", "log", "checkpoint", "spare", "first"])
def test_a_link_under_a_name_of_ours_is_never_written_through(tmp_path: Path, writer: str) -> None:
    """Whoever could put a link into a folder would have this user's other files truncated."""
    victim, path = tmp_path / "thesis.txt", tmp_path / "run" / "a.x"
    victim.write_text("years of work")
    path.parent.mkdir()
    if writer == "spare":
        replace_file(path, [b"older"])  # what is first of all is written under a name of its own
    {"spare": versions(path)[1], "first": path.with_suffix(".first")}.get(writer, path).symlink_to(victim)
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


def test_an_empty_folder_is_made_anew_unless_somebody_works_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    for name in (Path(), tmp_path / "out", tmp_path / "link"):
        with making_folder(name) as there:
            assert there == name
    monkeypatch.chdir(tmp_path)
    with making_folder(tmp_path / "link") as there:
        assert there == tmp_path / "link"
    with pytest.raises(KeyboardInterrupt), making_folder(Path("out")) as draft:
        (draft / "half").write_text("half")
        raise KeyboardInterrupt
    assert [each.name for each in tmp_path.iterdir()] == ["link"]


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


@cache
def sources() -> dict[str, list[str]]:
    """The lines of every module."""
    root = Path(p2pfl_me.__file__).parent
    return {str(path.relative_to(root)): path.read_text().splitlines() for path in root.rglob("*.py")}


def test_nothing_is_written_but_by_the_one_way_or_for_a_stated_reason() -> None:
    found = {
        name
        for name, lines in sources().items()
        if any(
            WRITING.search(line) and not re.search(r"open\([^)]*['\"]rb?['\"]|edges\.items\(\)|state\.save\(", line)
            for line in lines
        )
    }
    assert found - {"files.py", "atomic.py"} == set(OTHERWISE)


READING = re.compile(
    r"\.read_(text|bytes)\(|(?<!opener)\.open\((?!asyncio)|safe_open\(|torch\.load\(|np\.load\(|fromfile\(|memmap\("
    r"|VideoCapture\(str|h5py\.File\(|InferenceSession\(|(?<![\w.])open\("
)
"""Every way that there is to open a file."""
READ_OTHERWISE = {
    "cli/live.py": "a browser",
    "cli/pretrain.py": "what it has just written",
    "cli/terminal.py": "the null device",
    "cli/watch.py": "a browser",
    "cluster/same.py": "this package's own files",
    "compare/elsewhere.py": "a temporary folder of this process",
    "data/capture.py": "looked at before",
    "data/damage.py": "memory",
    "data/drawn.py": "inside a workbook that `open_regular` gave",
    "data/drawn_films.py": "a draft of its writer",
    "data/opened.py": "a film that `capture` has opened",
    "data/images.py": "the same, with a call less: small files come in masses",
    "data/row_cache.py": "`open_private`; mapped from what `open_regular` gave",
    "data/several.py": "memory",
    "data/trained_on.py": "looked at before",
    "data/vectors.py": "looked at before",
    "deploy/export.py": "a draft of its writer",
    "learning/backbone.py": "looked at before",
    "learning/onnx_recogniser.py": "looked at before",
    "learning/origin.py": "looked at before",
    "learning/weight_files.py": "looked at before",
    "live/intervals.py": "a draft of its writer",
    "live/server.py": "this package's own files",
    "machine.py": "the kernel's",
    "output.py": "the null device",
    "report/html.py": "this package's own files",
    "tensors.py": "looked at before",
    "watch/server.py": "this package's own files",
    "wire/identity.py": "reads a key that nobody else may read",
}


def test_nothing_is_read_but_by_the_one_way_or_for_a_stated_reason() -> None:
    """A pipe, a device or a file with holes under a name that a reader asks for would hang it or fill the memory."""
    found = {
        name for name, lines in sources().items() if any(READING.search(line) and " def " not in line for line in lines)
    }
    assert found - {"files.py", "atomic.py"} == set(READ_OTHERWISE)


def test_what_is_its_users_own_is_read_through_no_link_and_from_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, trust = tmp_path / "theirs.json", tmp_path / "trust"
    theirs.write_text("{}")
    trust.mkdir(mode=0o700)
    (trust / "a.json").symlink_to(theirs)
    assert read_text(trust / "a.json") == "{}", "what is anybody's may be a link"
    for read in (partial(read_text, trust / "a.json", own=True), partial(Trust, tmp_path)):
        with pytest.raises((UnsafeFile, P2pmeError), match="symbolic link"):
            read()
    (trust / "a.json").unlink()
    (trust / "a.json").write_text("{}")
    if os.getuid() == 0:
        os.chown(trust / "a.json", 77, -1)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1000)
    with pytest.raises(UnsafeFile, match="belongs to another user"):
        require_regular(trust / "a.json", own=True)


def lay(kind: str, folder: Path, name: str, data: bytes) -> Path:
    """In place of the file that a reader is to be given."""
    path = folder / name
    if path.is_dir() and not path.is_symlink():
        return path
    path.unlink(missing_ok=True)
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
        case "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        case _:
            path.symlink_to(path)
    return path


@pytest.mark.parametrize("kind", ["pipe", "holes", "device", "folder", "link to itself", "socket"])
def test_whatever_lies_where_a_file_should_is_told_in_words_and_hangs_nobody(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run folder is handed on: what stands in it may be anybody's doing. A file with holes of a terabyte fills no
    disk, and memory if it is read. Every reader that `fuzzing_files` knows is asked."""
    monkeypatch.setattr(fuzzing_files, "_written", partial(lay, kind))
    found = fuzzing_files.file_targets(tmp_path / "hand")

    def late(*_: object) -> None:
        raise AssertionError("waited for it, or read it")

    before = signal.signal(signal.SIGALRM, late)
    try:
        for target in found.values():
            signal.setitimer(signal.ITIMER_REAL, 5)
            with suppress(target.error):
                target.decode(b"")
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_an_empty_folder_that_is_made_anew_is_open_to_nobody_else_than_before(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "split"
    folder.mkdir()
    folder.chmod(mode)
    with making_folder(folder) as draft:
        (draft / "test.csv").write_text("")
    assert folder.stat().st_mode & 0o7777 == mode and [each.name for each in folder.iterdir()] == ["test.csv"]
