"""A pipe gets whole lines at each tenth; a terminal gets a bar."""

from __future__ import annotations

import io
import re

import pytest

from p2pfl_me.progress import showing


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, total: int) -> str:
    with showing("images of clips", stream=stream) as (progress,):
        for done in range(1, total + 1):
            progress(done, total)
    return stream.getvalue()


def test_a_pipe_gets_a_line_a_tenth_and_no_control_characters() -> None:
    lines = run(io.StringIO(), 200).splitlines()
    assert lines[0] == "images of clips: 1/200" and lines[-1] == "images of clips: 200/200" and len(lines) == 11
    assert all(line.isprintable() for line in lines)
    assert run(io.StringIO(), 0) == ""


def test_a_terminal_gets_a_bar_that_ends_full() -> None:
    shown = run(Terminal(), 7)
    assert "images of clips" in shown and "7/7" in shown
    assert "images of clips" not in run(Terminal(), 0)


def test_two_pieces_of_work_share_one_display() -> None:
    stream = Terminal()
    with showing("images of clips", "features of samples", stream=stream) as (first, second):
        first(1, 2)
        second(1, 4)
        first(2, 2)
        second(4, 4)
    shown = stream.getvalue()
    # One display hides the cursor once; a second would have hidden it again and drawn over the first one's line.
    assert shown.count("\x1b[?25l") <= 1
    assert "2/2" in shown and "4/4" in shown


@pytest.mark.parametrize("width", [100, 60, 40, 39, 30, 20])
def test_numbers_are_whole_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Terminal()
    with showing("images of clips", "features of samples", stream=stream) as (first, second):
        second(12_345, 12_345)
        first(7, 7)
    # What stands there at the end: all that was drawn over is gone.
    last = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", stream.getvalue().rpartition("\x1b[1A")[2])
    assert " 7/7" in last and "12345/12345" in last and "…" not in last
    assert max(len(line.rstrip()) for line in last.splitlines()) <= width
    assert ("━" in last) == (width >= 60), "the bar goes first"
    assert ("0:00:00" in last) == (width >= 39), "then the time"


def test_a_display_with_nothing_in_it_is_not_begun() -> None:
    stream = Terminal()
    for _ in range(3):
        with showing("images of clips", "features of samples", stream=stream) as (first, _):
            first(0, 0)
    assert stream.getvalue() == ""
    piped = io.StringIO()
    with showing("images of clips", stream=piped) as (first,):
        first(0, 0)
    assert piped.getvalue() == ""
