"""A comparison's figures by what they show: each mark against its row, each label against its set-up."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from p2pfl_me.gossip.kind import PROTOCOLS
from p2pfl_me.report.comparison_faults import fault_blocks
from p2pfl_me.report.comparison_scores import score_blocks
from p2pfl_me.report.compose import _run_links, compose
from p2pfl_me.report.document import Bullets, Picture, Table, drawn, settled
from p2pfl_me.report.events import PeerLog
from p2pfl_me.report.figures import SettingPart, figures, setting_figures
from p2pfl_me.report.frontier_picture import line_seconds
from p2pfl_me.report.line_styles import line_styles_of
from p2pfl_me.report.markdown import render_markdown
from p2pfl_me.report.methods import Comparison, Method, Setting, UnderFaults
from p2pfl_me.report.numbers import csv_rows, csv_text
from p2pfl_me.report.run import Run
from p2pfl_me.report.style import INK, MUTED, WIDTH, house_style, new_figure, round_axis
from p2pfl_me.report.traffic import peer_traffic
from p2pfl_me.run.manifest import ToldLies
from tests.report.marks import WIDTHS, column, in_order, lines_of, points, setting, shown, words_of


def comparison_picture(of: Setting, part: SettingPart, name: str) -> Picture:
    return next(picture for picture in setting_figures(part, of) if picture.name == name)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("name", "x"), [("score-rounds", "round"), ("score-mb", "mb_a_peer"), ("score-seconds", "seconds")]
)
def test_lines_of_a_comparison_are_their_rows_and_bear_their_names(
    runs: dict[str, tuple[Run, ...]], name: str, x: str, width: float
) -> None:
    both = setting(runs, 0.5)
    part = SettingPart.SCORES if name == "score-rounds" else SettingPart.COST
    axes, rows = shown(comparison_picture(both, part, name), width)
    ends = {}
    for method in both.methods:
        words = next(each for each in words_of(axes) if re.fullmatch(rf"\W+ {method.name}", each))
        colour = str(words_of(axes)[words].get_color())
        own = lines_of(axes, colour, above=1.9)
        assert [points(line) for line in own] == [column(rows, x, "uf1_mean", kind="set-up", series=method.name)]
        ends[words] = points(own[0])[-1][1]
    in_order(axes, ends)
    (target,) = [line for line in axes.get_lines() if list(line.get_ydata()) == [0.5, 0.5]]
    assert words_of(axes)["target 0.50"].get_color() == to_hex(target.get_color()) == INK
    if name == "score-rounds":
        drawn_baselines = [points(line) for line in lines_of(axes, MUTED)]
        names = list(dict.fromkeys(row["series"] for row in rows if row["kind"] == "baseline"))
        assert drawn_baselines == [column(rows, "round", "uf1_mean", kind="baseline", series=each) for each in names]
        assert set(names) <= set(words_of(axes)), "every baseline is named, however many there are"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_frontier_is_what_its_rows_say_on_every_line_of_the_wire(
    runs: dict[str, tuple[Run, ...]], width: float
) -> None:
    picture = comparison_picture(setting(runs, 0.5), SettingPart.COST, "frontier")
    assert "Computed, not measured" in picture.reading
    rows = csv_rows(picture.numbers())
    with house_style():
        panels = picture.figure(width).axes
    assert [axes.get_title(loc="left") for axes in panels] == [
        f"UF1 of the mean peer, {line} Mbit/s" for line in (1, 10, 100)
    ]
    for axes, line in zip(panels, ("1", "10", "100"), strict=True):
        for name in runs:
            words = next(each for each in words_of(axes) if re.fullmatch(rf"\W+ {name}", each))
            own = lines_of(axes, str(words_of(axes)[words].get_color()), above=1.9)
            expected = column(rows, "seconds", "uf1_mean", kind="set-up", series=name, mbit_s=line)
            assert [points(drawn) for drawn in own] == [expected] and len(expected) == 3
        assert "target 0.50" in words_of(axes)


def test_a_set_up_without_common_rounds_or_without_scores_is_left_out_of_the_frontier_by_its_name(
    runs: dict[str, tuple[Run, ...]],
) -> None:
    def frontier(*methods: Method) -> Picture | None:
        pictures = setting_figures(SettingPart.COST, Setting("", methods))
        return next((picture for picture in pictures if picture.name == "frontier"), None)

    mesh = Method("mesh", runs["mesh"])
    gossip = mesh.runs[0].contract.gossip.model_copy(update={"protocol": PROTOCOLS.of("push")})
    by_chance = mesh.runs[0].contract.model_copy(update={"gossip": gossip})
    pushed = Method("pushed", tuple(replace(run, contract=by_chance) for run in mesh.runs))
    mute = Method("mute", tuple(replace(run, peers=tuple(map(unscored, run.peers))) for run in mesh.runs))
    picture = frontier(mesh, pushed, mute)
    assert picture is not None and picture.reading.endswith("that all share, and so not here: pushed, mute.")
    assert {row["series"] for row in csv_rows(picture.numbers())} == {"mesh", "target"}
    assert frontier(pushed) is None and frontier(mute) is None


def unscored(log: PeerLog) -> PeerLog:
    return replace(log, rounds=tuple(replace(each, test=None, validation=None) for each in log.rounds))


def test_seconds_on_a_line_are_training_and_transfer_or_the_longer_of_both(
    runs: dict[str, tuple[Run, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs["mesh"][0]
    train, carry = [0.0] * 3, [0.0] * 3
    for log in run.peers:
        before = 0
        for each in log.rounds:
            place = each.round - log.rounds[0].round
            train[place] = max(train[place], each.train_seconds)
            carry[place] = max(carry[place], 8e-6 * (each.bytes_sent - before))
            before = each.bytes_sent
    assert min(carry) > 0 and min(train) > 0
    both = np.cumsum(np.array(train) + np.array(carry))
    np.testing.assert_allclose(list(line_seconds(run, 1).values()), both)
    assert line_seconds(run, 100)[run.peers[0].rounds[-1].round] < both[-1], "a thicker line is sooner"
    monkeypatch.setattr(type(run.contract.gossip.protocol), "overlaps", True)
    rounds = np.maximum(train, carry)
    rounds[-1] = train[-1] + carry[-1]
    np.testing.assert_allclose(list(line_seconds(run, 1).values()), np.cumsum(rounds))


def test_megabytes_and_score_for_each_of_them(runs: dict[str, tuple[Run, ...]]) -> None:
    both = setting(runs)
    picture = comparison_picture(both, SettingPart.COST, "score-per-mb")
    axes, rows = shown(picture, WIDTH)
    assert [row["series"] for row in rows] == list(runs), "in the order of the contracts: nothing is ranked"
    for place, row in enumerate(rows):
        ratios, sent, uf1 = [], [], []
        for run in runs[row["series"]]:
            last = max(log.last_round for log in run.peers)
            there = {log.peer for log in run.peers if log.last_round == last}
            sent.append(np.mean([each.sent for each in peer_traffic(run) if each.peer in there]) / 1e6)
            assert run.average and run.average.uf1
            uf1.append(run.average.uf1)
            ratios.append(uf1[-1] / sent[-1])
        assert min(sent) > 1, "millions of bytes"
        assert float(row["mb_a_peer"]) == pytest.approx(np.mean(sent), rel=1e-6)
        assert float(row["uf1"]) == pytest.approx(np.mean(uf1), rel=1e-6)
        assert float(row["uf1_per_mb"]) == pytest.approx(np.mean(ratios), rel=1e-6)
        assert float(row["std"]) == pytest.approx(np.std(ratios, ddof=1), rel=1e-5)
        bar = axes.patches[place]
        assert bar.get_width() == float(row["uf1_per_mb"]) and round(bar.get_y() + bar.get_height() / 2) == place
        assert axes.get_yticklabels()[place].get_text() == row["series"]
        words = f"{float(row['uf1_per_mb']):.3g}  ({float(row['uf1']):.2f} for {float(row['mb_a_peer']):.3g} MB)"
        assert words_of(axes)[words].xy[1] == place


def test_tables_of_a_comparison_say_what_its_figures_show(runs: dict[str, tuple[Run, ...]]) -> None:
    both = setting(runs)
    table = next(block for block in score_blocks(both) if isinstance(block, Table) and block.header[0] == "UF1")
    rows = csv_rows(comparison_picture(both, SettingPart.SCORES, "score-rounds").numbers())
    for line, method in zip(table.rows, both.methods, strict=False):
        assert line[0] == method.name
        uf1 = [run.average.uf1 for run in method.runs if run.average and run.average.uf1]
        assert line[1] == f"{np.mean(uf1):.3f} ± {np.std(uf1, ddof=1):.3f}"
    mesh = table.rows[1]
    last = [row for row in rows if row["series"] == "mesh"][-1]
    assert mesh[2] == f"{float(last['uf1_mean']):.3f} ± {float(last['uf1_std']):.3f}", "no peer of it died"


def test_dashed_predictions_lie_under_their_own_set_up() -> None:
    header = ("kind", "series", "round", "distance", "predicted_distance")
    numbers = [
        ("set-up", name, index, a / index, b / index)
        for name, a, b in (("one", 0.5, 0.3), ("two", 0.2, 0.1))
        for index in (1, 2)
    ]
    with house_style():
        axes = drawn(figures()["consensus-distance"], csv_text(header, numbers), WIDTH).axes[0]
    for name, measured, predicted in (("one", 0.5, 0.3), ("two", 0.2, 0.1)):
        words = next(each for each in words_of(axes) if each.endswith(name))
        strong, weak = sorted(
            lines_of(axes, str(words_of(axes)[words].get_color())), key=lambda line: -line.get_linewidth()
        )
        assert points(strong) == [(1, measured), (2, measured / 2)] and points(weak) == [
            (1, predicted),
            (2, predicted / 2),
        ]


def test_mixing_alone_shows_measured_over_predicted() -> None:
    header = ("kind", "series", "round", "mb_a_peer", "distance", "predicted_distance")
    numbers = [
        ("set-up", name, index, 3.0 * index, a**index, b**index)
        for name, a, b in (("one", 0.5, 0.4), ("two", 0.2, 0.3))
        for index in (0, 1, 2)
    ]
    for figure_name, x in (("mixing-rounds", 1.0), ("mixing-mb", 3.0)):
        with house_style():
            axes = drawn(figures()[figure_name], csv_text(header, numbers), WIDTH).axes[0]
        for name, a, b in (("one", 0.5, 0.4), ("two", 0.2, 0.3)):
            label = next(text for text in axes.texts if text.get_text().endswith(name))
            own = lines_of(axes, str(label.get_color()), above=1.0)
            for line, share in zip(own, (b, a), strict=True):
                assert points(line) == [(x * i, pytest.approx(share**i)) for i in (0, 1, 2)]


def test_no_two_set_ups_of_a_comparison_look_alike() -> None:
    varied = ("plain", "top-k", "int8", "masks", "push-sum", "SWIFT", "qgm", "noise")
    for names in (
        [f"{head}, {tail}" for head in ("ring", "mesh") for tail in varied],
        ["ring", "ring, SWIFT", "mesh, int8", "mesh", "ring, push-sum", "ring, top-k", "torus, masks", "ring 2"],
        [f"graph {number}" for number in range(24)],
    ):
        styles = line_styles_of([{"kind": "set-up", "series": name} for name in names])
        assert len({(each.colour, each.dash) for each in styles.values()}) == len(names)
        assert len({(each.mark, each.dash) for each in styles.values()}) == len(names), "in grey colours are one"
        assert len({each.label.removesuffix(name) for name, each in styles.items()}) == len(names)


def test_lines_of_which_each_has_its_own_dash_bear_no_marks() -> None:
    styles = line_styles_of([{"kind": "set-up", "series": name} for name in ("ring", "mesh", "torus", "base")])
    assert {each.mark for each in styles.values()} == {""}


def test_a_marked_line_has_a_mark_however_few_its_points_are() -> None:
    styles = line_styles_of([{"kind": "set-up", "series": f"graph {number}"} for number in range(9)])
    for style in styles.values():
        for count in (1, 2, 7, 100):
            first, step = style.marks(count)["markevery"]
            assert 1 <= len(range(first, count, step)) <= 12


@pytest.mark.parametrize("width", WIDTHS)
def test_many_long_names_of_mixing_stay_off_the_axis(width: float) -> None:
    header = ("kind", "series", "round", "mb_a_peer", "distance", "predicted_distance")
    names = [f"method-{place}-with-a-long-name" for place in range(9)]
    numbers = [
        ("set-up", name, index, 3.0 * index * place, 0.6**index, 0.6**index)
        for place, name in enumerate(names, start=1)
        for index in range(5)
    ]
    with house_style():
        figure = settled(drawn(figures()["mixing-mb"], csv_text(header, numbers), width))
    (axes,) = figure.axes
    renderer = FigureCanvasAgg(figure).get_renderer()
    own = [text for text in axes.texts if text.get_text()]
    boxes = [text.get_window_extent(renderer) for text in own]
    assert len(own) == len(names)
    assert min(box.y0 for box in boxes) >= axes.get_window_extent(renderer).y0 - 1
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


@pytest.mark.parametrize("seeds", [1, 2])
def test_room_is_left_for_bars_of_several_seeds_alone(runs: dict[str, tuple[Run, ...]], seeds: int) -> None:
    of = Setting("", tuple(Method(name, own[:seeds]) for name, own in runs.items()))
    axes, rows = shown(comparison_picture(of, SettingPart.SCORES, "score-rounds"), WIDTH)
    _, plain = new_figure(3.9, WIDTH)
    round_axis(plain, rows)
    (low, high), (_, right) = plain.get_xlim(), axes.get_xlim()
    bars = [line for line in axes.get_lines() if len(set(line.get_xdata())) == 1 and line.get_xdata()[0] > high]
    assert (len(bars) > 0) == (seeds > 1)
    assert right == pytest.approx(high + (0.018 * (high - low) * 3 if seeds > 1 else 0))


def test_every_run_behind_a_comparison_is_linked_once_by_its_set_up_conditions_and_seed(
    runs: dict[str, tuple[Run, ...]],
) -> None:
    ring, mesh = (Method(name, runs[name]) for name in ("ring", "mesh"))
    beside = runs["ring"][0].folder.parent
    lossy = UnderFaults("10 % loss", (Method("ring", runs["mesh"][:1]),))
    one = Comparison((Setting("", (ring,)),), (lossy, UnderFaults("churn", (ring,))))
    assert _run_links(one, beside) == (
        ("ring, seed 1", "ring-1/"),
        ("ring, seed 2", "ring-2/"),
        ("ring, under 10 % loss, seed 1", "mesh-1/"),
    )
    dealt = Comparison((Setting("dirichlet 0.1", (ring,)), Setting("subject", (mesh,))))
    names = [name for name, _ in _run_links(dealt, beside)]
    assert names == [f"{each}, seed {seed}" for each in ("ring, dirichlet 0.1", "mesh, subject") for seed in (1, 2)]
    assert _run_links(one, None) == () and _run_links(one, beside / "ring-1") == (("ring, seed 1", "./"),)


def test_set_ups_under_faults_stand_beside_themselves_undisturbed(runs: dict[str, tuple[Run, ...]]) -> None:
    of = setting(runs)
    conditions = (UnderFaults("10 % loss", of.methods[:1]), UnderFaults("churn", (), "it takes ten peers"))
    scores, seconds, left_out = fault_blocks(of, conditions)
    assert isinstance(scores, Table) and isinstance(seconds, Table)
    for table in (scores, seconds):
        assert table.header == ("", "undisturbed", "10 % loss")
        ring, mesh = table.rows
        assert ring[0] == "ring" and ring[1] == ring[2] != "–" and mesh[0] == "mesh" and mesh[2] == "–"
    assert "ends after 600 s" in seconds.caption
    assert left_out == Bullets(("churn: not run, it takes ten peers.",))
    assert list(fault_blocks(of, conditions[1:])) == [left_out]


def test_a_page_on_liars_speaks_of_liars_and_of_no_absence(runs: dict[str, tuple[Run, ...]]) -> None:

    def lied(run: Run) -> Run:
        return replace(run, manifest=replace(run.manifest, lies=ToldLies((0,), {})))

    of = setting(runs)
    lying = [replace(each, runs=tuple(map(lied, each.runs))) for each in of.methods]
    under = (UnderFaults("1 liar: sign_flip", tuple(lying)),)
    *_, seconds = fault_blocks(of, under)
    assert isinstance(seconds, Table) and "patience" not in seconds.caption, "nobody is absent"
    page = compose(Comparison((of,), under_faults=under), in_full=False)
    assert "All of it again under: 1 liar: sign_flip." in page.subtitle, "the first screen says what was run"
    titles = [section.title.partition(" (")[0] for section in page.sections]
    assert "With liars among the peers" in titles and "Under stress" not in titles


def test_a_comparison_of_one_seed_speaks_of_no_mean_over_seeds_and_of_no_deviation(
    runs: dict[str, tuple[Run, ...]],
) -> None:
    of, one = (Setting("", tuple(replace(each, runs=each.runs[:n]) for each in setting(runs).methods)) for n in (2, 1))
    pages = (
        render_markdown(
            compose(Comparison((each,), under_faults=(UnderFaults("10 % loss", each.methods),)), in_full=True)
        )
        for each in (of, one)
    )
    found = [re.findall(r"over (?:rounds and )?(?:the )?seeds|deviation", page) for page in pages]
    assert len(found[0]) > 8 and not found[1], found[1]


def test_large_figures_a_megabyte_end_in_a_digit() -> None:
    """Networks of a few kilobytes reach hundreds: `310.` stood beside their bars."""
    header = ("series", "uf1_per_mb", "std", "uf1", "mb_a_peer")
    rows = [("tiny", 310.2, None, 0.74, 0.0024), ("small", 5678.9, None, 0.74, 0.0001), ("head", 0.0481, None, 0.8, 17)]
    with house_style():
        (axes,) = drawn(figures()["score-per-mb"], csv_text(header, rows), WIDTH).axes
    said = [text.get_text().split()[0] for text in axes.texts if text.get_text()]
    assert said == ["310", "5,679", "0.0481"]
