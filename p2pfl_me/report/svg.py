"""A figure in its files' formats, and as an inline SVG that follows the page: its colours, its type, its theme.

The text of a figure stays text. Untrusted names in it are escaped by matplotlib's SVG writer.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from matplotlib.figure import Figure

from p2pfl_me.report.document import Picture, settled
from p2pfl_me.report.style import NARROW, THEMED, WIDTH, other_letters

DPI = 200


@dataclass(frozen=True, slots=True)
class Files:
    """One figure in the formats of its files, and as it stands on the page: wide, and drawn for a phone."""

    png: bytes
    svg: bytes
    pdf: bytes
    phone: bytes | None


def files_of(picture: Picture) -> Files:
    """Draw `picture`; inside `house_style`."""
    figure = settled(picture.figure(WIDTH))
    phone = None if picture.raster else svg_bytes(picture.figure(NARROW))
    return Files(png_bytes(figure), svg_bytes(figure), pdf_bytes(figure), phone)


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
    """Turn a standalone SVG of matplotlib's into an inline one: unique ids, page colours, page type, no prolog."""
    svg = standalone.decode()
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="([^"]+)"', head)
    words = label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    head = f'<svg viewBox="{box[1] if box else "0 0 1 1"}" role="img" aria-label="{words}"'
    rest = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', rest)
    rest = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', rest).replace("xlink:href", "href")
    rest = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", rest)
    rest = rest.replace("'DejaVu Sans'", "inherit").replace("font-family: inherit;", "")
    rest = re.sub(r"\bfont: ([^;]*?)([\d.]+px) inherit", r"font-size: \2; font-style: \1", rest)
    for colour, variable in THEMED.items():
        rest = rest.replace(colour, f"var(--{variable})")
    return f"{head}>{rest.strip()}"
