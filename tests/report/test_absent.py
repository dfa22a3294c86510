"""Whoever is absent (a seed, a peer, a class, a count) takes nothing from the means over those that are there.

Every mean of the rooms that report is listed here with the reason; those of an evaluation are tested in
tests/evaluate/test_absent.py.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

import p2pfl_me
from p2pfl_me.console.news import RoundNews
from p2pfl_me.console.watch import Concluded
from p2pfl_me.report import methods
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.methods import Method, Setting, Track, course_of, per_megabyte
from p2pfl_me.report.results import chance_uf1, extremes, final_scores, mean_confusion, over_seeds, score_curves
from p2pfl_me.report.run import Run, read_run
from tests.report.fixture import write_run

ROOT = Path(p2pfl_me.__file__).parent
ARMS = (Arm.GOSSIP, Arm.AVERAGE, Arm.ISOLATED, Arm.POOLED, Arm.FEDAVG)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run, Run]:
    """Two seeds, and a third in which nobody was scored."""
    folder = tmp_path_factory.mktemp("seeds")
    return tuple(  # type: ignore[return-value]
        read_run(write_run(folder / str(seed), count=4, rounds=3, seed=seed, part=None if seed == 3 else "test"))
        for seed in (1, 2, 3)
    )


def without(run: Run, peer: int) -> Run:
    """A run in which a peer was scored in no round."""
    peers = [
        replace(log, rounds=tuple(replace(each, test=None, validation=None) for each in log.rounds))
        if log.peer == peer
        else log
        for log in run.peers
    ]
    return replace(run, peers=tuple(peers))


def test_a_seed_without_scores_changes_no_mean_over_seeds(seeds: tuple[Run, Run, Run]) -> None:
    there, every = seeds[:2], seeds
    for arm in ARMS:
        for metric in ("uf1", "uar", "accuracy"):
            assert over_seeds(every, arm, metric) == over_seeds(there, arm, metric)
            assert extremes(every, arm, metric) == extremes(there, arm, metric)
            assert Method("m", every).score(arm, metric) == Method("m", there).score(arm, metric)
        assert over_seeds(seeds[2:], arm, "uf1") is None and extremes(seeds[2:], arm, "uf1") is None
    assert chance_uf1(every) == chance_uf1(there) and chance_uf1(seeds[2:]) is None
    assert Setting("s", (Method("m", every),)).target == Setting("s", (Method("m", there),)).target
    assert Setting("s", (Method("m", seeds[2:]),)).target is None
    assert per_megabyte(Method("m", every)) == per_megabyte(Method("m", there))
    one, other = course_of(Method("m", every)), course_of(Method("m", there))
    assert one is not None and other is not None and one.rounds == other.rounds
    for name in ("score", "std", "sent", "seconds"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert course_of(Method("m", seeds[2:])) is None


def test_a_peer_without_scores_changes_no_mean_over_peers(seeds: tuple[Run, Run, Run]) -> None:
    whole = seeds[0]
    run = without(whole, 2)
    final = {peer: score for peer, score in final_scores(whole, Arm.GOSSIP, "uf1").items() if peer != 2}
    assert final_scores(run, Arm.GOSSIP, "uf1") == final
    mean = over_seeds([run], Arm.GOSSIP, "uf1")
    assert mean is not None and mean.mean == pytest.approx(np.mean(list(final.values())))
    curves = score_curves(whole, "uf1").values[:, [0, 1, 3]]
    np.testing.assert_allclose(score_curves(run, "uf1").mean(), curves.mean(axis=1))
    nobody = without(without(without(run, 0), 1), 3)
    assert over_seeds([nobody], Arm.GOSSIP, "uf1") is None and mean_confusion(nobody) is None


def test_a_peer_that_was_asked_about_nothing_has_no_part_in_the_mean_matrix(seeds: tuple[Run, Run, Run]) -> None:
    run = seeds[0]
    nothing = np.zeros((7, 7), dtype=int).tolist()
    peers = []
    for log in run.peers:
        rounds = [
            replace(each, test=replace(each.test, confusion=nothing, by_dataset={"A": nothing}))
            if log.peer == 2 and each.test
            else each
            for each in log.rounds
        ]
        peers.append(replace(log, rounds=tuple(rounds)))
    asked = replace(run, peers=tuple(peers))
    expected, found = mean_confusion(without(run, 2)), mean_confusion(asked)
    assert expected is not None and found is not None
    np.testing.assert_allclose(found, expected)
    assert final_scores(asked, Arm.GOSSIP, "uf1", "A") == {}, "of no clip there is no score of 0"


def test_a_seed_that_counted_no_bytes_does_not_hide_those_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def track(sent: float, seconds: float) -> Track:
        return Track((1, 2), np.full(2, 0.5), np.zeros(2), np.array([sent, sent]), np.array([1.0, seconds]))

    told = iter([track(10, 2), track(np.nan, np.nan), track(30, 4)])
    monkeypatch.setattr(methods, "track_of", lambda run, metric: next(told))
    found = course_of(Method("m", (None,) * 3))  # type: ignore[arg-type]
    assert found is not None
    assert found.sent.tolist() == [20, 20] and found.seconds.tolist() == [1, 3]


def test_what_a_listener_hears_is_of_the_peers_that_were_scored() -> None:
    one, other = Concluded(1.0, {"uf1": 0.4}, 0), Concluded(3.0, {"uf1": 0.8}, 0)
    none = Concluded(None, {}, 0)
    news = RoundNews(0, 3, MappingProxyType({0: one, 1: none, 2: other}), lambda: None)
    assert news.mean("uf1") == pytest.approx(0.6) and news.mean("loss") == 2.0 and news.mean("uar") is None


ROOMS = (
    "evaluate",
    "report",
    "compare",
    "privacy_audit",
    "console",
    "api",
    "watch",
    "run",
    "baselines",
    "deploy",
    "cli",
)
MEANS = {"mean", "nanmean", "fmean", "median", "nanmedian", "average", "quantile", "percentile"}
SUMS = {"sum", "fsum", "nansum", "bincount", "total", "cumsum", "reduce", "dot", "trace"}
COUNTS = {"size", "shape", "ndim"}
"""What a sum is divided by, where it is a mean that goes by no name."""
WORDS = re.compile("|".join((*MEANS, *SUMS, *COUNTS, "len")))
"""Without one of them a file takes none, and need not be parsed."""


def means_in(file: Path) -> set[str]:
    """`file.py:function`, for each function that takes a mean by name, divides by a length or divides a sum."""
    found: set[str] = set()
    text = file.read_text()
    within: list[tuple[ast.AST, frozenset[str]]] = [(ast.parse(text), frozenset())] if WORDS.search(text) else []
    while within:
        node, names = within.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names |= {node.name}
        if is_mean(node):
            found |= names or {""}
        within += [(child, names) for child in ast.iter_child_nodes(node)]
    return {f"{file.relative_to(ROOT)}:{name}" for name in found}


def is_mean(node: ast.AST) -> bool:
    """Whether a mean is taken here."""
    if isinstance(node, ast.Call):
        return called(node) in MEANS
    if not isinstance(node, ast.BinOp | ast.AugAssign) or not isinstance(node.op, ast.Div):
        return False
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
    left, right = (list(ast.walk(side)) for side in sides)
    counted = any(
        (isinstance(each, ast.Call) and called(each) == "len")
        or (isinstance(each, ast.Attribute) and each.attr in COUNTS)
        for each in right
    )
    return counted or any(isinstance(each, ast.Call) and called(each) in SUMS for each in left)


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


KNOWN = {
    "of those that have one: who lacks a score, a count or a clip was left out before": {
        "api/comparing.py": {"_repr_html_", "final"},
        "api/result.py": {"_repr_html_"},
        "api/running.py": {"_bar", "both"},
        "compare/resilience.py": {"_figure", "_scores"},
        "console/lines.py": {"_round_line"},
        "console/news.py": {"mean"},
        "console/table.py": {"_all"},
        "report/claims.py": {"_costs", "_mean_of"},
        "report/comparison_field.py": {"_bracketed", "_by_class"},
        "report/comparison_protection.py": {"_bytes", "with_interval"},
        "report/compose.py": {"_sent_a_peer", "_ways"},
        "report/course_picture.py": {"_mean_course", "_score_by", "draw"},
        "report/frontier_picture.py": {"_rows"},
        "report/methods.py": {"_geometric", "course_of", "distances", "score", "target", "track_of"},
        "report/paired.py": {"paired", "sign_flip"},
        "report/results.py": {"chance_uf1", "over_seeds", "spread"},
        "report/score_picture.py": {"_rows"},
        "report/sections.py": {"_classes", "_times"},
        "report/thrift_picture.py": {"thrift_picture"},
        "report/traffic.py": {"sent_by_round"},
        "report/traffic_picture.py": {"traffic_picture"},
    },
    "of rounds that all folds and seeds had; nobody asked is no answer, which `statistic` leaves out": {
        "evaluate/cost.py": {"gather_course", "steps_of"},
        "evaluate/course.py": {"course"},
    },
    "of classes, by the field's convention: one that no clip shows counts as 0, and the tables say so": {
        "evaluate/tables.py": {"report_table"},
        "learning/metrics.py": {"table", "uar", "uf1"},
        "report/datasets.py": {"lacking_words"},
    },
    "of draws or models that are all there": {
        "evaluate/train.py": {"average_of", "distance"},
        "learning/statistics.py": {"difference"},
        "report/consensus.py": {"_distance"},
        "privacy_audit/games.py": {"_asked"},
        "privacy_audit/inversion.py": {"_roughness", "_standard", "invert"},
    },
    "of places on the page": {"report/style.py": {"move_apart"}, "report/graph_picture.py": {"_draw_edges"}},
    "of clips, each counted once": {"baselines/train.py": {"_validation_loss"}},
    "no mean: a share of what there is, a level, a rate, a unit": {
        "compare/run.py": {"_run_cells"},
        "console/lines.py": {"watching"},
        "evaluate/folds.py": {"_deal_subjects"},
        "evaluate/side_by_side.py": {"train_side_by_side"},
        "learning/statistics.py": {"_percentiles"},
        "report/paired.py": {"half_width", "holm"},
        "report/traffic.py": {"model_share"},
    },
}


@pytest.mark.parametrize(
    "line",
    [
        "x = values.mean()",
        "x = fmean(values)",
        "x = sum(values) / count",
        "x = np.sum(values, axis=0) / peers",
        "x = total / len(values)",
        "x = total / values.size",
        "x = a @ b / values.shape[0]",
        "x /= len(values)",
        "x = np.average(values, weights=w)",
    ],
)
@pytest.mark.parametrize("place", ["def f():\n    {}\n", "async def f():\n    {}\n", "class A:\n    {}\n", "{}\n"])
def test_a_mean_is_found_whatever_it_is_called_and_wherever_it_stands(line: str, place: str) -> None:
    tree = ast.parse(place.format(line))
    assert any(map(is_mean, ast.walk(tree)))
    assert not any(map(is_mean, ast.walk(ast.parse(place.format("x = a / b + sum(c)")))))


def test_every_mean_is_known() -> None:
    files = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]
    files += [ROOT / "learning" / f"{name}.py" for name in ("metrics", "statistics")]
    found = {each for file in files for each in means_in(file)}
    known = {f"{file}:{name}" for listed in KNOWN.values() for file, names in listed.items() for name in names}
    assert found - known == set(), "say above why nobody absent enters it, once a test with somebody absent shows so"
    assert known - found == set(), "no mean is taken there any more"
