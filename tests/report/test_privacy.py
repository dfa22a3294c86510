"""What a data protection officer reads: what left, what was paid for it, and protections side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.comparison_protection import (
    CSV_HEADER,
    HEADER,
    as_objects,
    protection_blocks,
    protection_lines,
    protection_rows,
    with_interval,
)
from p2pfl_me.report.document import Bullets, Paragraph, Table
from p2pfl_me.report.formatting import three_digits
from p2pfl_me.report.methods import Method, Protected, Told, course_of
from p2pfl_me.report.privacy import HIDES, left_the_building
from p2pfl_me.report.privacy_picture import spending_picture
from p2pfl_me.report.run import Run
from p2pfl_me.report.sections import _cost
from p2pfl_me.report.style import MUTED, NARROW, VERMILION, WIDTH, house_style
from p2pfl_me.report.traffic import peer_traffic
from p2pfl_me.run.events import Spent
from tests.report.marks import points, words_of

PLAIN = (
    "The models themselves: each neighbour sees what training made of this lab's clips. Encryption keeps strangers "
    "out, not neighbours."
)


def contract(privacy: str, count: int = 6) -> Contract:
    return contract_from_yaml(
        f"version: 1\nname: t\ntopology: {{kind: mesh}}\npeers: {{loopback: {{count: {count}}}}}\nprivacy: {privacy}\n"
    )


def paid(round: int, epsilon: float, number: int, unit: str = "clip") -> Spent:
    return Spent(
        round=round, unit=unit, epsilon=epsilon, budget=8.0, delta=1e-5, payments=number, noise=1.25, rate=0.5,
        steps=3,
    )  # fmt: skip


@pytest.fixture
def spender(runs: dict[str, tuple[Run, ...]]) -> Run:
    """A run of which peer 1 paid twice for round 2 and peer 3 once; the others never."""
    run = runs["mesh"][0]
    spent = {1: (paid(0, 1.0, 1), paid(1, 2.5, 2), paid(1, 4.0, 3)), 3: (paid(0, 1.5, 1),)}
    peers = tuple(replace(log, spent=spent.get(log.peer, ())) for log in run.peers)
    return replace(run, peers=peers, contract=contract("{training: {kind: dp_sgd}, budget: {epsilon: 8}}", 4))


@pytest.mark.parametrize(
    ("privacy", "words"),
    [
        ("{}", (PLAIN,)),
        (
            "{noise: before_sharing, budget: {epsilon: 2.5, delta: 1.0e-6}}",
            (
                "Differentially private: whoever sees everything that a peer sends tells two data sets that differ in "
                "one unit apart with odds of at most e^2.5, but for a chance of 1e-06.",
                "What is hidden is all data of a lab, and with them each of its subjects and clips.",
            ),
        ),
        (
            "{exchange: masks}",
            (
                "Under masks: a neighbour learns the weighted sum of all models around it and no single one. What the "
                "sum says of single clips, it still says.",
            ),
        ),
        (
            "{exchange: zero_sum}",
            (
                "Under zero_sum: every neighbour saw the models under noise of its own. This is not differentially "
                "private, and no epsilon is claimed.",
            ),
        ),
        (
            "{training: {kind: dp_sgd, unit: subject}, budget: {epsilon: 8, delta: 1.0e-5}}",
            (
                "Differentially private: whoever sees everything that a peer sends tells two data sets that differ in "
                "one unit apart with odds of at most e^8, but for a chance of 1e-05.",
                "What is hidden is one subject: whether any single person, with all clips of theirs, was among those "
                "that a lab trained on.",
            ),
        ),
    ],
)
def test_what_left_follows_from_the_contract(
    runs: dict[str, tuple[Run, ...]], privacy: str, words: tuple[str, ...]
) -> None:
    run = replace(runs["mesh"][0], contract=contract(privacy))
    always = (
        "Weights, to the neighbours in the graph and to nobody else, encrypted on the way: no clip, picture or name."
    )
    assert list(left_the_building(run, True)) == [Bullets((always, *words))]
    alone = replace(run, contract=contract("{}", 1))
    assert list(left_the_building(alone, True)) == [Bullets(("Nothing: the only peer has no neighbour.",))]
    assert len(set(HIDES.values())) == 3


def test_each_account_is_its_last_line_and_says_what_was_paid_again(spender: Run) -> None:
    said, account = left_the_building(spender, True)
    assert isinstance(said, Bullets) and isinstance(account, Table)
    assert account.rows == (
        ("1", "4", "8", "1e-05", "clip", "3", "1", "1.25", "0.5", "3"),
        ("3", "1.5", "8", "1e-05", "clip", "1", "0", "1.25", "0.5", "3"),
    )
    assert len(account.header) == 10 and account.header[5:7] == ("payments", "paid again")
    rehearsed = replace(spender, manifest=replace(spender.manifest, engine="simulate"))
    rehearsal, _, _ = left_the_building(rehearsed, True)
    assert isinstance(rehearsal, Paragraph) and "drawn from the contract's seed" in str(rehearsal)


@pytest.mark.parametrize("engine", ["simulate", "lockstep"])
def test_a_rehearsal_does_not_say_that_anything_left(runs: dict[str, tuple[Run, ...]], engine: str) -> None:
    run = replace(runs["mesh"][0], contract=contract("{}"))
    rehearsed = replace(run, manifest=replace(run.manifest, engine=engine))
    told, _ = left_the_building(rehearsed, True)
    assert isinstance(told, Paragraph)
    assert "nothing left this machine, nothing was encrypted" in str(told) and engine in str(told)
    assert "noise" not in str(told)
    for sent in (run, rehearsed):
        words = " ".join(str(block) for block in _cost(sent, True))
        assert words.count("would have") == 2 * (sent is rehearsed), words
    alone = replace(rehearsed, contract=contract("{}", 1))
    assert list(left_the_building(alone, True)) == [Bullets(("Nothing: the only peer has no neighbour.",))]


@pytest.mark.parametrize("width", [WIDTH, NARROW])
def test_the_figure_of_a_budget_is_its_rows_and_its_bound(
    spender: Run, runs: dict[str, tuple[Run, ...]], width: float
) -> None:
    assert spending_picture(runs["mesh"][0]) is None
    picture = spending_picture(spender)
    assert picture is not None
    assert picture.rows == ((1, 1, 1, 1.0, 8.0), (1, 2, 2, 2.5, 8.0), (1, 3, 2, 4.0, 8.0), (3, 1, 1, 1.5, 8.0))
    with house_style():
        (axes,) = picture.figure(width).axes
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) and line.get_color() != VERMILION]
    drawn = [points(line) for line in lines]
    assert [(1.0, 1.0), (2.0, 2.5), (3.0, 4.0)] in drawn and [(1.0, 1.5)] in drawn
    (bound,) = [line for line in axes.get_lines() if line.get_color() == VERMILION]
    assert list(bound.get_ydata()) == [8.0, 8.0] and words_of(axes)["budget 8"].get_color() == MUTED
    assert axes.get_ylim() == pytest.approx((0, 9.2)) and axes.get_xlabel() == "payment"
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_protections_are_what_their_runs_and_games_say(spender: Run, runs: dict[str, tuple[Run, ...]]) -> None:
    plain, dear = Method("plain", runs["mesh"]), Method("dp_sgd", (spender,))
    rows = [Protected(plain, {1: Told(0.5, 0.75, 0.11), 2: Told(0.25, 0.5, 0.08)}, 16), Protected(dear, {}, 16)]
    lines = protection_rows(rows)
    assert [line[:2] for line in lines] == [("plain", 1), ("plain", 2), ("dp_sgd", 1)]
    for line, run in zip(lines, [*runs["mesh"], spender], strict=True):
        sent = np.mean([each.sent for each in peer_traffic(run)])
        one = Method("", (run,))
        assert line[2:5] == (one.score(Arm.GOSSIP)[run.seed], one.score()[run.seed], pytest.approx(sent))
        course = course_of(one)
        assert line[5] == (None if course is None else course.seconds[-1])
    assert lines[0][5] == 6.0 and [line[6:] for line in lines] == [
        (None, None, 0.5, 0.75, 0.11), (None, None, 0.25, 0.5, 0.08), (4.0, "clip", None, None, None)
    ]  # fmt: skip
    assert [list(each) for each in as_objects(rows)] == [list(CSV_HEADER)] * 3
    words, table = protection_blocks(rows)
    assert isinstance(words, Paragraph) and isinstance(table, Table) and "(16 games a seed" in str(words)
    first, second = table.rows
    own = list(plain.score(Arm.GOSSIP).values())
    assert first[0] == "plain" and first[4:6] == (with_interval(own), with_interval(list(plain.score().values())))
    assert first[1:3] == ("none", with_interval([0.5, 0.25])) and first[3].startswith("0.625 ± ")
    assert second[1:4] == ("4, clip", "–", "–") and with_interval([0.5]) == "0.500"
    assert "Epsilon (at delta 1e-05) is the most" in str(words) and "luck" in str(words) and "below 0.11" in str(words)
    silent = replace(spender, peers=tuple(replace(log, spent=()) for log in spender.peers))
    halves = [Protected(plain, {1: Told(0.5, 0.75)}, 16), Protected(Method("dp_sgd", (silent,)), {}, 16)]
    words, table = protection_blocks(halves[:1])
    assert "Epsilon is the most" in str(words) and "below" not in str(words)
    _, table = protection_blocks(halves)
    assert isinstance(table, Table)
    assert [row[1:3] for row in table.rows] == [("none", "0.500 (1 of 2 seeds)"), ("–", "–")]
    *shown, note = protection_lines(rows)
    assert "half the 95 % interval" in note and "below 0.11" in note
    single = [Protected(replace(plain, runs=plain.runs[:1]), {1: Told(0.5, 0.75)}, 16)]
    _, table = protection_blocks(single)
    assert isinstance(table, Table) and "±" not in table.caption and "±" not in " ".join(protection_lines(single))
    assert len(shown) == 3 and len({len(line) for line in shown}) == 1 and shown[0].split()[0] == "protection"
    assert all(cell in shown[0] for cell in HEADER[1:]) and all(cell in shown[1] for cell in first)


def test_what_is_small_keeps_three_digits_that_tell() -> None:
    shown = [three_digits(each) for each in (0.161, 0.17165, 3.0768, 17.96, 526.0, 0.0, 0.00123, float("nan"))]
    assert shown == ["0.161", "0.172", "3.08", "18.0", "526.0", "0.000", "0.001", "–"]


def test_noise_that_hardly_cancels_on_its_graph_is_told_beside_the_table(
    spender: Run,
) -> None:
    rows = [Protected(Method("decor:8", (spender,)), {}, 16)]
    assert len(list(protection_blocks(rows))) == 2
    decor = contract_from_yaml(
        "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 6}}\n"
        "privacy: {noise: decor, budget: {epsilon: 5}}\n"
    )
    *_, told = protection_blocks([Protected(Method("decor:8", (replace(spender, contract=decor),)), {}, 16)])
    assert isinstance(told, Paragraph) and "decor:8: on this graph" in str(told) and "of little use" in str(told)
