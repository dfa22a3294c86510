"""What is printed while work goes on for hours: a reader who has gone, or a full disk behind it, ends no run."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn, TextIO


def put(text: str, stream: TextIO | None = None) -> None:
    """Print a line at once. Where it cannot be written (`| head`, a full disk), this and later lines go nowhere."""
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except (OSError, ValueError):  # ValueError: the stream is closed
        to_nowhere(stream)


def redraws(stream: TextIO) -> bool:
    """Whether what stands there can be drawn over: a terminal, and none that calls itself dumb (editors, some logs)."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def end_process(code: int) -> NoReturn:
    """End at once, with what was printed: a training step that is still running in its thread must not hold it up."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # its reader has gone; the log has all of it
            stream.flush()
    os._exit(code)


def to_nowhere(stream: TextIO) -> None:
    """Whatever is still in the stream's buffer, or comes later, is dropped without a word."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
