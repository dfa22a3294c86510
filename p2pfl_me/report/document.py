"""A report as plain values: sections of paragraphs, tables and pictures. `html` and `markdown` both print it.

All strings are plain text; whoever prints them escapes them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from p2pfl_me.report.figures import Draw, figures
from p2pfl_me.report.numbers import Cell, csv_rows, csv_text
from p2pfl_me.report.style import VERMILION, other_letters


@dataclass(frozen=True, slots=True)
class Paragraph:
    words: str
    kind: str = "paragraph"


@dataclass(frozen=True, slots=True)
class Bullets:
    items: tuple[str, ...]
    kind: str = "bullets"


@dataclass(frozen=True, slots=True)
class Table:
    """`words` marks the columns that are set flush left; the others hold numbers, flush right, of equal width.

    One that is `folded` stands behind these words on the page, for who looks closer.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    words: frozenset[int] = frozenset({0})
    folded: str = ""
    kind: str = "table"

    @property
    def numeric(self) -> frozenset[int]:
        return frozenset(range(len(self.header))) - self.words


@dataclass(frozen=True, slots=True)
class Code:
    """A file shown verbatim, folded away on the page."""

    title: str
    words: str
    kind: str = "code"


@dataclass(frozen=True, slots=True)
class Links:
    """Files and folders beside the page, each by its name and its path from there."""

    items: tuple[tuple[str, str], ...]
    kind: str = "links"


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A figure, how to read it in a sentence, and the numbers behind it, from whose CSV alone it is drawn.

    `name` becomes the file names NAME.png, .svg, .pdf and .csv, below the folder of its section, and says how it is
    drawn, unless `draw` does. A `raster` one stands on the page as a picture on white, the others as drawings that
    follow its theme. `warning` is written into the drawing: a picture file is what gets copied into papers.
    """

    name: str
    title: str
    reading: str
    alt: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    draw: Draw | None = None
    raster: bool = False
    warning: str = ""
    kind: str = "picture"

    def numbers(self) -> str:
        """The CSV."""
        return csv_text(self.header, self.rows)

    def figure(self, width: float) -> Figure:
        """Drawn afresh, `width` inches wide; inside `house_style`."""
        return drawn(self.draw or figures()[self.name], self.numbers(), width, self.warning)


WARNED, WARNED_LINE, WARNED_LETTERS = 0.25, 0.17, 12
"""Inches that a warning takes above a drawing and each further line of it, and its capitals to an inch."""


def drawn(draw: Draw, numbers: str, width: float, warning: str = "") -> Figure:
    """A figure from the text of its CSV."""
    rows = csv_rows(numbers)
    said = [row.pop("warning", "") for row in rows]
    figure = draw(rows, width)
    if warning := warning or next(filter(None, said), ""):
        lines = textwrap.wrap(warning.upper(), int(figure.get_figwidth() * WARNED_LETTERS))
        # Out of the drawing's own height it would push letters.
        figure.set_figheight(figure.get_figheight() + WARNED + WARNED_LINE * (len(lines) - 1))
        figure.suptitle("\n".join(lines), color=VERMILION, fontsize="medium", fontweight="bold")
    return figure


def settled(figure: Figure) -> Figure:
    """The same with its layout fixed: one that is saved in several formats looks the same in all, in any order."""
    with other_letters():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


Block = Paragraph | Bullets | Table | Code | Links | Picture


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A part of the report. `folder` is where its files go, relative to the report, empty for the top.

    One that is `folded` shows its title alone on the page until it is opened. The page's list of contents, of which no
    part is a result, calls it by `menu` where that is not empty.
    """

    title: str
    blocks: tuple[Block, ...]
    anchor: str
    folder: str = ""
    level: int = 2
    folded: bool = False
    menu: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One of the few large numbers at the head of the page."""

    name: str
    value: str
    detail: str
    tone: str = "ink"


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """The whole report. `verdict` is the result in one or two sentences, `eyebrow` the kind of page."""

    title: str
    subtitle: str
    verdict: str
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    colophon: str
    eyebrow: str = "p2pme convergence report"


def base_of(section: Section, picture: Picture) -> str:
    """Where the files of a picture lie beside the page, without their endings."""
    return f"{section.folder}/{picture.name}" if section.folder else picture.name


def pictures(sections: Sequence[Section]) -> list[tuple[Section, Picture]]:
    """All pictures with the sections they stand in."""
    return [(section, block) for section in sections for block in section.blocks if isinstance(block, Picture)]
