"""What a page does for who points, clicks or opens: values, sorted tables, folded parts; all without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from p2pfl_me.report.compose import compose
from p2pfl_me.report.document import Document, Paragraph, Picture, Section, Table, settled
from p2pfl_me.report.figures import RunPart, run_figures
from p2pfl_me.report.html import render_html
from p2pfl_me.report.markdown import render_markdown
from p2pfl_me.report.methods import Comparison, Method, Setting
from p2pfl_me.report.numbers import csv_rows
from p2pfl_me.report.run import Run, read_run
from p2pfl_me.report.sections import run_sections
from p2pfl_me.report.style import WIDTH, curve, house_style, new_figure
from p2pfl_me.report.svg import MOST_TIPS, Files, svg_bytes, themed, tips_of, with_tips
from tests.report.fixture import write_run

SMALL = {"count": 4, "rounds": 3, "classes": ("a", "b", "c"), "support": (5, 4, 3)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_run(tmp_path_factory.mktemp("run") / "run", **SMALL))


def drawing(figure: Figure) -> tuple[Axes, tuple[tuple[float, float, str], ...]]:
    return settled(figure).axes[0], tips_of(figure)


def test_a_value_is_told_where_its_mark_stands() -> None:
    with house_style():
        figure, axes = new_figure(3.0, 6.0)
        curve(axes, [(1, 0.25), (3, 0.5)], "</title><b>ring", "round {x:g}: UF1 {y:.3f}")
        axes, tips = drawing(figure)
        svg = with_tips(themed(svg_bytes(figure), "f", ""), tips)
    assert [words for _, _, words in tips] == [
        "</title><b>ring, round 1: UF1 0.250",
        "</title><b>ring, round 3: UF1 0.500",
    ]
    box = axes.get_position()
    (left, low, _), (right, high, _) = tips
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
        told = {words for _, _, words in drawing(picture.figure(WIDTH))[1]}
        (graph,) = run_figures(RunPart.GRAPH, run)
        of_graph = {words for _, _, words in drawing(graph.figure(WIDTH))[1]}
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
        browser.close()
