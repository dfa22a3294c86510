"""A matplotlib figure as an inline SVG that follows the page: its colours, its type, its theme.

The text of a figure stays text. Untrusted names in it are escaped by matplotlib's SVG writer.
"""

from __future__ import annotations

import io
import re
import warnings

from matplotlib.figure import Figure

from p2pfl_me.report.style import THEMED


def inline_svg(figure: Figure, name: str, label: str) -> str:
    """The figure as one `<svg>` element; `name` makes its ids unique on the page, `label` is read aloud."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The page's fonts draw letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return themed(buffer.getvalue(), name, label)


def png_bytes(figure: Figure, dpi: int = 200) -> bytes:
    """The figure as a PNG on white."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def svg_bytes(figure: Figure) -> bytes:
    """The figure as a standalone SVG on white, its text as text."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def themed(svg: str, name: str, label: str) -> str:
    """Turn a standalone SVG of matplotlib's into an inline one: unique ids, page colours, page type, no prolog."""
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
