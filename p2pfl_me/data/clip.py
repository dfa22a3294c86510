"""The values between the files of a data set and all that is done with them: clips, and what is said of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from pathlib import Path

SPLITS = ("train", "validation", "test")
LONG = 400
"""Characters from which the text of a problem is shown shortened."""


class ApexSource(StrEnum):
    """How the apex frame of a clip is known."""

    GIVEN = "given"
    """Named by the coders."""
    NEAREST = "nearest"
    """The frame that the coders named is not there; this is the nearest that is."""
    MIDDLE = "middle"
    FLOW = "greatest_flow"
    """Of greatest motion from the onset."""


@dataclass(frozen=True, slots=True)
class Row:
    """Where a clip was first written down: a row (from 1) of a data set's sheet; 0 where it has none, as in SMIC."""

    sheet: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.sheet} row {self.number}" if self.number else self.sheet


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip. `subject` is namespaced by data set: CASME's 01 and CASME II's 01 are different people.

    `line` is the line of the manifest that was read (0: none), `row` the row of the data set's own sheet, `fps` frames
    per second of the camera. `told`: the user said who this is, so that no spelling like it asks again. `drawn`: the
    face was never alive.
    """

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
    fps: float | None = None
    apex_source: ApexSource | None = None
    row: Row | None = None
    told: bool = False
    drawn: bool = False

    # Every peer of a swarm gets its clips by pickle, tens of thousands: dataclasses' own way takes five times as long.
    def __getstate__(self) -> tuple[object, ...]:
        return _values_of(self)

    def __setstate__(self, state: tuple[object, ...]) -> None:
        for put, value in zip(_PUT, state, strict=True):
            put(self, value)


_values_of = attrgetter(*Clip.__slots__)
_PUT = tuple(vars(Clip)[name].__set__ for name in Clip.__slots__)


class Fault(StrEnum):
    """What can be wrong with a row; it must be mended before a run."""

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
    IDENTITY = "identity"
    """Two spellings that could be one person: the user must say."""
    TORN = "torn"
    """What is below this line was not read."""


class Quirk(StrEnum):
    """What published data sets are known for; it is taken as the text says, and a run goes on."""

    APEX = "apex"
    OFFSET = "offset"
    NEAREST = "nearest"
    SHIFTED = "shifted"
    LONG = "long"
    LABELS = "labels"
    FOLDER = "folder"
    SPELLING = "spelling"
    SHEET = "sheet"
    OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: `line` of a manifest (0: the whole file, or none), `row` of a data set's sheet."""

    line: int
    kind: Fault
    text: str
    row: Row | None = None

    def __str__(self) -> str:
        """Without the middle of a cell that no screen could show."""
        text = self.text if len(self.text) <= LONG else f"{self.text[: LONG // 2]} ... {self.text[-LONG // 4 :]}"
        return f"{where}: {text}" if (where := place(self.line, self.row)) else text


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing odd in a data set, and how it is taken."""

    kind: Quirk
    text: str
    row: Row | None = None

    @property
    def of_file(self) -> bool:
        """Whether it says which sheet or frames are taken, or what else lies there, and nothing of a row."""
        return self.kind in (Quirk.FOLDER, Quirk.SHEET)

    def __str__(self) -> str:
        return f"{self.row}: {self.text}" if self.row else self.text


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that the label map leaves out."""

    label: str


@dataclass(frozen=True)
class Manifest:
    """Clips in the order of their rows, and where they were read; `dropped` counts those that the label map leaves out,
    by label."""

    source: Path
    clips: tuple[Clip, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    said: tuple[Remark, ...] = field(default=(), compare=False, repr=False)
    """What is odd about the rows, and what else lies there."""

    def part(self, split: str) -> tuple[Clip, ...]:
        """The clips of one split."""
        return tuple(clip for clip in self.clips if clip.split == split)


def place(line: int, row: Row | None) -> str:
    """Where a clip is written down, in words: of a manifest made from a sheet, both."""
    if line and row:
        return f"line {line} ({row})"
    return f"line {line}" if line else str(row or "")


def in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """By line, then by sheet and row."""
    return tuple(sorted(problems, key=lambda each: (each.line, each.row.sheet if each.row else "", _number(each.row))))


def _number(row: Row | None) -> int:
    return row.number if row else 0
