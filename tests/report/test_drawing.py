"""Labels never overlap, names stay text, and drawings follow the page."""

from __future__ import annotations

import re
import warnings
from itertools import combinations, pairwise
from pathlib import Path

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

import p2pfl_me.report
from p2pfl_me.report.compose import compose
from p2pfl_me.report.document import Picture, drawn, settled
from p2pfl_me.report.figures import figures
from p2pfl_me.report.graph_picture import _luminance, graph_figure
from p2pfl_me.report.markdown import escape
from p2pfl_me.report.methods import Comparison, Method, Setting
from p2pfl_me.report.numbers import csv_rows, csv_text
from p2pfl_me.report.run import Run, read_run
from p2pfl_me.report.score_picture import score_picture
from p2pfl_me.report.short_names import short, told_apart
from p2pfl_me.report.style import (
    AMBER,
    ARM_COLOURS,
    BLUE,
    GREEN,
    INK,
    MUTED,
    NARROW,
    PURPLE,
    TEAL,
    THEMED,
    VERMILION,
    WIDTH,
    end_labels,
    house_style,
    move_apart,
    new_figure,
    percent_log_axis,
)
from p2pfl_me.report.svg import png_bytes, svg_bytes, themed
from p2pfl_me.topology import build_graph
from tests.report.fixture import write_run


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
        end_labels(axes, [(1, hostile, INK)])
        svg = themed(svg_bytes(figure), "f1", 'a "label" <here>')
        png = png_bytes(figure)
    assert "<script" not in svg and "<b>" not in svg and "&lt;/text&gt;" in svg and "$x^2$" in svg
    assert 'aria-label="a &quot;label&quot; &lt;here&gt;"' in svg
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


@pytest.mark.parametrize(
    ("colour", "luminance"),
    [("#ffffff", 1.0), ("#000000", 0.0), ("#808080", 0.2159), ("#ff0000", 0.2126), ("#0a0a0a", 0.003)],
)
def test_luminance_is_that_of_the_web(colour: str, luminance: float) -> None:
    assert _luminance(to_rgba(colour)) == pytest.approx(luminance, abs=5e-4)


def test_letters_have_the_contrast_that_they_claim() -> None:
    for colour in (INK, MUTED, BLUE, VERMILION, GREEN, PURPLE, AMBER, TEAL, *ARM_COLOURS.values()):
        assert 1.05 / (_luminance(to_rgba(colour)) + 0.05) >= 4.5, colour


PALETTES = ("report/templates/report.html.j2", "live/page/page.css", "watch/page/page.css")
NO_LETTERS = {"rule", "edge", "paper", "wash", "plain", "onblue"}


@pytest.mark.parametrize("page", PALETTES)
def test_every_pages_colours_have_it_in_both_themes(page: str) -> None:
    """Letters on the page's paper, and paper-coloured letters on discs of these colours: one ratio."""
    text = (Path(p2pfl_me.__file__).parent / page).read_text()
    light, dark = (dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", half)) for half in _halves(text))
    assert light.keys() == dark.keys() and {"paper", "ink", "muted", "vermilion"} < light.keys()
    for theme in (light, dark):
        lights = {name: _luminance(to_rgba(colour)) + 0.05 for name, colour in theme.items()}
        pairs = [("paper", name) for name in lights.keys() - NO_LETTERS] + [("wash", "ink"), ("wash", "muted")]
        for pair in pairs + [("blue", "onblue")] * ("onblue" in theme):
            low, high = sorted(lights[name] for name in pair)
            assert high / low >= 4.5, (pair, high / low)
    if "templates" in page:
        assert set(THEMED.values()) <= dark.keys()


def _halves(text: str) -> tuple[str, str]:
    """The colours of the light theme, and of the dark one."""
    light, _, dark = text.partition("prefers-color-scheme: dark")
    return light, dark.partition("* {")[0]


texts = st.one_of(st.sampled_from(["=1", "'=1", "''=1", "'", "'a"]), st.text(alphabet="ab=+-@' ,\"\n\t", max_size=5))


@given(st.lists(st.one_of(st.none(), st.integers(-9, 9), texts), min_size=1, max_size=4))
def test_a_csv_gives_back_what_was_written(cells: list[str | int | None]) -> None:
    header = [f"c{number}" for number in range(len(cells))]
    (row,) = csv_rows(csv_text([*header, "last"], [[*cells, "x"]]))
    assert [row[name] for name in header] == ["" if cell is None else str(cell) for cell in cells]


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.02, 0.3, ["2 %", "5 %", "10 %", "20 %"]),
        (2e-5, 1.5, ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"]),
        (0.1, 0.11, ["10 %", "20 %"]),
    ],
)
def test_a_log_axis_of_shares_has_as_many_labels_as_it_spans(low: float, high: float, labels: list[str]) -> None:
    with house_style():
        figure, axes = new_figure(3)
        axes.set_ylim(low, high)
        percent_log_axis(axes)
        assert [words for words, _ in shown_ticks(figure, "y")] == labels
        bottom, top = axes.get_ylim()
    assert bottom <= low and high <= top and top / bottom >= 4 - 1e-9


def test_short_and_escape() -> None:
    assert short("a\nb\x00  c") == "a b c" and short("x" * 50, 10) == "x" * 9 + "…"


@given(st.lists(st.text("ab ", min_size=1, max_size=40), max_size=5), st.integers(12, 40))
def test_cut_names_keep_to_their_room(names: list[str], length: int) -> None:
    cut = told_apart(names, length)
    assert len(cut) == len(names) and all(len(each) <= length for each in cut)


def test_names_that_begin_alike_are_cut_to_what_differs() -> None:
    ends = ("top-k of 1 percent, first try", "top-k of 1 percent, second try")
    names = [f"exponential graph, quasi-global momentum, {end}" for end in ends]
    assert told_apart([*names, "ring"], 34) == [
        "exponential graph, qu…t, first try",
        "exponential graph, q…t, second try",
        "ring",
    ]
    assert len(set(told_apart(["happiness (posed)", "happiness (spontaneous)"], 12))) == 2
    nested = ("a" * 50, "a" * 50 + "b" * 30, "a" * 50 + "b" * 30 + "c", "a" * 30 + "d")
    assert len(set(told_apart(nested, 20))) == 4, "each from its nearest"
    assert escape("a|b <i> *c* [d](e) `f`") == r"a\|b &lt;i&gt; \*c\* \[d\](e) \`f\`"


def scored(folder: Path, count: int, uf1: float) -> Run:
    """A run of one round in which every model has the same UF1."""
    kind = "ring" if count > 2 else "mesh"
    write_run(folder, count=count, rounds=1, kind=kind, baselines=False)
    for path in (*folder.glob("peer-*.jsonl"), folder / "average.json"):
        path.write_text(re.sub(r'"uf1": [\d.e-]+', f'"uf1": {uf1}', path.read_text()))
    return read_run(folder)


def of_one(run: Run) -> Comparison:
    return Comparison((Setting("", (Method("x", (run,)),)),))


def shown_ticks(figure: Figure, axis: str) -> list[tuple[str, Bbox]]:
    """Words and place of the tick labels that are drawn."""
    FigureCanvasAgg(figure).draw()
    found = []
    for axes in figure.axes:
        low, high = sorted(axes.get_xlim() if axis == "x" else axes.get_ylim())
        for tick in (axes.xaxis if axis == "x" else axes.yaxis).get_major_ticks():
            if low <= tick.get_loc() <= high and tick.label1.get_text():
                found.append((tick.label1.get_text(), tick.label1.get_window_extent()))
            if low <= tick.get_loc() <= high and tick.label2.get_visible() and tick.label2.get_text():
                found.append((tick.label2.get_text(), tick.label2.get_window_extent()))
    return found


@pytest.mark.few(1)
@pytest.mark.parametrize(("count", "uf1"), [(1, 0.0), (1, 0.349), (2, 0.0), (2, 0.0635), (2, 0.349), (2, 1.0)])
def test_scores_that_are_all_alike_are_drawn_without_warning_and_below_none(
    count: int, uf1: float, tmp_path: Path
) -> None:
    run = scored(tmp_path / "run", count, uf1)
    with house_style(), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        strip, score = compose(of_one(run), in_full=False).sections[0].blocks[0], score_picture(run)
        graph = build_graph(run.contract.topology, count)
        bar = graph_figure(graph, scores=dict.fromkeys(range(count), uf1), score_name="UF1")
        assert isinstance(strip, Picture) and score
        strips, scores = ([each.figure(width) for width in (WIDTH, NARROW)] for each in (strip, score))
        for figure in (*strips, *scores):
            png_bytes(figure)
        named = [text.get_text().partition(",")[0] for text in scores[0].axes[0].texts]
        assert not {"best", "worst"} & set(named), "of peers that are all alike none is the best"
        assert ("the peer" in named) == (count == 1)
        for figure, axis in (*((each, "x") for each in strips), (scores[0], "y"), (bar, "y")):
            ticks = shown_ticks(figure, axis)
            assert ticks and not any(words.startswith(("-", "\N{MINUS SIGN}")) for words, _ in ticks), ticks
        for figure in strips:
            labels = sorted((box.x0, box.x1) for _, box in shown_ticks(figure, "x"))
            assert all(right - left > 4 for (_, left), (right, _) in pairwise(labels)), labels


@pytest.mark.few(1)
@pytest.mark.parametrize("width", (WIDTH, NARROW))
@pytest.mark.parametrize("name", ("score-rounds", "frontier"))
def test_nine_set_ups_with_baselines_of_their_own_are_named_inside_their_figure(name: str, width: float) -> None:
    header = ("kind", "series", "round", "mbit_s", "seconds", "uf1_mean", "uf1_std")
    rows: list[tuple[object, ...]] = []
    for line in (1, 10, 100) if name == "frontier" else (None,):
        for set_up in range(9):
            rows += [("set-up", f"name {set_up}", n, line, n, 0.1 * set_up + 0.01 * n, 0.01) for n in (1, 2)]
        rows.append(("target", "target", None, line, None, 0.9, None))
    if name == "score-rounds":
        rows += [
            ("baseline", f"name {set_up}: {words}", n, None, None, 0.5, None)
            for set_up in range(9)
            for words in ("isolated", "FedAvg", "pooled")
            for n in (1, 2)
        ]
    with house_style():
        figure = settled(drawn(figures()[name], csv_text(header, rows), width, "drawn faces"))
    renderer = FigureCanvasAgg(figure).get_renderer()
    labels = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    boxes = [text.get_window_extent(renderer) for text in labels]
    boxes += [axes.title.get_window_extent(renderer) for axes in figure.axes]
    assert len(labels) == (3 * 10 if name == "frontier" else 9 + 3 + 1)
    assert not [one for one, other in combinations(boxes, 2) if one.padded(-1).overlaps(other.padded(-1))]
    assert all(box.y0 >= 0 and box.y1 <= figure.bbox.height for box in boxes)
