"""A pipe gets whole lines at each tenth; a terminal gets a bar."""

from __future__ import annotations

import io

from p2pfl_me.progress import showing


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, total: int) -> str:
    with showing("images of clips", stream) as progress:
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
