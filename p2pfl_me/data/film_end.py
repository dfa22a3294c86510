"""Whether a film ended or broke off: what is missing must not pass for a stretch in which nothing happened."""

from __future__ import annotations

from pathlib import Path

from p2pfl_me.errors import DataError

SPARE, SHARE = 2, 0.02
"""Pictures that may be missing, at least and as a share: where a container holds no count, length by rate stands in."""


def require_end(path: Path, stated: float, read: int) -> None:
    """See that so many pictures were read as the film states; what is not above zero states nothing.

    Raises
    ------
    DataError
        The film breaks off.
    """
    if stated > 0 and stated - read > max(SPARE, SHARE * stated):
        raise DataError(
            f"only {read} of the {stated:.0f} pictures that it states can be read",
            where=str(path),
            fix="copy it anew if it was cut short; if it plays to its end, convert it, as to MP4 with H.264",
        )
