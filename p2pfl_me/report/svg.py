"""A figure in its files' formats, and as an inline SVG that follows the page: its colours, its type, its theme.

The text of a figure stays text. Untrusted names in it are escaped by matplotlib's SVG writer.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from matplotlib.figure import Figure

from p2pfl_me.report.document import Picture, settled
from p2pfl_me.report.style import NARROW, SERIES, THEMED, TIP, WIDTH, other_letters, series_of

DPI = 200
MOST_TIPS = 2000


class Tip(NamedTuple):
    """A place, in points from a figure's upper left corner, what is told to who points there, and its line's number."""

    x: float
    y: float
    words: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """One figure in the formats of its files, and as it stands on the page: wide, and drawn for a phone.

    `tips`: what the wide one tells, and where.
    `series`: the names of its lines, for a page that shows and hides them.
    """

    png: bytes
    svg: bytes
    pdf: bytes
    phone: bytes | None
    tips: tuple[Tip, ...] = ()
    series: tuple[str, ...] = ()


def files_of(picture: Picture) -> Files:
    """Draw `picture`; inside `house_style`."""
    figure = settled(picture.figure(WIDTH))
    phone = None if picture.raster else svg_bytes(picture.figure(NARROW))
    own = (png_bytes(figure), svg_bytes(figure), pdf_bytes(figure))
    return Files(*own, phone, tips_of(figure), series_of(figure))


def tips_of(figure: Figure) -> tuple[Tip, ...]:
    """What `style.tell` said of a figure whose layout is fixed; nothing of one with too many marks."""
    found = [(axes, text) for axes in figure.axes for text in axes.texts if str(text.get_gid()).startswith(TIP)]
    if len(found) > MOST_TIPS:
        return ()
    height, points = figure.bbox.height, 72 / figure.dpi
    tips = []
    for axes, text in found:
        x, y = axes.transData.transform(text.get_position())
        line = str(text.get_label()).removeprefix(SERIES)
        words = str(text.get_gid()).removeprefix(TIP)
        tips.append(Tip(float(x) * points, float(height - y) * points, words, int(line) if line.isdigit() else None))
    return tuple(tips)


def with_tips(svg: str, tips: Sequence[Tip]) -> str:
    """An inline SVG that tells its values as a browser shows titles: without a script."""
    lines = ["" if tip.line is None else f' data-line="{tip.line}"' for tip in tips]
    marks = "".join(
        f'<circle cx="{tip.x:.1f}" cy="{tip.y:.1f}" r="5"{line}><title>{escape(tip.words)}</title></circle>'
        for tip, line in zip(tips, lines, strict=True)
    )
    return svg.removesuffix("</svg>") + f'<g class="tips">{marks}</g></svg>' if marks else svg


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG on white, 200 dots an inch."""
    return _saved(figure, "png", {"Software": None})


def svg_bytes(figure: Figure) -> bytes:
    """The figure as a standalone SVG on white, its text as text."""
    return _saved(figure, "svg", {"Date": None, "Creator": None})


def pdf_bytes(figure: Figure) -> bytes:
    """The figure as a PDF on white, with its fonts as outlines that a journal accepts (TrueType)."""
    return _saved(figure, "pdf", {"CreationDate": None, "Creator": None, "Producer": None})


def _saved(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    with other_letters():
        figure.savefig(buffer, format=kind, dpi=DPI if kind == "png" else "figure", metadata=metadata)
    return buffer.getvalue()


def themed(standalone: bytes, name: str, label: str) -> str:
    """Turn a standalone SVG of matplotlib's into an inline one: unique ids, page colours, page type, no prolog.

    What belongs to one line of the figure (`style.curve`) bears the line's number as `data-line`.
    """
    svg = standalone.decode()
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="([^"]+)"', head)
    head = f'<svg viewBox="{box[1] if box else "0 0 1 1"}" role="img" aria-label="{escape(label)}"'
    rest = re.sub(rf'\bid="{SERIES}(\d+)"', r'data-line="\1"', rest)
    rest = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', rest)
    rest = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', rest).replace("xlink:href", "href")
    rest = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", rest)
    rest = rest.replace("'DejaVu Sans'", "inherit").replace("font-family: inherit;", "")
    rest = re.sub(r"\bfont: ([^;]*?)([\d.]+px) inherit", r"font-size: \2; font-style: \1", rest)
    for colour, variable in THEMED.items():
        rest = rest.replace(colour, f"var(--{variable})")
    return f"{head}>{rest.strip()}"
