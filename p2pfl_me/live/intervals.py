"""Intervals as CSV: what was spotted, and what is true of annotated films. No picture, no name of a person."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from p2pfl_me.atomic import replacing
from p2pfl_me.counting import many
from p2pfl_me.data.drawn import WORDS
from p2pfl_me.data.quoted import WholeRows, why
from p2pfl_me.errors import DataError
from p2pfl_me.files import open_text, refusing
from p2pfl_me.live.absence import Lack
from p2pfl_me.live.film import Film
from p2pfl_me.live.whole import Result
from p2pfl_me.spotting.event import Verdict
from p2pfl_me.spotting.interval import MICRO_LIMIT_S, Interval, Kind

TIMES = ("onset_s", "apex_s", "offset_s")
COLUMNS = ("film", "person", "kind", "label", "probability", *TIMES, "where", "evidence", "drawn")
OTHERS = {"blink", "turn", "head turn", *Lack}
"""Rows of a truth that are no expressions: drawn films name them, and so do our own rows of what was not seen."""


def spotted_rows(result: Result) -> Iterator[dict[str, Any]]:
    """One row an expression, and one for each stretch in which none could be seen; blinks and head turns are left out.

    By the names of `COLUMNS`, as far as a value is known; seconds to the millisecond.
    """
    for lost in result.absences:
        yield {"kind": lost.kind.value, "onset_s": round(lost.onset_s, 3), "offset_s": round(lost.offset_s, 3)}
    for person, event, name in ((each.person, each.event, each.name) for each in result.events):
        if event.verdict is not Verdict.EXPRESSION:
            continue
        times = (event.interval.onset_s, event.apex_s, event.interval.offset_s)
        yield {
            "person": person,
            "kind": event.interval.kind.value,
            **({"label": name.label} if name and name.sure else {}),
            **({"probability": round(name.probability, 3)} if name else {}),
            **{column: round(value, 3) for column, value in zip(TIMES, times, strict=True)},
            "where": event.group.value,
            "evidence": round(event.doublings, 2),
        }


def write_spotted(file: TextIO, films: Iterable[tuple[Film, Result]]) -> None:
    """The rows of all films as CSV."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for film, result in films:
        always = {"film": film.name, "drawn": "yes" if WORDS in film.said else ""}
        for row in spotted_rows(result):
            cells = {**always, **{name: _cell(name, value) for name, value in row.items()}}
            writer.writerow([cells.get(column, "") for column in COLUMNS])


def _cell(column: str, value: Any) -> str:
    digits = 2 if column == "evidence" else 3
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


@contextmanager
def create(path: Path) -> Iterator[TextIO]:
    """A new file of intervals, open for writing.

    Raises
    ------
    DataError
        It cannot be written.
    """
    with (
        refusing(DataError, path, "name another file"),
        replacing(path, public=True) as draft,
        draft.open("w", newline="", encoding="utf-8") as file,
    ):
        yield file


def read_truth(path: Path, films: Iterable[Film]) -> dict[str, tuple[Interval, ...]]:
    """The true intervals of each film by its name.

    Columns: `film` (the file's name, or without its ending; may be missing where there is one film), `kind` (micro or
    macro; where it is missing, the length decides), `label` where known, and either `onset_s, offset_s` in seconds or
    `onset, offset` as numbers of the first and the last frame.

    Raises
    ------
    DataError
        No such file, no such columns, a film that is not among `films`, two films of one name, cells that are no
        numbers, times that are not in their film, or a row that stands there twice; all of them.
    """
    films = list(films)
    twice = sorted(name for name, count in Counter(film.name for film in films).items() if count > 1)
    if twice:
        raise DataError(f"several films are named {', '.join(twice)}", fix="score them one by one, or rename them")
    known = {name: film for film in films for name in (film.name, film.path.stem)}
    rows, columns = _rows(path)
    if not ({"onset_s", "offset_s"} <= columns or {"onset", "offset"} <= columns):
        raise DataError(
            "has neither `onset_s` and `offset_s` nor `onset` and `offset`", where=str(path), fix="name the columns so"
        )
    truth: dict[str, list[Interval]] = {film.name: [] for film in known.values()}
    line_of: dict[tuple[str, str, float, float], int] = {}
    problems = []
    for line, row in rows:
        name = row.get("film", "") or (next(iter(known)) if len(truth) == 1 else "")
        film = known.get(name) or known.get(Path(name).name)
        if film is None:
            problems.append(f"line {line}: no film {name!r} was given")
            continue
        try:
            interval = _interval(row, film)
        except ValueError as error:
            problems.append(f"line {line}: {error}")
            continue
        if interval is None:
            continue
        # A second time it could never be met: one spotted interval is matched with one true one.
        same = line_of.setdefault((film.name, row.get("person", ""), interval.onset_s, interval.offset_s), line)
        if same != line:
            problems.append(f"line {line}: repeats line {same}")
        truth[film.name].append(interval)
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:20])
        raise DataError(f"{many(len(problems), 'problem')}:\n{shown}", where=str(path), fix="correct the rows")
    return {name: tuple(intervals) for name, intervals in truth.items()}


def _rows(path: Path) -> tuple[list[tuple[int, Mapping[str, str]]], set[str]]:
    try:
        with open_text(path) as file:
            reader = WholeRows(file)
            columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            return [(reader.line_num, dict(_cells(row))) for row in reader], set(columns)
    except FileNotFoundError as error:
        raise DataError("no such file", where=str(path), fix="correct the path") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read: {why(error)}", where=str(path), fix="save it as CSV in UTF-8") from error


def _cells(row: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    for name, value in row.items():
        if name and (value is None or isinstance(value, str)):
            yield name, (value or "").strip()


def _interval(row: Mapping[str, str], film: Film) -> Interval | None:
    kind, label = row.get("kind", "").lower(), row.get("label", "")
    if kind in OTHERS:
        return None
    if row.get("onset_s"):
        onset, offset = float(row["onset_s"]), float(row.get("offset_s") or "")
    else:  # both frames belong to the expression
        onset = (int(row.get("onset") or "") - film.first) / film.fps
        offset = (int(row.get("offset") or "") + 1 - film.first) / film.fps
    _require_within(onset, offset, film)
    if kind and kind not in list(Kind):
        raise ValueError(f"unknown kind {kind!r}; known: micro, macro")
    if not kind:
        # Half a second is the limit; a frame more or less does not make a micro-expression long.
        kind = Kind.MICRO if offset - onset <= MICRO_LIMIT_S + 1 / film.fps else Kind.MACRO
    return Interval(onset, offset, Kind(kind), label)


def _require_within(onset: float, offset: float, film: Film) -> None:
    """See that it is a stretch of the film: what nobody can find would count as missed."""
    if not (math.isfinite(onset) and math.isfinite(offset)):
        raise ValueError(f"{onset if math.isfinite(offset) else offset:g} is no time")
    if offset <= onset:
        raise ValueError(f"the offset {offset:g} s is not after the onset {onset:g} s")
    if onset < 0:
        raise ValueError(f"the onset {onset:g} s is before the film begins")
    if film.seconds is not None and offset > film.seconds + 1.5 / film.fps:  # one frame more is rounding
        raise ValueError(f"the offset {offset:g} s is after the film ends, at {film.seconds:g} s")
