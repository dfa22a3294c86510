"""All folds at once, on a device: here the processor stands in for it, by the same code."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
import torch

from p2pfl_me.errors import ContractError, DataError
from p2pfl_me.evaluate import design as designing
from p2pfl_me.evaluate.design import Design, make_design
from p2pfl_me.evaluate.outcome import Guesses
from p2pfl_me.evaluate.pool import bench_of, job_of
from p2pfl_me.evaluate.side_by_side import Apart, outcomes_on
from p2pfl_me.evaluate.train import do
from p2pfl_me.report.arms import Arm
from p2pfl_me.topology import Edge
from p2pfl_me.topology.graphs.epidemic import epidemic_schedule
from tests.evaluate.making import request

CPU = torch.device("cpu")


def designed(folder: Path, *overrides: str, **changes: object) -> Design:
    return make_design(request(folder, *overrides, **changes), folder / "cache")  # type: ignore[arg-type]


@pytest.mark.thorough
def test_every_model_of_every_fold_answers_as_it_does_one_after_the_other(tmp_path: Path) -> None:
    design = designed(tmp_path, subjects=range(4), peers="3", seeds=2)
    units = design.units()
    before = time.process_time()
    together = list(outcomes_on(CPU, design, units))
    took = time.process_time() - before
    assert [unit for unit, _ in together] == units
    assert 0 < sum(outcome.seconds for _, outcome in together) <= took
    for _, of_seed in groupby(together, key=lambda each: each[0].seed):
        a_step = [outcome.seconds / sum(outcome.steps.values()) for _, outcome in of_seed]
        assert a_step == pytest.approx([a_step[0]] * len(a_step)), "what all took together, by their steps"
    for unit, outcome in together:
        alone = do(bench_of(job_of(design), unit.seed), unit)
        assert answers(outcome.guesses) == answers(alone.guesses), unit.name
        assert outcome.steps == alone.steps and outcome.course is None
        assert outcome.distance is alone.distance or outcome.distance == pytest.approx(alone.distance, rel=1e-3)
    assert sum(each.seconds for _, each in together if each.distance is None) > 0, "peers that train alone cost, too"


def answers(guesses: tuple[Guesses, ...]) -> dict[tuple[Arm, int], dict[int, int]]:
    return {(each.arm, each.peer): dict(zip(each.items, each.classes, strict=True)) for each in guesses}


def test_schedules_side_by_side_mix_each_for_itself() -> None:
    first, second = epidemic_schedule(4, 1, 1), epidemic_schedule(5, 2, 2)
    both = Apart((first, second))
    assert both.size == 9 and both.period is None
    for round in range(4):
        edges = both.edges(round)
        assert edges[: len(first.edges(round))] == first.edges(round)
        shifted = tuple(Edge(edge.a + 4, edge.b + 4, edge.weight) for edge in second.edges(round))
        assert edges[len(first.edges(round)) :] == shifted
        for peer in range(9):
            part, by = (first, 0) if peer < 4 else (second, 4)
            assert both.weights(peer, round) == {by + to: w for to, w in part.weights(peer - by, round).items()}
            assert both.neighbours(peer) == tuple(by + to for to in part.neighbours(peer - by))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A GPU is found, and nothing is sent to it."""

    def picked(name: str) -> torch.device:
        return CPU if name == "cpu" else torch.device("cuda")

    monkeypatch.setattr(designing, "pick_device", picked)
    monkeypatch.setattr("p2pfl_me.learning.features.pick_device", lambda name: CPU)
    yield


@pytest.mark.parametrize(
    ("overrides", "changes", "why"),
    [
        ((), {"target": 0.7}, "after every round"),
        (("gossip.protocol=push",), {}, "more than plain averages"),
        (("topology.kind=mesh", "gossip.aggregation={kind: median}"), {"peers": "4"}, "more than plain averages"),
        (("gossip.compression={kind: int8}",), {}, "more than plain averages"),
        (("gossip.protocol=qg_dsgdm",), {}, "more than plain averages"),
    ],
)
@pytest.mark.usefixtures("gpu")
def test_what_no_gpu_does_is_done_by_the_processor_and_refused_where_the_gpu_was_asked_for(
    tmp_path: Path, overrides: tuple[str, ...], changes: dict[str, object], why: str
) -> None:
    assert designed(tmp_path, *overrides, device="auto", **changes).device == CPU
    with pytest.raises(ContractError, match=why):
        designed(tmp_path, *overrides, device="cuda", **changes)


@pytest.mark.usefixtures("gpu")
def test_results_of_a_gpu_are_kept_apart_from_those_of_the_processor(tmp_path: Path) -> None:
    here, there = (designed(tmp_path, device=device) for device in ("cpu", "auto"))
    assert here.device == CPU and there.device.type == "cuda"
    assert here.digest != there.digest, "a folder begun by one is not gone on with by the other"


def test_a_gpu_that_is_not_there_is_no_wish_to_be_passed_over(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert designed(tmp_path, device="auto").device == CPU
    with pytest.raises(DataError, match="no CUDA device here"):
        designed(tmp_path, device="cuda")
