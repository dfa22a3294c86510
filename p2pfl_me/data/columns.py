"""A manifest's columns, and rows whose cells do not stand under them: what was misread there would pass for read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from p2pfl_me.counting import many
from p2pfl_me.data.clip import Fault, Problem, Quirk, Remark

REQUIRED = ("path", "dataset", "subject", "clip", "label")
FRAMES = ("onset", "apex", "offset")
MORE = ("split", "fps", "apex_source", "source", "person", "drawn")
KNOWN = {*REQUIRED, *FRAMES, *MORE}


def unread_columns(columns: Sequence[str]) -> Iterator[Remark]:
    """Columns that are none of a manifest's, told once."""
    if others := [name for name in columns if name and name not in KNOWN]:
        named = ", ".join(f"`{name}`" for name in others)
        yield Remark(Quirk.SHEET, f"{many(len(others), 'column', 'are')} not read: {named}")


def columns_problem(columns: Sequence[str]) -> Problem | None:
    if twice := [name for name in (*REQUIRED, *FRAMES, *MORE) if columns.count(name) > 1]:
        return Problem(1, Fault.COLUMNS, f"two columns `{twice[0]}`: name one of them otherwise, or take it out")
    missing = [name for name in REQUIRED if name not in columns]
    if not missing:
        return _unlike(columns)
    if columns and columns[0].startswith("sep="):
        return Problem(
            1, Fault.COLUMNS, "its first line, `sep=`, is no row of names: take it out, and save with commas"
        )
    if len(columns) == 1 and all(name in re.split(r"[^a-z_]+", columns[0]) for name in REQUIRED):
        return Problem(1, Fault.COLUMNS, "its columns are parted by another sign than a comma; save it with commas")
    named = ", ".join(f"`{name}`" for name in missing)
    return Problem(1, Fault.COLUMNS, f"no column {named}; a manifest has {', '.join(REQUIRED)}")


def _unlike(columns: Sequence[str]) -> Problem | None:
    """A column that would be one of ours if it were spelled as ours: what it says would be lost."""
    for ours in (*FRAMES, *MORE):
        for column in columns:
            letters = re.sub(r"[^a-z0-9]", "", column)
            like = ours in letters if ours in FRAMES else letters == re.sub(r"[^a-z0-9]", "", ours)
            if ours not in columns and column not in KNOWN and like:
                text = f"a column `{column}`, and none `{ours}`: name it so, or take it out if it is another"
                return Problem(1, Fault.COLUMNS, text)
    return None


def length_problem(line: int, row: Mapping[str | None, str | list[str] | None]) -> Problem | None:
    """A row of more or fewer cells than there are columns: some stand under a name that is not theirs."""
    if any(row.get(None) or ()):
        text = "has more cells than there are columns: a comma inside a cell needs quotation marks around the cell"
        return Problem(line, Fault.CELL, text)
    if lacking := [name for name, cell in row.items() if cell is None and name in KNOWN]:
        text = f"ends before {', '.join(f'`{name}`' for name in lacking)}: is the file cut off, or a comma missing?"
        return Problem(line, Fault.CELL, text)
    return None
