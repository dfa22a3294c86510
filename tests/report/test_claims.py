"""The first screen claims what a paired test holds, says what it cannot tell, and compares only what can be paired."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from p2pfl_me.report import claims
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.claims import _beside, luck, verdict
from p2pfl_me.report.comparison_pairs import pair_blocks, pair_tests
from p2pfl_me.report.compose import compose
from p2pfl_me.report.document import Document, Paragraph, pictures
from p2pfl_me.report.formatting import apart, signed
from p2pfl_me.report.markdown import render_markdown
from p2pfl_me.report.methods import Comparison, Method, Setting
from p2pfl_me.report.paired import paired
from p2pfl_me.report.run import Run, read_run
from p2pfl_me.report.style import NARROW, house_style
from p2pfl_me.report.summary import as_lines
from tests.report.fixture import write_run

SMALL = {"count": 3, "rounds": 2, "classes": ("a", "b", "c"), "support": (9, 9, 9)}


def test_more_than_luck_is_written_only_where_all_tests_together_hold() -> None:
    seeds = range(8)
    gossip = {seed: 0.6 + 0.01 * seed for seed in seeds}
    clear, dull = (
        {seed: gossip[seed] - gap(seed) for seed in seeds} for gap in (lambda n: 0.1, lambda n: 0.1 * (-1) ** n + 0.01)
    )
    _, (alone, pooled) = _beside(gossip, {Arm.ISOLATED: clear, Arm.POOLED: dull})
    assert "0.100 above, more than luck over 8 seeds (p = 0.0078)" in alone
    assert (
        pooled.startswith(" Pooling all clips in one place gives") and "0.010 above, which may be luck (p = 0" in pooled
    )
    _, (only,) = _beside(gossip, {Arm.ISOLATED: {}, Arm.POOLED: {9: 0.5, 3: 0.7}})
    assert "which 1 seed cannot tell from luck (it takes 6)" in only
    assert "gossip, 0.630 over the same 1 seed, is 0.070 below" in only, "of the seed that both ran"


def test_a_difference_is_what_the_shown_numbers_give() -> None:
    digits, (sentence,) = _beside({1: 0.6744}, {Arm.ISOLATED: {1: 0.2954}})
    assert digits == 3 and "gives 0.295: gossip is 0.379 above" in sentence, "not .67, .30 and .38"
    level = _beside({1: 0.5}, {Arm.POOLED: {1: 0.5}})[1][0]
    assert "gives 0.50: gossip ends level with it." in level, "nothing is there that could be luck"


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=3), st.integers(2, 3))
def test_no_three_shown_numbers_contradict_each_other(pairs: list[tuple[float, float]], least: int) -> None:
    digits, gaps = apart(pairs, least, least + 1)
    assert least <= digits <= least + 1 and len(gaps) == len(pairs)
    for (one, other), gap in zip(pairs, gaps, strict=True):
        shown = abs(float(f"{one:.{digits}f}") - float(f"{other:.{digits}f}"))
        assert gap == f"{shown:.{digits}f}" and abs(float(gap) - abs(one - other)) < 1.01 * 10**-digits


def test_a_comparison_says_its_scores_and_first_sentence_on_a_terminal(tmp_path: Path) -> None:
    methods = tuple(
        Method(name, (read_run(write_run(tmp_path / name, **SMALL, average=name == "ring")),)) for name in ("ring", "b")
    )
    setting = Setting("", methods)
    lines = list(claims.as_lines([setting]))
    assert lines[0].startswith("ring: UF1 average of the gossip models 0.") and ", gossip peers 0." in lines[0]
    assert lines[1].startswith("b: UF1 gossip peers 0.")
    assert [line.partition(":")[0] for line in lines[2:5]] == [
        "Isolated peers",
        "FedAvg with a server",
        "Pooled training",
    ]
    assert lines[5:] == [verdict(setting), "no measure of recognition: drawn faces"]


def test_so_few_seeds_are_told_how_many_it_takes() -> None:
    three = paired("a", "b", [0.1, 0.1, 0.1])
    assert luck(three, False, 2) == ", which 3 seeds cannot tell from luck (it takes 7)"
    assert luck(paired("a", "b", [0.1] * 7), True, 2) == ", more than luck over 7 seeds (p = 0.016)"


def runs(folder: Path, name: str, kind: str, offset: float, seeds: range, **recipe: Any) -> tuple[Run, ...]:
    told = {**SMALL, "name": name, "kind": kind, "offset": offset, **recipe}
    made = [write_run(folder / f"{name}{seed}", **told, seed=seed) for seed in seeds]
    return tuple(read_run(each) for each in made)


def test_a_peer_that_was_alone_claims_nothing_of_gossip(tmp_path: Path) -> None:
    (run,) = runs(tmp_path, "alone", "mesh", 0.0, range(1, 2), count=1)
    words = verdict(Setting("", (Method("alone", (run,)),)))
    assert words.startswith("The only peer recognises") and words.endswith("It had nobody to gossip with.")
    assert "above" not in words and "average model" not in words
    page = render_markdown(compose(Comparison((Setting("", (Method("alone", (run,)),)),)), in_full=True))
    for wrong in (
        "Gossip peers",
        "best peer",
        "graph.csv",
        "peers learned",
        "came to agree",
        "verage of",
        "average model",
        "mean peer",
        "worst peer",
        "waiting for neighbours",
    ):
        assert wrong not in page, wrong
    assert as_lines([run])[1].startswith("The peer: UF1") and "verage" not in " ".join(as_lines([run]))


def test_single_peers_are_compared_without_an_average_a_mean_or_a_price(tmp_path: Path) -> None:
    methods = tuple(Method(name, runs(tmp_path, name, "ring", 0.0, range(1, 3), count=1)) for name in ("one", "other"))
    comparison = Comparison((Setting("", methods),))
    page, told = render_markdown(compose(comparison, in_full=False)), " ".join(claims.as_lines(comparison.settings))
    for wrong in (
        "verage of",
        "verage model",
        "worst peer",
        "MB",
        "egabyte",
        "agree",
        "Isolated peers",
        "slowest",
        "All peers",
    ):
        assert wrong not in page and wrong not in told, wrong
    assert "the peers end at UF1" in page and "the peers end at UF1" in told
    for name, drawing in drawings(compose(comparison, in_full=False)):
        for wrong in ("verage", "mean peer", "worst peer"):
            assert wrong not in drawing, f"{name}: {wrong}"


def drawings(page: Document) -> Iterator[tuple[str, str]]:
    """Each figure of a page by name, and all words in it."""
    with house_style():
        for _, picture in pictures(page.sections):
            texts = picture.figure(NARROW).findobj(Text)
            yield picture.name, "; ".join(each.get_text() for each in texts)


@pytest.mark.parametrize("people", [True, False])
def test_what_a_laboratory_keeps_of_a_run_is_its_own_peers_with_an_interval(tmp_path: Path, people: bool) -> None:
    folder = write_run(tmp_path / "run", **{**SMALL, "count": 2, "kind": "mesh"}, average=False, baselines=False)
    for other in ("manifest.json", "peer-1.jsonl", "egress-1.jsonl"):
        (folder / other).unlink()
    if not people:
        log = folder / "peer-0.jsonl"
        log.write_text(log.read_text().replace('"by_subject"', '"other"'))
    run = read_run(folder)
    setting = Setting("", (Method("lab", (run,)),))
    words, page = verdict(setting), render_markdown(compose(Comparison((setting,)), in_full=True))
    assert words.startswith("After gossip this lab's peer recognises")
    assert ("in 95 % of draws of subjects)" in words) == people
    assert ("no interval, as the answers to test clips were not kept by subject" in words) != people
    for wrong in ("mean peer", "Gossip peers", "only peer", "worst peer", "average model's"):
        assert wrong not in page, wrong
    assert as_lines([run])[0].startswith("The peer: UF1")


def test_only_runs_of_one_seed_on_the_same_clips_are_paired(tmp_path: Path) -> None:
    ring, mesh = (Method(kind, runs(tmp_path, kind, kind, 0.0, range(1, 3))) for kind in ("ring", "mesh"))
    assert [test.seeds for test, _ in pair_tests(Setting("", (ring, mesh)))] == [2]
    first, second = mesh.runs
    clips = replace(first.manifest.clips, digest="00" * 32)
    other = Method("mesh", (replace(first, manifest=replace(first.manifest, data=clips)), second))
    assert [test.seeds for test, _ in pair_tests(Setting("", (ring, other)))] == [1]
    apart = Method("mesh", tuple(replace(run, manifest=replace(run.manifest, data=clips)) for run in mesh.runs))
    setting = Setting("", (ring, apart))
    assert pair_tests(setting) == () and "no two ran one seed on the same clips" in verdict(setting)
    (words,) = pair_blocks(setting)
    assert isinstance(words, Paragraph) and "nothing to test" in words.words
    later = Method("mesh", runs(tmp_path, "later", "mesh", 0.0, range(3, 5)))
    assert pair_tests(Setting("", (ring, later))) == ()


def test_a_run_without_scores_claims_nothing(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", **SMALL, part=None))
    for methods in ((Method("a", (run,)),), (Method("a", (run,)), Method("b", (run,)))):
        assert verdict(Setting("", methods)).startswith("No scores")


def test_no_difference_stands_on_no_side() -> None:
    assert [signed(each) for each in (0.0, -0.0, 0.0004, -0.0004)] == ["0.000"] * 4
    assert [signed(each) for each in (0.0006, -0.25)] == ["+0.001", "-0.250"]
