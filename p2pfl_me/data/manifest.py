"""The manifest: a CSV that names one's own clips. Reading it row by row, and writing it.

Columns: `path`, `dataset`, `subject`, `clip`, `label`; where known `onset`, `apex`, `offset` (frame numbers), `split`
(train, validation or test), `fps`, `apex_source`, `source`, the row of a data set's sheet that it was made from,
`person`, who is meant where `subject` leaves it open, and `drawn`, `yes` of a face that was never alive.
`path` is an image, a folder of numbered frames, or a file of feature vectors with the row as `clip` (see `vectors`);
relative paths start at the manifest's folder.
"""

from __future__ import annotations

import csv
import io
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from p2pfl_me.atomic import write_whole
from p2pfl_me.counting import many
from p2pfl_me.data.cells import as_written, frame_number, is_nobody, rewritten
from p2pfl_me.data.clip import (
    SPLITS,
    ApexSource,
    Clip,
    Dropped,
    Fault,
    Manifest,
    Problem,
    Remark,
    Row,
)
from p2pfl_me.data.columns import FRAMES, MORE, REQUIRED, columns_problem, length_problem, unread_columns
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.quoted import NEVER_CLOSED, WholeRows
from p2pfl_me.data.spelling import clean
from p2pfl_me.errors import DataError
from p2pfl_me.files import open_text, refusing

__all__ = [
    "SPLITS",
    "Clip",
    "Fault",
    "Manifest",
    "Problem",
    "SplitWatch",
    "manifest_path",
    "manifest_rows",
    "refuse",
    "write_manifest",
]

SOURCE = re.compile(r"(.+) row ([0-9]{1,9})")
FIX = "save it as CSV in UTF-8; feature vectors are a .safetensors file (docs/data.md)"
WORDS = (("split", SPLITS), ("apex_source", tuple(ApexSource)), ("drawn", ("yes", "no")))
"""Columns that hold one of a few words, where they hold any."""
SHOWN = 20
"""Problems named in one error; the rest is counted."""


def manifest_path(path: Path) -> Path:
    """The manifest itself: `path`, or manifest.csv in the folder `path`."""
    return path / "manifest.csv" if os.path.isdir(path) else path  # noqa: PTH112 - it never raises


def refuse(problems: Sequence[Problem], *, where: str, fix: str) -> None:
    """Raise one error that names the problems, if there is any.

    Raises
    ------
    DataError
        There is a problem.
    """
    if problems:
        named = "\n".join(f"  {problem}" for problem in problems[:SHOWN])
        more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise DataError(f"{many(len(problems), 'problem')}:\n{named}{more}", where=where, fix=fix)


Found = Clip | Dropped | Problem | Remark


def manifest_rows(path: Path, labels: Labels) -> Iterator[Found]:
    """Row after row, however many there are: its clip, or what is wrong with it; before them, what is not read.

    Raises
    ------
    DataError
        There is no manifest at all.
    """
    source = manifest_path(path)
    try:
        with open_text(source) as file:
            yield from _rows(WholeRows(file), source.parent, labels)
    except FileNotFoundError as error:
        raise DataError(
            "no such manifest",
            where=str(source),
            fix="name a CSV, a folder with a manifest.csv, or a data set's folder",
        ) from error
    except PermissionError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(source), fix="see who may read it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", where=str(source), fix=FIX) from error


def _rows(reader: csv.DictReader[str], root: Path, labels: Labels) -> Iterator[Found]:
    last = 0
    try:
        if any("\0" in (name or "") for name in reader.fieldnames or ()):
            yield Problem(1, Fault.CELL, "holds zero bytes, as UTF-16 without its mark does: save it as CSV in UTF-8")
            return
        columns = [clean(name or "").lower() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        if problem := columns_problem(columns):
            yield problem
            return
        yield from unread_columns(columns)
        last = reader.line_num
        for row in reader:
            last = reader.line_num
            if _is_blank(row):
                continue  # spreadsheets leave such rows behind
            if problem := length_problem(last, row):
                yield problem
            else:
                yield from row_of(root, last, row, labels)
    except csv.Error as error:
        why = f"a cell has more than {csv.field_size_limit():,} characters" if "limit" in str(error) else str(error)
        text = f"{why}: {NEVER_CLOSED} The rows below are not read"
        yield Problem(last + 1, Fault.TORN, text)


class SplitWatch:
    """Finds subjects that stand in more than one split, or in a split with some of their rows only."""

    def __init__(self) -> None:
        self._first: dict[str, Clip] = {}
        self._told: set[tuple[str, str | None]] = set()

    def see(self, clip: Clip) -> Iterator[Problem]:
        """What is wrong with the split of one more clip."""
        before = self._first.setdefault(clip.subject, clip)
        if before.split != clip.split and (clip.subject, clip.split) not in self._told:
            self._told.add((clip.subject, clip.split))
            here, there = clip.split or "no split", before.split or "no split"
            text = f"subject {clip.subject} is in {here} here and in {there} on line {before.line}: the model leaks"
            yield Problem(clip.line, Fault.LEAK, text, clip.row)


def write_manifest(path: Path, clips: Iterable[Clip], *, absolute: bool = True) -> None:
    """Write rows; images stay where they are. Relative paths start at the manifest's folder.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*REQUIRED, *FRAMES, *MORE])
    for clip in clips:
        person = clip.subject.removeprefix(f"{clip.dataset}/") if clip.told else None
        frames = (clip.onset, clip.apex, clip.offset)
        known = (
            *frames,
            clip.split,
            _number(clip.fps),
            clip.apex_source,
            clip.row,
            person,
            "yes" if clip.drawn else None,
        )
        place = clip.path.absolute() if absolute else os.path.relpath(clip.path, path.parent)
        cells = ["" if value is None else str(value) for value in known]
        writer.writerow([place, clip.dataset, clip.subject, clip.clip, clip.label, *cells])
    with refusing(DataError, path, "name another folder, or free some space"):
        write_whole(path, text.getvalue())


def _is_blank(row: dict[str | None, str | list[str] | None]) -> bool:
    """Whether there is nothing in any of its cells."""
    return not any(clean("".join(cell) if isinstance(cell, list) else cell or "") for cell in row.values())


def row_of(root: Path, line: int, row: Mapping[str | None, str | list[str] | None], labels: Labels) -> Iterator[Found]:
    """The clip of a row, whose path is relative to `root`, or what is wrong with it."""
    cells = {name: _cell(name, value or "") for name, value in row.items() if isinstance(value, str | None) and name}
    origin = SOURCE.fullmatch(cells.get("source", ""))
    source = Row(origin[1], int(origin[2])) if origin else Row(cells["source"]) if cells.get("source") else None
    place = root / cells.get("path", "")
    wrong = [Problem(line, kind, text, source) for kind, text in _faults(place, cells, labels)]
    if wrong:
        yield from wrong
    elif (label := labels.of(cells["label"], cells["dataset"])) is None:
        yield Dropped(cells["label"])
    else:
        yield _clip(place, line, cells, label, source)


def _cell(name: str, value: str) -> str:
    """What an eye sees of a cell; paths are bytes to the disk, and how people are written is asked later."""
    if name in {"path", "dataset", "subject"}:
        return value.strip()
    return as_written(clean(value)) if name in FRAMES else clean(value)


def _faults(place: Path, cells: dict[str, str], labels: Labels) -> Iterator[tuple[Fault, str]]:
    for name in REQUIRED:
        if not clean(cells.get(name, "")):
            yield Fault.CELL, f"`{name}` is empty"
        elif name != "path" and is_nobody(cells[name]) and not (name == "label" and labels.classes):
            yield Fault.CELL, f"`{name}` is {cells[name]!r}, which names nobody and nothing"
    if "/" in cells.get("dataset", ""):
        yield Fault.CELL, f"`dataset` is {cells['dataset']!r}: a `/` parts it from the subject, so it may hold none"
    for name in ("subject", "clip", "person"):
        if made := rewritten(text := cells.get(name, "")):
            yield Fault.CELL, f"`{name}` is {text}, {made}"
    if (label := cells.get("label")) and (complaint := labels.complaint(label)):
        yield Fault.LABEL, complaint
    for name, known in WORDS:
        if (value := cells.get(name)) and value not in known:
            yield Fault.CELL, f"unknown {name} {value!r}; known: {', '.join(known)}"
    if (value := cells.get("fps")) and not _is_rate(value):
        yield Fault.CELL, f"`fps` is {value!r}, not a number of frames per second"
    frames: list[int] = []
    for name in FRAMES:
        try:
            number = frame_number(cells.get(name, ""))
        except ValueError as error:
            yield Fault.CELL, f"`{name}` {error}"
            continue
        if number is not None:
            frames.append(number)
    if frames != sorted(frames):
        yield Fault.ORDER, f"onset <= apex <= offset does not hold: {', '.join(map(str, frames))}"
    if cells.get("path"):
        try:
            mode = os.stat(place).st_mode  # noqa: PTH116 - half the time of Path's own, for every row
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                yield Fault.MISSING, f"neither a file nor a folder: {place}"
        except (FileNotFoundError, NotADirectoryError):
            yield Fault.MISSING, f"no such file or folder: {place}"
        except (OSError, ValueError) as error:
            yield Fault.MISSING, f"{getattr(error, 'strerror', error)}: {place}"


def _clip(place: Path, line: int, cells: dict[str, str], label: str, source: Row | None) -> Clip:
    dataset, person = cells["dataset"], cells.get("person")
    subject = person or cells["subject"]
    if not subject.startswith(f"{dataset}/"):
        subject = f"{dataset}/{subject}"
    onset, apex, offset = (frame_number(cells.get(name, "")) for name in FRAMES)
    fps, apex_source = cells.get("fps"), cells.get("apex_source")
    return Clip(
        place,
        dataset,
        subject,
        cells["clip"],
        label,
        onset,
        apex,
        offset,
        cells.get("split") or None,
        line,
        float(fps) if fps else None,
        ApexSource(apex_source) if apex_source else None,
        source,
        told=bool(person),
        drawn=cells.get("drawn") == "yes",
    )


def _is_rate(text: str) -> bool:
    try:
        return text.isascii() and "_" not in text and 0 < float(text) < 1e6
    except ValueError:
        return False


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.15g}"
