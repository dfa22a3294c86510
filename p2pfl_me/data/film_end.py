"""Whether a film is whole: what is missing must not pass for a stretch in which nothing happened, nor what was made up
for a face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from p2pfl_me.counting import many
from p2pfl_me.errors import DataError

SPARE, SHARE = 2, 0.02
"""Pictures that may be missing, at least and as a share: where a container holds no count, length by rate stands in."""


def require_end(path: Path, stated: float, reached: int, *, read: int | None = None) -> None:
    """See that a film was read to the picture that it states as its last; what is not above zero states nothing. `read`
    are the pictures themselves, where some were left out on the way.

    Raises
    ------
    DataError
        The film breaks off.
    """
    if stated > 0 and stated - reached > max(SPARE, SHARE * stated):
        raise DataError(
            f"only {reached if read is None else read} of the {stated:.0f} pictures that it states can be read",
            where=str(path),
            fix="copy it anew if it was cut short; if it plays to its end, convert it, as to MP4 with H.264",
        )


def require_sound(path: Path, damaged: Sequence[int], count: int) -> None:
    """See that the decoder made up no picture of `count`. At the beginning it may: a film that was cut out of another
    begins so, and one that is complained of from the first to the last is of another kind.

    Raises
    ------
    DataError
        It made up some.
    """
    behind = [number for place, number in enumerate(damaged) if number != place]
    if behind:
        raise DataError(
            f"has {many(len(behind), 'damaged picture')} of {count}, the first is number {behind[0] + 1}; what its "
            "decoder shows there is made up",
            where=str(path),
            fix="copy it anew, or cut out the part before or behind them",
        )
