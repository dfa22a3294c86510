"""What a cell of a list says, in a sheet or in a manifest: numbers as people write them, and as programs do."""

from __future__ import annotations

import re

UNKNOWN = {"", "/", "-", "--", "?", "n/a", "na", "nan", "none", "null", "-1"}
"""Cells that say that a frame is not known."""
NOBODY = {"/", "-", "--", "?", "n/a", "#n/a", "nan", "null"}
"""Cells that say that nothing is known: all such rows together would be one person, or one class."""
WHOLE_FLOAT = re.compile(r"(-?[0-9]+)[.,](?!000$)0+")
"""46.0 or 46,0 is 46, as programs make of a column with an empty cell; 1,000 may be one or a thousand."""
_MONTHS = "jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez"
_MONTH = f"({_MONTHS})[.]?"
_MIDNIGHT = "[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]00:00:00"
DATED = re.compile(rf"[0-9]{{1,2}}[-. ]{{1,2}}{_MONTH}|{_MONTH}[- ][0-9]{{2}}|{_MIDNIGHT}", re.IGNORECASE)
"""What programs write where a name was 3-1: a day and a month without a year, or a day with the hour of midnight."""
BEGINS = frozenset(month[:3] for month in _MONTHS.split("|"))
"""How such a text begins, if not with a figure."""
SHORTENED = re.compile(r"[0-9]+([.,][0-9]+)?E[+-][0-9]+", re.IGNORECASE)


class Unread(str):
    """A cell whose text is not what was meant; `why` in words that follow the column's name."""

    why: str

    def __new__(cls, text: str, why: str) -> Unread:
        made = super().__new__(cls, text)
        made.why = why
        return made


def as_written(text: str) -> str:
    """A number without the fraction that it does not have; other text as it is."""
    return whole[1] if (whole := WHOLE_FLOAT.fullmatch(text)) else text


def frame_number(text: str) -> int | None:
    """A frame number in a cell; None where it is marked as unknown.

    Raises
    ------
    ValueError
        Neither.
    """
    if text.lower() in UNKNOWN:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"is {text!r}, not a frame number")
    return int(text)


def is_nobody(text: str) -> bool:
    """Whether a name says that none is known."""
    return text.strip().lower() in NOBODY


def rewritten(text: str) -> str:
    """What a program has made of a name, in words; empty of a name that nobody has touched.

    A name of figures became a power of ten, so that 2.01405E+10 may be anybody of ten thousand; or 3-1 became a date.
    """
    begin = text.strip()[:3].casefold()
    if not begin[:1].isdigit() and begin not in BEGINS:  # most names, and no expression need be asked
        return ""
    if SHORTENED.fullmatch(text):
        return "a number that a spreadsheet program has shortened"
    return "a date that a spreadsheet program has made of a name" if DATED.fullmatch(text.strip()) else ""
