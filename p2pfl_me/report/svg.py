"""A figure in its files' formats, and as an inline SVG that follows the page: its colours, its type, its theme.

The text of a figure stays text. Untrusted names in it are escaped by matplotlib's SVG writer.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from matplotlib.figure import Figure

from p2pfl_me.report.document import Picture, settled
from p2pfl_me.report.style import NARROW, SERIES, THEMED, TIP, WIDTH, other_letters, series_of

DPI = 200
MOST_TIPS = 2000


@dataclass(frozen=True, slots=True)
class Files:
    """One figure in the formats of its files, and as it stands on the page: wide, and drawn for a phone.

    `tips`: places of the wide one, in points from its upper left corner, and what is told to who points there.
    `series`: the names of its lines, for a page that shows and hides them.
    """

    png: bytes
    svg: bytes
    pdf: bytes
    phone: bytes | None
    tips: tuple[tuple[float, float, str], ...] = ()
    series: tuple[str, ...] = ()


def files_of(picture: Picture) -> Files:
    """Draw `picture`; inside `house_style`."""
    figure = settled(picture.figure(WIDTH))
    phone = None if picture.raster else svg_bytes(picture.figure(NARROW))
    own = (png_bytes(figure), svg_bytes(figure), pdf_bytes(figure))
    return Files(*own, phone, tips_of(figure), series_of(figure))


def tips_of(figure: Figure) -> tuple[tuple[float, float, str], ...]:
    """What `style.tell` said of a figure whose layout is fixed; nothing of one with too many marks."""
    found = [(axes, text) for axes in figure.axes for text in axes.texts if str(text.get_gid()).startswith(TIP)]
    if len(found) > MOST_TIPS:
        return ()
    height, points = figure.bbox.height, 72 / figure.dpi
    places = [(axes.transData.transform(text.get_position()), str(text.get_gid())) for axes, text in found]
    return tuple((float(x) * points, float(height - y) * points, words.removeprefix(TIP)) for (x, y), words in places)


def with_tips(svg: str, tips: Sequence[tuple[float, float, str]]) -> str:
    """An inline SVG that tells its values as a browser shows titles: without a script."""
    marks = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{escape(words)}</title></circle>' for x, y, words in tips
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
