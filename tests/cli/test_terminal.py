"""Permissions, names and encodings as they are: words and an exit code, no internal error."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner

from p2pfl_me.cli.main import cli
from p2pfl_me.cli.terminal import shares
from p2pfl_me.data.twins.known import TWINS
from p2pfl_me.data.twins.take import TwinSpec
from p2pfl_me.data.twins.write import write_twin
from p2pfl_me.errors import P2pmeError
from tests import small
from tests.data.make import good, picture, row, rows, save


def p2pme(home: Path, *arguments: str | bytes | Path) -> tuple[int, str]:
    """One command to its end, its arguments as the bytes that they are."""
    return small.p2pme(home, *map(os.fsdecode, arguments))


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make a folder one that may not be read, as the system would say it: whoever runs the tests may be root."""

    def shut(place: Path) -> None:
        real_stat, real_scandir = os.stat, os.scandir

        def stat(path: str, *arguments: object, **named: object) -> os.stat_result:
            if isinstance(path, str | os.PathLike) and place in Path(path).parents:
                raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
            return real_stat(path, *arguments, **named)  # type: ignore[arg-type]

        def scandir(path: str = ".") -> object:
            if isinstance(path, str | os.PathLike) and place in (Path(path), *Path(path).parents):
                raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
            return real_scandir(path)

        monkeypatch.setattr(os, "stat", stat)
        monkeypatch.setattr(os, "scandir", scandir)

    return shut


def invoked(*arguments: object) -> tuple[int, str]:
    run = CliRunner().invoke(cli, [str(each) for each in arguments])
    error = run.exception
    assert error is None or isinstance(error, P2pmeError | SystemExit), repr(error)
    return run.exit_code, run.output + (str(error) if isinstance(error, P2pmeError) else "")


@pytest.mark.parametrize("locked", ["clip", "."])
def test_a_clip_folder_that_may_not_be_read_is_a_problem_and_no_bug(
    tmp_path: Path, locked: str, lock: Callable[[Path], None]
) -> None:
    table = good(tmp_path / "data")
    for number in (1, 2):
        save(tmp_path / "data" / "deep" / "clip" / f"{number}.png", picture(number))
    rows(tmp_path / "data" / "manifest.csv", [*table, row("deep/clip")])
    lock(tmp_path / "data" / "deep" / locked)
    code, said = invoked("data", "check", tmp_path / "data")
    assert code == 1 and "Permission denied" in said and "line 14" in said


def test_spotting_and_a_data_set_in_a_folder_that_may_not_be_read(tmp_path: Path, lock: Callable[[Path], None]) -> None:
    save(tmp_path / "film" / "1.png", picture(1))
    (tmp_path / "data").mkdir()
    lock(tmp_path / "film")
    _, said = invoked("spot", tmp_path / "film", "--fps", "30")
    assert "Permission denied" in said
    lock(tmp_path / "data")
    _, said = invoked("data", "check", tmp_path / "data")
    assert "Permission denied" in said and "who may read it" in said


def test_a_subject_of_a_data_set_that_may_not_be_read_is_named_row_by_row(
    tmp_path: Path, lock: Callable[[Path], None]
) -> None:
    twin = write_twin(TWINS["mmew"], tmp_path / "twin", TwinSpec(subjects=2, clips=5, seed=3, height=64), "mmew")
    clip = sorted(path.parent for path in twin.folder.rglob("*.jpg"))[0]
    lock(clip)
    code, said = invoked("data", "check", twin.folder)
    assert code == 1 and f"{clip} cannot be read: Permission denied" in said


@pytest.mark.thorough
def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    """A whole data set under such a name, one clip's folder, a film, a picture, an output."""
    twin = write_twin(TWINS["casme2"], tmp_path / "twin", TwinSpec(subjects=2, clips=5, seed=3, height=64), "casme2")
    root = os.fsencode(tmp_path) + b"/caf\xe9"
    os.rename(twin.folder, root)  # noqa: PTH104
    code, said = p2pme(tmp_path / "home", "data", "check", root)
    assert code == 2 and "not UTF-8" in said and "Internal" not in said
    cv2.imwrite(str(tmp_path / "a.png"), picture(1, 64))
    film = os.fsencode(tmp_path) + b"/film\xff.avi"
    os.rename(tmp_path / "a.png", film)  # noqa: PTH104
    code, said = p2pme(tmp_path / "home", "spot", film)
    assert code == 2 and "not UTF-8" in said and "Internal" not in said
    code, said = p2pme(tmp_path / "home", "spot", os.fsencode(tmp_path) + b"/none\xff", "--fps", "30")
    assert code == 2 and "Internal" not in said
    code, said = p2pme(tmp_path / "home", "topology", "show", os.fsencode(tmp_path) + b"/none\xff.yaml")
    assert code == 2 and "none" in said and "Internal" not in said


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_without_full_blocks(encoding: str) -> None:
    code = "from p2pfl_me.cli.terminal import *; tolerate_any_name(); print(bar(3), 'caf\\u00e9 \\u2588 \\udcff')"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=True
    )
    said = done.stdout.decode(encoding)
    assert said.startswith("███ café █" if encoding == "utf-8" else "### caf") and "\\udcff" in said


@pytest.mark.parametrize("width", [80, 40, 30])
def test_a_share_and_its_bar_keep_to_their_line(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    first, *others = shares({"fear": 0.0, "disgust or contempt": 0.9, "others": 0.1})
    assert "disgust or contempt" in first and "0.900" in first
    assert max(map(len, (first, *others))) <= width
    assert first[-1].isdigit() == (width == 30), "where there is room for none, there is no bar"
