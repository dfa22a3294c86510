"""What a page does for who points, clicks or opens: values, sorted tables, folded parts; all without a network."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from p2pfl_me.report.compose import compose
from p2pfl_me.report.document import Document, Links, Paragraph, Picture, Section, Table, csv_text, drawn, settled
from p2pfl_me.report.figures import RunPart, figures, run_figures
from p2pfl_me.report.html import MOST_SWITCHES, _switched, render_html
from p2pfl_me.report.markdown import render_markdown
from p2pfl_me.report.methods import Comparison, Method, Setting
from p2pfl_me.report.numbers import csv_rows
from p2pfl_me.report.run import Run, read_run
from p2pfl_me.report.sections import run_sections
from p2pfl_me.report.style import BLUE, NARROW, WIDTH, curve, end_labels, house_style, new_figure, series_of
from p2pfl_me.report.svg import MOST_TIPS, Files, Tip, files_of, svg_bytes, themed, tips_of, with_tips
from tests.report.fixture import write_run

SMALL = {"count": 4, "rounds": 3, "classes": ("a", "b", "c"), "support": (5, 4, 3)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_run(tmp_path_factory.mktemp("run") / "run", **SMALL))


def drawing(figure: Figure) -> tuple[Axes, tuple[Tip, ...]]:
    return settled(figure).axes[0], tips_of(figure)


def test_a_value_is_told_where_its_mark_stands() -> None:
    with house_style():
        figure, axes = new_figure(3.0, 6.0)
        curve(axes, [(1, 0.25), (3, 0.5)], "</title><b>ring", "round {x:g}: UF1 {y:.3f}")
        axes, tips = drawing(figure)
        svg = with_tips(themed(svg_bytes(figure), "f", ""), tips)
    assert [tip.words for tip in tips] == [
        "</title><b>ring, round 1: UF1 0.250",
        "</title><b>ring, round 3: UF1 0.500",
    ]
    box = axes.get_position()
    (left, low, *_), (right, high, *_) = tips
    assert 72 * 6 * box.x0 < left < right < 72 * 6 * box.x1, "points from the left border"
    assert 72 * 3 * (1 - box.y1) < high < low < 72 * 3 * (1 - box.y0), "and from the upper one"
    share = (0.5 - axes.get_ylim()[0]) / (axes.get_ylim()[1] - axes.get_ylim()[0])
    assert high == pytest.approx(72 * 3 * (1 - box.y0 - share * box.height), abs=0.1)
    assert svg.count("<circle") == 2 and "<b>" not in svg and f'cx="{left:.1f}" cy="{low:.1f}"' in svg


def test_a_figure_of_too_many_marks_tells_none() -> None:
    with house_style():
        figure, axes = new_figure(2.0)
        curve(axes, [(x, x) for x in range(MOST_TIPS)], "a", "{x:g}")
        assert len(drawing(figure)[1]) == MOST_TIPS
        curve(axes, [(0, 0)], "b", "{x:g}")
        assert drawing(figure)[1] == () and with_tips("<svg></svg>", ()) == "<svg></svg>"


def test_every_score_of_a_run_is_told(run: Run) -> None:
    with house_style():
        (picture,) = run_figures(RunPart.LEARNING, run)
        told = {tip.words for tip in drawing(picture.figure(WIDTH))[1]}
        (graph,) = run_figures(RunPart.GRAPH, run)
        of_graph = {tip.words for tip in drawing(graph.figure(WIDTH))[1]}
    rows = csv_rows(picture.numbers())
    for row in rows:
        if row["series"] == "gossip":
            assert f"peer {row['peer']}, round {row['round']}: UF1 {float(row['uf1']):.3f}" in told
        if row["series"] == "pooled":
            assert f"pooled, round {row['round']}: UF1 {float(row['uf1']):.3f}" in told
    last = {row["peer"]: float(row["uf1"]) for row in rows if row["series"] == "gossip"}
    assert of_graph == {f"peer {peer}: UF1 {score:.3f}" for peer, score in last.items()}


def test_bars_of_one_length_are_a_sentence(run: Run, tmp_path: Path) -> None:
    cost = next(each for each in run_sections(run, "", "", 2) if each.anchor == "cost")
    assert not any(isinstance(block, Picture) for block in cost.blocks)
    first = cost.blocks[0]
    assert isinstance(first, Paragraph) and first.words.startswith("Each of the 4 peers sent "), first
    killed = read_run(write_run(tmp_path / "killed", **SMALL, killed={2: 1}))
    cost = next(each for each in run_sections(killed, "", "", 2) if each.anchor == "cost")
    assert isinstance(cost.blocks[0], Picture) and not any(
        isinstance(block, Paragraph) and block.words.startswith("Each of the") for block in cost.blocks
    )


def test_runs_of_several_seeds_are_folded_and_one_run_is_not(run: Run) -> None:
    with house_style():
        one = compose(Comparison((Setting("", (Method("ring", (run,)),)),)), in_full=True)
        two = compose(Comparison((Setting("", (Method("ring", (run, run)),)),)), in_full=True)
    assert not any(section.folded for section in one.sections)
    assert {section.level for section in two.sections if section.folded} == {3}
    assert "## What went wrong" in render_markdown(two), "a text has nothing to fold"


TABLE = Table(
    ("", "figure", "words"),
    (("b", "1,200", "x"), ("a", "0.5 ± 0.1", "z"), ("d", "–", "y"), ("c", "30", "w")),
    words=frozenset({0, 2}),
    folded="More",
)


def page_of(table: Table) -> str:
    return render_html(Document("T", "", "V", (), (Section("S", (table,), "s"),), ""), {"": Files(b"", b"", b"", None)})


def test_a_folded_table_is_whole_on_the_page() -> None:
    page = page_of(TABLE)
    assert page.index("<details><summary>More</summary>") < page.index("1,200") < page.index("</details>")


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium on this machine")
def test_a_click_on_a_head_sorts_by_it(tmp_path: Path) -> None:
    """In a browser, by the page's own script and under the page's own policy."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    file = tmp_path / "page.html"
    file.write_text(page_of(TABLE), encoding="utf-8")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(180_000)
        page.goto(file.as_uri())

        def order() -> str:
            return "".join(page.locator("tbody th").all_text_contents())

        assert order() == "badc"
        page.get_by_text("More").click()
        page.get_by_role("button", name="figure").click()
        assert order() == "acbd", "as numbers, and what is none comes last"
        page.get_by_role("button", name="figure").click()
        assert order() == "bcad"
        assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
        page.get_by_role("button", name="words").press("Enter")
        assert order() == "cbda", "by the keyboard, too"
        page.emulate_media(media="print")
        shown = page.locator("thead button").evaluate_all("all => all.map((each) => getComputedStyle(each).display)")
        assert set(shown) == {"contents"}, "a head with a button's box stands on the first of its table's sheets alone"
        browser.close()


def test_a_lines_name_its_number_and_its_label_belong_together() -> None:
    with house_style():
        figure, axes = new_figure(3.0, 6.0)
        for name in ("ring", '"><b>mesh', "far ring"):
            curve(axes, [(1, 0.25), (3, 0.5)], name, "{x:g}: {y:g}")
        end_labels(axes, [(0.5, "— far ring", BLUE), (0.4, "ring", BLUE), (0.3, "target", BLUE)])
        drawn = svg_bytes(settled(figure)).decode()
    assert series_of(figure) == ("ring", '"><b>mesh', "far ring")
    assert re.findall(r'id="(series-[^"]*)"', drawn) == [
        "series-0",
        "series-1",
        "series-2",
        "series-2",
        "series-0",
    ]
    page = themed(drawn.encode(), "f", "")
    assert re.findall(r'data-line="(\d)"', page) == ["0", "1", "2", "2", "0"]
    assert not re.search(r'id="[^"]*series-', page), "ids of a page are unique"


def test_values_belong_to_their_line_whatever_it_is_called() -> None:
    """`ring` is how the words of `ring, push-sum` begin; names of a hundred letters may begin alike."""
    long = "exponential graph, quasi-global momentum, top-k of 1 percent with error feedback, second attempt"
    names = ("ring", "ring, push-sum", long, long.replace("second", "third"))
    with house_style():
        figure, axes = new_figure(3.0, 6.0)
        for name in names:
            curve(axes, [(1, 0.25), (3, 0.5)], name, "{x:g}: {y:g}")
        _, tips = drawing(figure)
    assert series_of(figure) == names
    assert [(tip.line, tip.words) for tip in tips[::2]] == [
        (number, f"{name}, 1: 0.25") for number, name in enumerate(names)
    ]
    assert with_tips("<svg></svg>", tips).count('data-line="1"') == 2


@pytest.mark.few(1)
@pytest.mark.parametrize("panels", [1, 2])
def test_long_names_leave_a_phone_its_plot(panels: int) -> None:
    names = [f"exponential graph, quasi-global momentum, attempt {number}" for number in range(9)]
    with house_style():
        figure = Figure(figsize=(NARROW, 3.9 * panels))
        for place in range(panels):
            axes = figure.add_subplot(panels, 1, place + 1)
            for number, name in enumerate(names):
                curve(axes, [(1, 0.1), (3, 0.1 * number)], name, "{x:g}: {y:g}")
            end_labels(axes, [(0.1 * number, f"— {name}", BLUE) for number, name in enumerate(names)])
        settled(figure)
        heights = [axes.get_position().height * figure.get_figheight() for axes in figure.axes]
        page = themed(svg_bytes(figure), "f", "")
    assert all(axes.get_position().width > 0.75 for axes in figure.axes) and min(heights) > 2.5
    for axes in figure.axes:
        said = [text.get_text() for text in axes.texts if text.get_text()]
        assert said == [str(number) for number in range(1, 10)]
    (key,) = figure.legends
    told = [text.get_text() for text in key.get_texts()]
    assert len({each[3:] for each in told}) == 9 and all(
        each.startswith(f"{n}  — exp") for n, each in enumerate(told, 1)
    )
    box = key.get_window_extent()
    assert box.x1 < figure.bbox.width and box.y1 < min(axes.get_tightbbox().y0 for axes in figure.axes)
    assert page.count('data-line="8"') == 2 * panels + 1, "lines, their numbers and the key go together"


def test_lines_of_one_name_in_several_panels_are_one_switch() -> None:
    with house_style():
        figure = Figure(figsize=(6, 4))
        for place in (1, 2):
            axes = figure.add_subplot(2, 1, place)
            for name in ("ring", "mesh"):
                curve(axes, [(1, 0.25), (3, 0.5)], name, "{x:g}: {y:g}")
            end_labels(axes, [(0.5, "ring", BLUE), (0.4, "mesh", BLUE)])
    assert series_of(figure) == ("ring", "mesh")
    assert [line.get_gid() for axes in figure.axes for line in axes.get_lines()] == ["series-0", "series-1"] * 2
    assert [text.get_gid() for axes in figure.axes for text in axes.texts if text.get_text()] == [
        "series-0",
        "series-1",
    ] * 2


HEADER = ("kind", "series", "round", "mb_a_peer", "seconds", "uf1_mean", "uf1_std", "distance", "predicted_distance")
NUMBERS = [
    ("set-up", name, index, 3.0 * index, 0.5 * index, 0.1 * index, 0.05, share**index, share**index)
    for name, share in (("one", 0.5), ("two", 0.2))
    for index in (1, 2)
]


@pytest.mark.parametrize("name", ["score-rounds", "score-mb", "score-seconds", "mixing-rounds", "mixing-mb"])
@pytest.mark.parametrize("width", [WIDTH, NARROW])
def test_nothing_stays_of_a_set_up_that_is_hidden(name: str, width: float) -> None:
    """Its line, its label and every dot, bar, prediction and leader in its colour belong to one switch."""
    with house_style():
        (axes,) = drawn(figures()[name], csv_text(HEADER, NUMBERS), width).axes
    parts = [*axes.get_lines(), *(text for text in axes.texts if text.get_text())]
    by_colour: dict[str, set[str | None]] = {}
    for part in parts:
        by_colour.setdefault(to_hex(part.get_color()), set()).add(part.get_gid())
    assert sorted(map(sorted, by_colour.values())) == [["series-0"], ["series-1"]]
    assert len(parts) >= 6


def test_the_average_model_can_be_hidden_too(run: Run) -> None:
    with house_style():
        (picture,) = run_figures(RunPart.LEARNING, run)
        figure = picture.figure(WIDTH)
    number = series_of(figure).index("average model")
    own = [
        part for part in [*figure.axes[0].get_lines(), *figure.axes[0].texts] if part.get_gid() == f"series-{number}"
    ]
    assert len(own) == 2, "the diamond and its name"


def test_a_figure_of_one_line_or_of_too_many_has_no_switches(run: Run) -> None:
    assert _switched(("one",)) == "" == _switched(("one",) * (MOST_SWITCHES + 1))
    assert str(_switched(('a"', "<b>"))) == ' data-series="[&#34;a\\&#34;&#34;, &#34;&lt;b&gt;&#34;]"'


def test_a_comparisons_page_leads_to_its_runs(run: Run) -> None:
    document = compose(Comparison((Setting("", (Method("ring", (run,)),)),)), in_full=False, beside=run.folder.parent)
    (links,) = (block for section in document.sections for block in section.blocks if isinstance(block, Links))
    assert links.items == ((f"ring, seed {run.seed}", "run/"),)
    assert '<li><a href="run/">' in render_html(replace(document, sections=document.sections[-1:]), {})
    assert f"- [ring, seed {run.seed}](<run/>)" in render_markdown(document)
    elsewhere = compose(Comparison((Setting("", (Method("ring", (run,)),)),)), in_full=False, beside=Path("other"))
    assert "runs" not in {section.anchor for section in elsewhere.sections}


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium on this machine")
def test_a_button_hides_a_line_its_label_and_its_values(run: Run, tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with house_style():
        (picture,) = run_figures(RunPart.LEARNING, run)
        document = Document("T", "", "V", (), (Section("S", (picture,), "s"),), "")
        page_text = render_html(document, {picture.name: files_of(picture)})
    file = tmp_path / "page.html"
    file.write_text(page_text, encoding="utf-8")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.set_default_timeout(180_000)
        page.goto(file.as_uri())

        def hidden() -> int:
            return page.locator("svg .hidden").count()

        pooled = page.get_by_role("button", name="pooled", exact=True)
        assert hidden() == 0 and pooled.get_attribute("aria-pressed") == "true"
        pooled.press("Enter")
        assert pooled.get_attribute("aria-pressed") == "false"
        assert hidden() == 2 * 2 + SMALL["rounds"], "line and label, wide and on a phone, and each round's value"
        page.get_by_role("button", name="all", exact=True).click()
        assert hidden() == 0
        page.get_by_role("button", name="none", exact=True).click()
        assert page.locator('.toggles [aria-pressed="true"]').count() == 0
        box = page.locator(".full svg").bounding_box()
        assert box is not None

        def view() -> list[float]:
            return [float(each) for each in str(page.locator(".full svg").get_attribute("viewBox")).split()]

        first = view()
        page.mouse.dblclick(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
        left, top, width, height = view()
        assert (width, height) == (first[2] / 2, first[3] / 2) and left == pytest.approx(0, abs=2)
        assert top == pytest.approx(first[3] / 4, abs=2), "around the place that was clicked"
        page.mouse.move(box["x"] + 300, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 100)
        page.mouse.up()
        moved = view()
        assert moved[0] - left == pytest.approx(100 / box["width"] * width, abs=1) and moved[1:] == [top, width, height]
        page.locator(".full svg").press("ArrowDown")
        assert view()[1] > top, "by the keyboard, too"
        page.get_by_role("button", name="whole", exact=True).click()
        assert view() == first and page.get_by_role("button", name="whole", exact=True).is_hidden()
        page.get_by_role("button", name="larger", exact=True).click()
        assert view()[2] == first[2] / 2
        page.emulate_media(media="print")
        assert page.locator(".toggles").evaluate_all("rows => rows.every((row) => !row.checkVisibility())")
        words, drawing = page.locator("figcaption").bounding_box(), page.locator(".full svg").bounding_box()
        assert words and drawing and words["x"] + words["width"] < drawing["x"], "beside it, as above it takes a sheet"
        browser.close()
