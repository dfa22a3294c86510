"""A film opened by FFmpeg, through PyAV (the extra `films`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av.container


def opened(path: Path) -> av.container.InputContainer:
    """The film, to be closed; what it says of itself need not be text.

    Raises
    ------
    av.FFmpegError
        FFmpeg cannot read it.
    """
    import av

    return av.open(str(path), metadata_errors="replace")
