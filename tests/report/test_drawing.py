"""Labels never overlap, names stay text, and drawings follow the page."""

from __future__ import annotations

import re
from itertools import pairwise

import matplotlib
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.report.markdown import escape
from p2pfl_me.report.style import BLUE, INK, end_labels, house_style, move_apart, new_figure, short
from p2pfl_me.report.svg import inline_svg, png_bytes


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0.01, 0.12))
def test_labels_are_moved_apart_in_order_and_inside(heights: list[float], gap: float) -> None:
    moved = move_apart(heights, gap)
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    for lower, upper in pairwise(order):
        assert moved[upper] - moved[lower] >= gap - 1e-9
    assert all(-1e-9 <= height <= 1 + 1e-9 for height in moved)


def test_labels_with_room_stay_where_they_are() -> None:
    assert move_apart([0.9, 0.1, 0.5], 0.1) == [0.9, 0.1, 0.5]


def test_a_drawing_escapes_names_follows_the_theme_and_has_its_own_ids() -> None:
    hostile = "</text><script> $x^2$ --><b>"
    with house_style():
        figure, axes = new_figure(2)
        axes.plot([0, 1], [0, 1], color=BLUE)
        end_labels(axes, [(1, 1, hostile, INK)])
        svg = inline_svg(figure, "f1", 'a "label" <here>')
        png = png_bytes(figure)
    assert "<script" not in svg and "<b>" not in svg and "&lt;/text&gt;" in svg and "$x^2$" in svg
    assert 'aria-label="a &quot;label&quot; &lt;here>"' in svg
    assert BLUE not in svg and "var(--blue)" in svg and "DejaVu" not in svg
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert ids and all(each.startswith("f1-") for each in ids) and len(set(ids)) == len(ids)
    assert all(
        target in ids for target in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg) for target in target if target
    )
    assert png.startswith(b"\x89PNG")


def test_the_style_leaves_matplotlib_as_it_was() -> None:
    before = dict(matplotlib.rcParams)
    with house_style():
        assert matplotlib.rcParams["text.parse_math"] is False
    assert dict(matplotlib.rcParams) == before


def test_short_and_escape() -> None:
    assert short("a\nb\x00  c") == "a b c" and short("x" * 50, 10) == "x" * 9 + "…"
    assert escape("a|b <i> *c* [d](e) `f`") == r"a\|b &lt;i&gt; \*c\* \[d\](e) \`f\`"
