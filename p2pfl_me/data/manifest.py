"""The manifest: a CSV that names one's own clips. Reading, writing, and the values of one row.

Columns: `path`, `dataset`, `subject`, `clip`, `label`; where known `onset`, `apex`, `offset` (frame numbers) and
`split` (train, validation or test). `path` is an image, a folder of numbered frames, or a file of feature vectors
with the row as `clip` (see `vectors`); relative paths start at the manifest's folder.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from p2pfl_me.errors import DataError

REQUIRED = ("path", "dataset", "subject", "clip", "label")
FRAMES = ("onset", "apex", "offset")
SPLITS = ("train", "validation", "test")
FRAME = r"[0-9]{1,9}|/|"
"""A frame number, or unknown: CASME II marks an unknown apex with a slash."""
SHOWN = 20
"""Problems named in one error; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One row. `subject` is namespaced by data set: CASME's 01 and CASME II's 01 are different people."""

    path: Path
    dataset: str
    subject: str
    clip: str
    label: str
    onset: int | None = None
    apex: int | None = None
    offset: int | None = None
    split: str | None = None
    line: int = 0


class Fault(StrEnum):
    """What can be wrong with a manifest."""

    COLUMNS = "columns"
    EMPTY = "empty"
    CELL = "cell"
    LABEL = "label"
    ORDER = "order"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    FRAMES = "frames"
    DUPLICATE = "duplicate"
    LEAK = "leak"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a manifest; `line` is 0 for the whole file."""

    line: int
    kind: Fault
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


@dataclass(frozen=True)
class Manifest:
    """Clips in the order of their rows, and where they were read."""

    source: Path
    clips: tuple[Clip, ...]

    def part(self, split: str) -> tuple[Clip, ...]:
        """The clips of one split."""
        return tuple(clip for clip in self.clips if clip.split == split)


def manifest_path(path: Path) -> Path:
    """The manifest itself: `path`, or manifest.csv in the folder `path`."""
    return path / "manifest.csv" if path.is_dir() else path


def read_manifest(path: Path, classes: Sequence[str] | None) -> Manifest:
    """Read a manifest, or refuse it with all that is wrong with its rows.

    Raises
    ------
    DataError
        No such file, no such column, or rows that cannot be used.
    """
    manifest, problems = scan_manifest(path, classes)
    if problems:
        named = "\n".join(f"  {problem}" for problem in problems[:SHOWN])
        more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise DataError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''}:\n{named}{more}",
            where=str(manifest.source),
            fix="correct the manifest; `p2pme data check` also looks into the images",
        )
    return manifest


def scan_manifest(path: Path, classes: Sequence[str] | None) -> tuple[Manifest, tuple[Problem, ...]]:
    """The rows that can be used, and all that is wrong with the others; images are not opened.

    Without `classes` any label will do.

    Raises
    ------
    DataError
        There is no manifest at all.
    """
    source = manifest_path(path)
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            if problem := _columns_problem(columns):
                return Manifest(source, ()), (problem,)
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError as error:
        raise DataError(
            "no such manifest", where=str(source), fix="name a CSV, or a folder with a manifest.csv"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read: {error}", where=str(source), fix="save it as CSV in UTF-8") from error
    clips: list[Clip] = []
    problems: list[Problem] = []
    for line, row in rows:
        cells = {name: (value or "").strip() for name, value in row.items() if isinstance(value, str | None) and name}
        wrong = list(_row_problems(source.parent, line, cells, classes))
        problems += wrong
        if not wrong:
            clips.append(_clip(source.parent, line, cells))
    if not rows:
        problems.append(Problem(0, Fault.EMPTY, "no clips"))
    return Manifest(source, tuple(clips)), tuple(sorted([*problems, *split_problems(clips)], key=lambda p: p.line))


def split_problems(clips: Iterable[Clip]) -> tuple[Problem, ...]:
    """Subjects that stand in more than one split, or in a split with some of their rows only."""
    problems: list[Problem] = []
    first: dict[str, Clip] = {}
    told: set[tuple[str, str | None]] = set()
    for clip in clips:
        before = first.setdefault(clip.subject, clip)
        if before.split != clip.split and (clip.subject, clip.split) not in told:
            told.add((clip.subject, clip.split))
            here, there = clip.split or "no split", before.split or "no split"
            text = f"subject {clip.subject} is in {here} here and in {there} on line {before.line}: the model leaks"
            problems.append(Problem(clip.line, Fault.LEAK, text))
    return tuple(problems)


def write_manifest(path: Path, clips: Iterable[Clip], *, absolute: bool = True) -> None:
    """Write rows; images stay where they are. Relative paths start at the manifest's folder.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*REQUIRED, *FRAMES, "split"])
            for clip in clips:
                frames = ["" if value is None else value for value in (clip.onset, clip.apex, clip.offset)]
                place = clip.path.absolute() if absolute else os.path.relpath(clip.path, path.parent)
                writer.writerow([place, clip.dataset, clip.subject, clip.clip, clip.label, *frames, clip.split or ""])
    except OSError as error:
        raise DataError(
            f"cannot be written: {error.strerror}", where=str(path), fix="name another folder, or free some space"
        ) from error


def _columns_problem(columns: Sequence[str]) -> Problem | None:
    missing = [name for name in REQUIRED if name not in columns]
    if not missing:
        return None
    if len(columns) == 1 and (";" in columns[0] or "\t" in columns[0]):
        return Problem(1, Fault.COLUMNS, "its columns are parted by another sign than a comma; save it with commas")
    named = ", ".join(f"`{name}`" for name in missing)
    return Problem(1, Fault.COLUMNS, f"no column {named}; a manifest has {', '.join(REQUIRED)}")


def _row_problems(root: Path, line: int, cells: dict[str, str], classes: Sequence[str] | None) -> Iterator[Problem]:
    for name in REQUIRED:
        if not cells.get(name):
            yield Problem(line, Fault.CELL, f"`{name}` is empty")
    label, split = cells.get("label"), cells.get("split")
    if label and classes is not None and label not in classes:
        near = next((name for name in classes if name.lower() == label.lower()), None)
        hint = f"did you mean {near!r}?" if near else f"the contract's classes are {', '.join(classes)}"
        yield Problem(line, Fault.LABEL, f"unknown label {label!r}; {hint}")
    if split and split not in SPLITS:
        yield Problem(line, Fault.CELL, f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    frames: list[int] = []
    for name in FRAMES:
        text = cells.get(name, "")
        if not re.fullmatch(FRAME, text):
            yield Problem(line, Fault.CELL, f"`{name}` is {text!r}, not a frame number")
        elif (number := _frame(text)) is not None:
            frames.append(number)
    if frames != sorted(frames):
        yield Problem(line, Fault.ORDER, f"onset <= apex <= offset does not hold: {', '.join(map(str, frames))}")
    if cells.get("path") and not (root / cells["path"]).exists():
        yield Problem(line, Fault.MISSING, f"no such file or folder: {root / cells['path']}")


def _clip(root: Path, line: int, cells: dict[str, str]) -> Clip:
    dataset, subject = cells["dataset"], cells["subject"]
    if not subject.startswith(f"{dataset}/"):
        subject = f"{dataset}/{subject}"
    onset, apex, offset = (_frame(cells.get(name, "")) for name in FRAMES)
    split = cells.get("split") or None
    return Clip(root / cells["path"], dataset, subject, cells["clip"], cells["label"], onset, apex, offset, split, line)


def _frame(text: str) -> int | None:
    return int(text) if text.isdigit() else None
