"""What makes the twin of one data set: sizes and names of its frames, its sheet, its quirks and its faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from p2pfl_me.data.twins.take import Plant, Take

Cell = str | int | None


@dataclass(frozen=True)
class Tree:
    """One copy of the frames: `name` gives a frame's path below the twin's folder; `face` is the part of the picture
    that it shows, as shares of the height around the middle (width, height), None for all of it."""

    name: Callable[[Take, int], str]
    face: tuple[float, float] | None = None


@dataclass(frozen=True)
class Book:
    """The spreadsheet: rows of text, the header, a row a clip (cells by their names in `columns`), rows of text.

    `older` is the file of a first version that lies beside it, whose labels were corrected since.
    """

    name: str
    header: tuple[str | None, ...]
    columns: tuple[str, ...]
    cells: Callable[[Take], Mapping[str, Cell]]
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    older: str = ""


@dataclass(frozen=True)
class Recipe:
    """`size` of the camera's pictures in pixels, `drawing` the share of their height that the drawn head fills.

    `first` is a typical number of a clip's first frame, `margin` the frames before onset and after offset; in `films`
    the clips of a subject follow each other in time. `share` is the part of the subjects whom `camera` shows.
    """

    dataset: str
    size: tuple[int, int]
    drawing: float
    grey: bool
    labels: tuple[str, ...]
    trees: tuple[Tree, ...]
    book: Book | None
    quirks: tuple[Plant, ...]
    faults: tuple[Plant, ...]
    first: int = 30
    films: bool = False
    margin: int = 2
    share: float = 1.0
    camera: str = ""
