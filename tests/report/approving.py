"""Pages and figures as text that somebody has looked at and approved; a change of any number, word or look is seen.

A test gives a name and a text. If the text is another than the approved one, the test fails and shows the difference;
once the new one has been looked at, `P2PME_APPROVE=1 pytest ...` writes it down.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation, Text

from p2pfl_me.report.document import Document, Picture, settled
from p2pfl_me.report.markdown import render_markdown
from p2pfl_me.report.style import NARROW, WIDTH, house_style

FOLDER = Path(__file__).parent / "approved"


def approve(name: str, text: str) -> None:
    """Compare with the approved text of this name."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("P2PME_APPROVE"):
        path.write_text(text, encoding="utf-8")
    approved = path.read_text(encoding="utf-8") if path.exists() else ""
    if text != approved:
        lines = unified_diff(approved.splitlines(), text.splitlines(), "approved", "now", lineterm="", n=1)
        shown = "\n".join(list(lines)[:60])
        raise AssertionError(f"{name} is not what was approved; look, then give P2PME_APPROVE=1\n{shown}")


def page_words(document: Document) -> str:
    """All words and tables of a page, without contracts and digests, which others' changes touch."""
    text = re.sub(r"^[^\n]*:\n\n```yaml\n.*?\n```\n", "", render_markdown(document), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"\b[0-9a-f]{12,64}\b", "DIGEST", text)


def figure_words(pictures: Iterator[Picture] | list[Picture]) -> str:
    """Every mark of every figure, on the page and on a phone."""
    found = []
    with house_style():
        for picture in pictures:
            found += [f"=== {picture.name}: {picture.title}", *picture.numbers().splitlines()[:3]]
            for width in (WIDTH, NARROW):
                figure = settled(picture.figure(width))
                found += [f"--- {width:g} inches wide, {figure.get_figheight():.2f} high", *_figure(figure)]
    return "\n".join(found) + "\n"


def _figure(figure: Figure) -> Iterator[str]:
    for axes in figure.axes:
        box = " ".join(f"{value:.2f}" for value in axes.get_position().bounds)
        yield f"axes at {box}; x {_numbers(axes.get_xlim())}; y {_numbers(axes.get_ylim())}; {axes.get_yscale()}"
        yield f"  titles {axes.get_title(loc='left')!r} {axes.get_xlabel()!r} {axes.get_ylabel()!r}"
        yield f"  x ticks {_ticks(axes, 'x')}; y ticks {_ticks(axes, 'y')}; spines {_spines(axes)}"
        yield from (f"  {line}" for artist in axes.get_children() for line in _artist(artist, axes))


def _artist(artist: Artist, axes: Axes) -> Iterator[str]:
    after = f"z {artist.get_zorder():g} alpha {artist.get_alpha()}" + ("" if artist.get_clip_on() else " unclipped")
    match artist:
        case Line2D():
            look = f"{to_hex(artist.get_color())} {artist.get_linewidth():g} {artist._dash_pattern}"  # type: ignore[attr-defined]
            face = to_hex(artist.get_markerfacecolor())
            mark = f"{artist.get_marker()} {artist.get_markersize():g} {artist.get_markeredgewidth():g} {face}"
            yield f"line {look} mark {mark} {after}: x {_numbers(artist.get_xdata())} y {_numbers(artist.get_ydata())}"
        case Annotation() | Text() if artist.get_text():
            place = artist.xy if isinstance(artist, Annotation) else artist.get_position()
            moved = artist.get_position() if isinstance(artist, Annotation) else ""
            look = f"{to_hex(artist.get_color())} {artist.get_fontsize():g} {artist.get_fontweight()}"
            lie = f"{artist.get_ha()} {artist.get_va()} {artist.get_rotation():g}"
            yield f"text {artist.get_text()!r} at {_numbers(place)} {moved} {look} {lie} {after}"
        case Rectangle() if artist is not axes.patch:
            box = _numbers((artist.get_x(), artist.get_y(), artist.get_width(), artist.get_height()))
            yield f"box {box} {to_hex(artist.get_facecolor())} {after}"
        case Collection():
            faces = [to_hex(colour) for colour in artist.get_facecolor()]
            edges = sorted({to_hex(colour) for colour in artist.get_edgecolor()})
            widths, places = _numbers(np.unique(artist.get_linewidth())), _numbers(artist.get_offsets())
            yield f"marks {len(artist.get_paths())} {faces} {edges} {widths} {places} {after}"


def _ticks(axes: Axes, which: str) -> list[str]:
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axes.get_xlim() if which == "x" else axes.get_ylim())
    shown = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    grid = "grid " if any(tick.gridline.get_visible() for tick in shown) else ""
    return [
        f"{grid}{tick.label1.get_text()} {to_hex(tick.label1.get_color())} {tick.label1.get_fontsize():g}"
        for tick in shown
    ]


def _spines(axes: Axes) -> list[str]:
    return [name for name, spine in axes.spines.items() if spine.get_visible()] if axes.axison else []


def _numbers(values: object) -> str:
    array = np.asarray(values, dtype=np.float64).ravel()
    return "[" + " ".join(f"{value:.4g}" for value in array) + "]"
