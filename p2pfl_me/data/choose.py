"""The clips that a list names: a protocol's own, as the Micro-Expression Grand Challenge gave one out."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from p2pfl_me.data.clip import Clip
from p2pfl_me.data.identity import bare
from p2pfl_me.data.quoted import WholeRows, why
from p2pfl_me.data.spelling import clean, loose
from p2pfl_me.errors import DataError
from p2pfl_me.files import open_text

COLUMNS = {
    "dataset": ("dataset", "database", "data"),
    "subject": ("subject", "sub"),
    "clip": ("clip", "filename", "video", "sample"),
}
"""How lists spell them; `dataset` may lack where the subject or one data set alone tells it."""
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A clip on a list, spelled as there; `line` from 1."""

    line: int
    dataset: str
    subject: str
    clip: str


def read_list(path: Path) -> tuple[Wanted, ...]:
    """A CSV with columns for subject and clip, and for the data set where there are several.

    Raises
    ------
    DataError
        No such file, or no such columns.
    """
    try:
        with open_text(path) as file:
            reader = WholeRows(file)
            columns = [re.sub(r"[^a-z]", "", (name or "").lower()) for name in reader.fieldnames or ()]
            places = {name: next((way for way in ways if way in columns), None) for name, ways in COLUMNS.items()}
            reader.fieldnames = columns
            if not (places["subject"] and places["clip"]):
                raise DataError(
                    f"has no columns `subject` and `clip`: it has {', '.join(filter(None, columns)) or 'none'}",
                    where=str(path),
                    fix="name the columns of the list dataset, subject, clip",
                )
            cells = ((reader.line_num, row) for row in reader)
            return tuple(
                Wanted(line, *((row.get(places[name] or "") or "").strip() for name in COLUMNS)) for line, row in cells
            )
    except FileNotFoundError as error:
        raise DataError("no such file", where=str(path), fix="correct the path") from error
    except PermissionError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path), fix="see who may read it") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read: {why(error)}", where=str(path), fix="save it as CSV in UTF-8") from error


def choose(clips: Sequence[Clip], wanted: Sequence[Wanted], where: Path) -> tuple[Clip, ...]:
    """The clips that are wanted, in their own order.

    Case, blanks and leading zeros of names do not matter, nor does any other spelling that could be the same subject,
    where only one is meant.

    Raises
    ------
    DataError
        Names on the list that are no clip, or several; all of them with their lines.
    """
    known: dict[tuple[tuple[str, ...], str], list[Clip]] = defaultdict(list)
    for clip in clips:
        known[loose(bare(clip), inside=clip.dataset), _bare(clip.clip)].append(clip)
    taken: set[int] = set()
    wrong = []
    for each in wanted:
        subject = clean(each.subject).rpartition("/")[2]
        key = (loose(subject, inside=each.dataset), _bare(each.clip))
        found = [clip for clip in known[key] if _of(clip, each.dataset)]
        found = [clip for clip in found if bare(clip) == subject] or found
        taken.update(map(id, found))
        if len(found) != 1:
            what = "no such clip" if not found else f"{len(found)} clips are named so; add a column `dataset`"
            wrong.append(f"line {each.line}: {' '.join(filter(None, (each.dataset, each.subject, each.clip)))}: {what}")
    if wrong:
        shown = "\n".join(f"  {text}" for text in _shortened(wrong))
        raise DataError(f"{len(wrong)} of {len(wanted)} lines:\n{shown}", where=str(where), fix="correct the list")
    return tuple(clip for clip in clips if id(clip) in taken)


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"and {len(lines) - SHOWN} more"


def _bare(name: str) -> str:
    """Without the camera before it, and as no eye tells it apart: `hs/s01_ne_01` is `s1_ne_1`."""
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", re.sub(r"\s", "", clean(name).casefold()).rpartition("/")[2])


def _of(clip: Clip, dataset: str) -> bool:
    """Lists write CASME II or casme2, SMIC or SMIC-HS."""
    bare = re.sub(r"[^a-z0-9]", "", dataset.lower()).replace("casmeii", "casme2")
    mine = re.sub(r"[^a-z0-9]", "", clip.dataset.lower())
    return bare in {"", mine, mine + clip.clip.partition("/")[0]}
