"""A run's figures by what they show: each mark against its row, each label against its series."""

from __future__ import annotations

import sys
from copy import copy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Annotation

import p2pfl_me.report
from p2pfl_me.report import figures as registry
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.arms_picture import HEADER, ArmRow, arms_figure, arms_rows
from p2pfl_me.report.compose import compose
from p2pfl_me.report.confusion_picture import confusion_panels
from p2pfl_me.report.consensus import agreement, contraction_of
from p2pfl_me.report.consensus_picture import consensus_picture
from p2pfl_me.report.document import Document, Picture, Table, drawn
from p2pfl_me.report.figures import SettingPart, figures, setting_figures
from p2pfl_me.report.graph_picture import SCORES, graph_figure
from p2pfl_me.report.methods import Comparison, Method, Setting
from p2pfl_me.report.numbers import csv_rows, csv_text
from p2pfl_me.report.run import Run
from p2pfl_me.report.score_picture import score_picture
from p2pfl_me.report.sections import run_sections
from p2pfl_me.report.style import ARM_COLOURS, BLUE, INK, NARROW, WIDTH, house_style, new_figure, score_axis
from p2pfl_me.report.traffic import peer_traffic
from p2pfl_me.report.traffic_picture import traffic_picture
from tests.report.marks import WIDTHS, column, cut_off, in_order, lines_of, points, setting, shown, words_of

HAIR = 0.01

# The headline figure


ARMS = (
    ArmRow(Arm.ISOLATED, 0.4, ((1, 0, 0.35), (1, 1, 0.45)), 0.05, 0.3, 0.5),
    ArmRow(Arm.GOSSIP, 0.6, ((1, 0, 0.55), (1, 1, 0.65))),
    ArmRow(Arm.POOLED, 0.7, ((1, None, 0.7),), None, 0.6, 0.8),
)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_dot_bar_and_number_stands_on_the_line_of_its_arm(width: float) -> None:
    with house_style():
        figure = drawn(arms_figure, csv_text(HEADER, arms_rows(ARMS, 0.2)), width)
    axes = figure.axes[0]
    if width == WIDTH:
        names = {
            label.get_text(): place for place, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
        }
    else:
        names = {
            text.get_text(): text.get_position()[1] - 0.3
            for text in axes.texts
            if text.get_text() and not isinstance(text, Annotation)
        }
    assert list(names) == [each.arm.words for each in reversed(ARMS)]
    for each in ARMS:
        y, colour = names[each.arm.words], ARM_COLOURS[each.arm]
        here = [line for line in axes.get_lines() if all(abs(v - y) < 0.4 for v in line.get_ydata())]
        dots = [line for line in here if line.get_marker() == "o"]
        (own,) = dots
        assert [x for x, _ in points(own)] == [value for _, _, value in each.models]
        assert to_hex(own.get_markerfacecolor()) == colour
        (bar,) = [
            line for line in here if len(set(line.get_xdata())) == 1 and line.get_linewidth() > 2 and line is not own
        ]
        assert set(bar.get_xdata()) == {each.mean} and to_hex(bar.get_color()) == colour
        spans = [line for line in here if line.get_linewidth() == 5]
        assert [list(span.get_xdata()) for span in spans] == ([[each.low, each.high]] if each.low is not None else [])
        number = f"{each.mean:.3f}" + (f" ± {each.std:.3f}" if each.std is not None else "")
        assert words_of(axes)[number].xy[1] == pytest.approx(y)
    chance = words_of(axes)["always the most frequent class"].xy[0]
    assert chance == 0.2 and any(set(line.get_xdata()) == {0.2} for line in axes.get_lines())


def test_the_headline_of_a_run_shows_the_scores_of_its_log(runs: dict[str, tuple[Run, ...]]) -> None:
    with house_style():
        document = compose(Comparison((Setting("", (Method("ring", runs["ring"]),)),)), in_full=True)
    picture = next(block for block in document.sections[0].blocks if isinstance(block, Picture))
    table = next(block for block in document.sections[0].blocks if isinstance(block, Table))
    rows = csv_rows(picture.numbers())
    for run in runs["ring"]:
        for log in run.peers:
            last = [each.test.uf1 for each in log.rounds if each.test is not None][-1]
            cells = column(rows, "seed", "uf1", arm="gossip", what="model", seed=str(run.seed), peer=str(log.peer))
            assert cells == [(run.seed, pytest.approx(last))]
    for row in table.rows:
        arm = next(each for each in Arm if each.words == row[0])
        by_seed = [
            [y for _, y in column(rows, "seed", "uf1", arm=arm, what="model", seed=str(seed))] for seed in (1, 2)
        ]
        means = [float(np.mean(values)) for values in by_seed]
        assert row[1] == f"{np.mean(means):.3f} ± {np.std(means, ddof=1):.3f}"
        drawn_mean = column(rows, "uf1", "uf1", arm=arm, what="mean")[0][1]
        assert drawn_mean == pytest.approx(np.mean(means))
        if arm in {Arm.ISOLATED, Arm.GOSSIP}:
            assert row[4].startswith(f"{np.mean([min(values) for values in by_seed]):.3f}")
            assert row[5].startswith(f"{np.mean([max(values) for values in by_seed]):.3f}")


# One run


@pytest.mark.parametrize("width", WIDTHS)
def test_score_curves_are_those_of_the_rows_and_labels_name_their_own(
    runs: dict[str, tuple[Run, ...]], width: float
) -> None:
    picture = score_picture(runs["ring"][0])
    assert picture
    axes, rows = shown(picture, width)
    peers = [column(rows, "round", "uf1", series="gossip", peer=str(peer)) for peer in range(4)]
    assert [points(line) for line in lines_of(axes, BLUE, below=1)] == [each for each in peers if len(each) > 1]
    (mean,) = lines_of(axes, BLUE, above=2)
    assert points(mean) == column(rows, "round", "uf1", series="gossip mean")
    by_round = [[y for peer in peers for x, y in peer if x == index] for index in (1, 2, 3)]
    assert [len(values) for values in by_round] == [4, 3, 3], "a peer that died is in no later mean"
    assert [y for _, y in points(mean)] == [pytest.approx(np.mean(values), abs=1e-6) for values in by_round]
    ends = {"gossip, mean peer": points(mean)[-1][1]}
    for series, arm, words in (
        ("isolated mean", Arm.ISOLATED, "isolated, mean"),
        ("pooled", Arm.POOLED, "pooled"),
        ("fedavg", Arm.FEDAVG, "FedAvg"),
    ):
        (line,) = lines_of(axes, ARM_COLOURS[arm])
        assert points(line) == column(rows, "round", "uf1", series=series)
        assert words_of(axes)[words].get_color() == ARM_COLOURS[arm]
        ends[words] = points(line)[-1][1]
    (average,) = column(rows, "round", "uf1", series="average model")
    (diamond,) = [line for line in axes.get_lines() if line.get_marker() == "D"]
    assert points(diamond) == [average] and words_of(axes)["average model"].get_color() == INK
    finals = {peer: each[-1][1] for peer, each in enumerate(peers)}
    best, worst = max(finals, key=lambda p: finals[p]), min(finals, key=lambda p: finals[p])
    ends |= {"average model": average[1], f"best, peer {best}": finals[best], f"worst, peer {worst}": finals[worst]}
    in_order(axes, ends)


def test_distances_are_shares_of_the_average_norm_under_their_own_names(runs: dict[str, tuple[Run, ...]]) -> None:
    run = runs["ring"][1]
    contraction = contraction_of(run)
    found = agreement(run, contraction)
    picture = consensus_picture(run)
    assert picture and contraction and contraction.beta is not None
    axes, rows = shown(picture, WIDTH)
    named = {
        "after training": [each.trained / each.norm for each in found],
        "after mixing": [each.mixed / each.norm for each in found],
        "predicted": [contraction.rms[0] * each.trained / each.norm for each in found],
        "predicted, at most": [contraction.beta * each.trained / each.norm for each in found],
    }
    for words, values in named.items():
        (line,) = lines_of(axes, str(words_of(axes)[words].get_color()))
        assert points(line) == [
            (each.round, pytest.approx(value, rel=1e-5)) for each, value in zip(found, values, strict=True)
        ]
    in_order(axes, {words: values[-1] for words, values in named.items()})
    assert [float(row["mixed"]) for row in rows] == [pytest.approx(each.mixed, rel=1e-6) for each in found]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_cell_of_a_confusion_matrix_stands_in_its_row_and_column(width: float) -> None:
    classes = ("anger", "joy", "fear")
    matrix = np.array([[5.0, 1.0, 0.0], [2.0, 7.5, 3.0], [0.0, 4.0, 6.0]])
    picture = confusion_panels(classes, [("one", matrix), ("two", 2 * matrix)], "", "")
    assert picture
    with house_style():
        figure = picture.figure(width)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["one", "two"]
    for axes, scale in zip(figure.axes, (1, 2), strict=True):
        assert [label.get_text() for label in axes.get_xticklabels()] == list(classes)
        assert axes.get_xlabel() == "predicted"
        cells = {text.get_position(): float(text.get_text()) for text in axes.texts}
        assert cells == {(j, i): scale * matrix[i, j] for i in range(3) for j in range(3) if matrix[i, j]}
        shades = {(round(box.get_x() + 0.47), round(box.get_y() + 0.47)): box.get_alpha() for box in axes.patches}
        darkest = max(shades, key=lambda place: shades[place])
        assert darkest == (0, 0), "5 of 6 is the largest share of a row"
        assert shades[2, 0] == shades[0, 2] == min(shades.values()), "no clip, no shade"
        shares = matrix / matrix.sum(axis=1, keepdims=True)
        order = sorted(shades, key=lambda place: shades[place])
        assert [shares[i, j] for j, i in order] == sorted(shares.ravel())
    first = figure.axes[0]
    assert first.get_ylabel() == "true" and [label.get_text() for label in first.get_yticklabels()] == list(classes)


def test_bars_of_traffic_are_the_bytes_of_the_peer_they_name(runs: dict[str, tuple[Run, ...]]) -> None:
    sent = peer_traffic(runs["ring"][0])
    picture = traffic_picture(runs["ring"][0])
    assert picture
    axes, _ = shown(picture, WIDTH)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [f"peer {each.peer}" for each in sent]
    assert [bar.get_width() for bar in axes.patches] == [each.sent for each in sent]
    assert len({each.sent for each in sent}) > 1, "the peer that died sent less"
    assert [round(bar.get_y() + bar.get_height() / 2) for bar in axes.patches] == list(axes.get_yticks())


def test_a_mark_of_the_graph_has_the_colour_of_its_peers_score() -> None:
    scores = {0: 0.1, 1: 0.5, 2: 0.9, 3: 0.3}
    figure = graph_figure(nx.cycle_graph(5), scores=scores)
    axes = figure.axes[0]
    (marks,) = [each for each in axes.collections if isinstance(each, PathCollection)]
    places = {int(text.get_text()): text.get_position() for text in axes.texts if text.get_text()}
    for peer in range(5):
        assert tuple(marks.get_offsets()[peer]) == pytest.approx(places[peer])
    fills = [to_hex(colour) for colour in marks.get_facecolors()]
    assert fills[:4] == [to_hex(SCORES((scores[peer] - 0.1) / 0.8)) for peer in range(4)]


def test_scores_that_are_nearly_alike_are_not_stretched_over_the_whole_scale() -> None:
    figure = graph_figure(nx.cycle_graph(4), scores={0: 0.65, 1: 0.66, 2: 0.68, 3: 0.70})
    low, high = figure.axes[1].get_ylim()
    assert high - low >= 0.2 - 1e-9 and 0 <= low <= 0.65 and 0.70 <= high <= 1
    loss = graph_figure(nx.cycle_graph(3), scores={0: 2.0, 1: 2.05, 2: 2.1})
    low, high = loss.axes[1].get_ylim()
    assert high - low >= 0.2 * 2.1 - 1e-9


def test_the_words_at_the_scale_of_a_graph_stay_inside() -> None:
    """Of a run without scores the scale is of the training loss: on a telephone its last letter was cut off."""
    for name in ("UF1", "training loss"):
        with house_style():
            figure = graph_figure(nx.cycle_graph(4), scores={0: 1.3, 1: 1.4}, score_name=name, width=NARROW)
            assert cut_off(figure) < HAIR, name


# Several runs


def test_worst_cases_are_drawn(tmp_path: Path) -> None:
    """Nine set-ups, one peer, equal scores: every line has its own look and every label its place."""
    header = ("kind", "series", "round", "mb_a_peer", "seconds", "uf1_mean", "uf1_std")
    numbers = [("set-up", f"name {n}", index, n + index, index, 0.5, 0.0) for n in range(9) for index in (1, 2)]
    with house_style():
        figure = drawn(figures()["score-rounds"], csv_text(header, numbers), NARROW)
    axes = figure.axes[0]
    looks = {
        (to_hex(line.get_color()), str(line.get_linestyle()), str(line._dash_pattern)) for line in axes.get_lines()
    }  # type: ignore[attr-defined]
    assert len(looks) == 9
    heights = sorted(text.xy[1] for text in words_of(axes).values())
    assert len(heights) == 9 and all(upper - lower > 0.05 for lower, upper in pairwise(heights))


def test_every_figure_of_every_page_is_drawn_from_its_csv(runs: dict[str, tuple[Run, ...]]) -> None:
    with house_style():
        pages: list[Document] = [compose(Comparison((setting(runs),)), in_full=False)]
        sections = [*pages[0].sections, *run_sections(runs["ring"][0], "", "", 2)]
        drawings = [block for section in sections for block in section.blocks if isinstance(block, Picture)]
        assert len(drawings) >= 9
        for picture in drawings:
            figure = replace(picture, warning="drawn faces").figure(NARROW)
            assert isinstance(figure, Figure) and cut_off(figure) < HAIR, picture.name
            if picture.name != "graph":
                assert picture.draw is None and picture.name in figures(), "a reader finds it by the name of its files"


@pytest.mark.few(2)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("classes", "panels"), [(3, 1), (3, 3), (7, 2), (14, 1), (14, 3)])
def test_a_warning_pushes_no_word_out_of_a_matrix(classes: int, panels: int, width: float) -> None:
    """Its height follows from its width, and the names below it had been cut where a warning stood above."""
    names = [f"repression {number}" for number in range(classes)]
    picture = confusion_panels(names, [(f"model {n}", np.eye(classes)) for n in range(panels)], "", "")
    assert picture
    with house_style():
        assert cut_off(replace(picture, warning="drawn faces").figure(width)) < HAIR


NEW_FIGURE = """
from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import RunPart, SettingPart, figure_named, in_run, in_setting
from p2pfl_me.report.style import new_figure

@in_run(RunPart.COST)
def of_run(run):
    return Picture("steps", "Steps", "Read so.", "Steps by peer", ("peer",), tuple((log.peer,) for log in run.peers))

@in_setting(SettingPart.PAIRS)
def of_setting(setting):
    return Picture("pairs", "Pairs", "Read so.", "Pairs", ("peer",), ((len(setting.methods),),))

@figure_named("steps", "pairs")
def draw(rows, width):
    figure, axes = new_figure(2, width)
    axes.plot([int(row["peer"]) for row in rows])
    return figure
"""


def test_a_new_figure_is_one_file(
    runs: dict[str, tuple[Run, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in the part that it names, of a run's page and of a comparison's, and in no list."""
    figures()
    for name in ("_DRAW", "_OF_RUN", "_OF_SETTING"):
        monkeypatch.setattr(registry, name, {key: copy(each) for key, each in getattr(registry, name).items()})
    (tmp_path / "steps_picture.py").write_text(NEW_FIGURE)
    monkeypatch.setattr(p2pfl_me.report, "__path__", [*p2pfl_me.report.__path__, str(tmp_path)])
    registry._find.cache_clear()
    try:
        with house_style():
            cost = next(each for each in run_sections(runs["ring"][0], "", "", 2) if each.anchor == "cost")
            steps = next(block for block in cost.blocks if isinstance(block, Picture) and block.name == "steps")
            assert list(steps.figure(WIDTH).axes[0].get_lines()[0].get_ydata()) == [0, 1, 2, 3]
            document = compose(Comparison((setting(runs),)), in_full=False)
            pairs = next(each for each in document.sections if each.anchor == "pairs")
            assert [block.name for block in pairs.blocks if isinstance(block, Picture)] == ["pairs"]
    finally:
        registry._find.cache_clear()
        sys.modules.pop("p2pfl_me.report.steps_picture", None)


@pytest.mark.parametrize(
    ("scores", "spans"), [((0.03, 0.037), (-0.005, 0.1)), ((0.5, 0.51), (0.455, 0.555)), ((0.0, 0.0), (-0.005, 0.1))]
)
def test_scores_that_are_nearly_alike_look_so(scores: tuple[float, ...], spans: tuple[float, float]) -> None:
    with house_style():
        _, axes = new_figure(3.0)
        axes.plot(range(len(scores)), scores)
        score_axis(axes)
    assert axes.get_ylim() == pytest.approx(spans, abs=0.001)


def test_the_order_of_figures_is_that_of_their_files_whichever_is_imported_first(
    runs: dict[str, tuple[Run, ...]],
) -> None:
    names = [picture.name for picture in setting_figures(SettingPart.COST, setting(runs, 0.5))]
    assert names.index("score-mb") < names.index("score-seconds") < names.index("frontier")
