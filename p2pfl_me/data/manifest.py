"""The manifest: a CSV that names one's own clips. Reading, writing, and the values of one row.

Columns: `path`, `dataset`, `subject`, `clip`, `label`; where known `onset`, `apex`, `offset` (frame numbers) and
`split` (train, validation or test). `path` is an image, a folder of numbered frames, or a file of feature vectors
with the row as `clip` (see `vectors`); relative paths start at the manifest's folder.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from p2pfl_me.errors import DataError

REQUIRED = ("path", "dataset", "subject", "clip", "label")
FRAMES = ("onset", "apex", "offset")
SPLITS = ("train", "validation", "test")
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


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a manifest; `line` is 0 for the whole file."""

    line: int
    kind: str
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


def read_manifest(path: Path, classes: Sequence[str]) -> Manifest:
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


def scan_manifest(path: Path, classes: Sequence[str]) -> tuple[Manifest, tuple[Problem, ...]]:
    """The rows that can be understood, and what is wrong with the others; images are not opened.

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
            if missing := [name for name in REQUIRED if name not in columns]:
                text = f"no column {', '.join(f'`{name}`' for name in missing)}; a manifest has {', '.join(REQUIRED)}"
                return Manifest(source, ()), (Problem(1, "columns", text),)
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
        try:
            clips.append(_clip(source.parent, line, cells, classes))
        except ValueError as error:
            problems.append(Problem(line, "row", str(error)))
    if not rows:
        problems.append(Problem(0, "empty", "no clips"))
    return Manifest(source, tuple(clips)), (*problems, *split_problems(clips))


def split_problems(clips: Iterable[Clip]) -> tuple[Problem, ...]:
    """Subjects that stand in more than one split, and splits given for some rows only."""
    problems: list[Problem] = []
    first: dict[str, Clip] = {}
    told: set[tuple[str, str]] = set()
    for clip in clips:
        before = first.setdefault(clip.subject, clip)
        if before.split != clip.split and (clip.subject, str(clip.split)) not in told:
            told.add((clip.subject, str(clip.split)))
            here, there = clip.split or "no split", before.split or "no split"
            text = f"subject {clip.subject} is in {here} here and in {there} on line {before.line}: the model leaks"
            problems.append(Problem(clip.line, "split", text))
    return tuple(problems)


def write_manifest(path: Path, clips: Iterable[Clip]) -> None:
    """Write rows with absolute paths; images stay where they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*REQUIRED, *FRAMES, "split"])
        for clip in clips:
            frames = ["" if value is None else value for value in (clip.onset, clip.apex, clip.offset)]
            place = clip.path.absolute()
            writer.writerow([place, clip.dataset, clip.subject, clip.clip, clip.label, *frames, clip.split or ""])


def _clip(root: Path, line: int, cells: dict[str, str], classes: Sequence[str]) -> Clip:
    for name in REQUIRED:
        if not cells.get(name):
            raise ValueError(f"`{name}` is empty")
    dataset, subject, label = cells["dataset"], cells["subject"], cells["label"]
    if label not in classes:
        raise ValueError(f"unknown label {label!r}; the contract's classes are {', '.join(classes)}")
    split = cells.get("split") or None
    if split is not None and split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    onset, apex, offset = (_frame(name, cells.get(name, "")) for name in FRAMES)
    known = [value for value in (onset, apex, offset) if value is not None]
    if known != sorted(known):
        raise ValueError(f"onset <= apex <= offset does not hold: {known}")
    if not subject.startswith(f"{dataset}/"):
        subject = f"{dataset}/{subject}"
    return Clip(root / cells["path"], dataset, subject, cells["clip"], label, onset, apex, offset, split, line)


def _frame(name: str, text: str) -> int | None:
    if text in {"", "/"}:  # CASME II marks an unknown apex with a slash
        return None
    if not re.fullmatch(r"\d{1,9}", text):
        raise ValueError(f"`{name}` is {text!r}, not a frame number")
    return int(text)
