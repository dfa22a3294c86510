"""What is told while units are done, and who does them: on a clock and with workers that the test holds."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from p2pfl_me.console.lines import Console
from p2pfl_me.evaluate import pool, run
from p2pfl_me.evaluate.folder import new_folder
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.outcome import Outcome


def test_progress_counts_what_was_done_before_and_is_told_every_two_seconds_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    units = [SimpleNamespace(name=f"unit {number}") for number in range(5)]
    outcomes = {unit.name: Outcome((), {"pooled": number}, None, 1.0) for number, unit in enumerate(units)}
    clock = iter([100.0, 101.0, 102.0, 103.5, 110.0])
    kept: list[Any] = []
    store = SimpleNamespace(has=lambda unit: unit is units[0], keep=lambda unit, outcome: kept.append((unit, outcome)))
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(run, "outcomes_at", lambda design, waiting: ((unit, outcomes[unit.name]) for unit in waiting))
    said = io.StringIO()
    run._do(SimpleNamespace(units=lambda: units), store, Console(said))  # type: ignore[arg-type]
    assert kept == [(unit, outcomes[unit.name]) for unit in units[1:]]
    assert [line.partition("] ")[2] for line in said.getvalue().splitlines()] == [
        "3/5  unit 2  about 2 s left",
        "5/5  unit 4  the last one",
    ]


@pytest.mark.parametrize(("jobs", "units", "workers"), [(1, 3, []), (2, 3, [2]), (2, 2, [2]), (2, 1, []), (3, 0, [])])
def test_workers_are_started_where_there_is_work_for_two(
    jobs: int, units: int, workers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class Workers:
        def submit(self, do: Any, job: Any, unit: Any) -> Future[str]:
            future: Future[str] = Future()
            future.set_result(do(job, unit))
            return future

    @contextmanager
    def workers_of(count: int, module: str) -> Iterator[Workers]:
        started.append(count)
        yield Workers()

    monkeypatch.setattr("p2pfl_me.cluster.processes.pool", workers_of)
    monkeypatch.setattr(pool, "job_of", lambda design: "job")
    monkeypatch.setattr(pool, "bench_of", lambda job, seed: f"{job} of seed {seed}")
    monkeypatch.setattr(pool, "do", lambda bench, unit: f"{bench}, unit {unit.number}")
    asked = [SimpleNamespace(seed=number % 2, number=number) for number in range(units)]
    design = SimpleNamespace(request=SimpleNamespace(jobs=jobs))
    done = [(unit.number, outcome) for unit, outcome in pool.outcomes(design, asked)]  # type: ignore[arg-type]
    assert sorted(done) == [(number, f"job of seed {number % 2}, unit {number}") for number in range(units)]
    assert started == workers


def test_a_folder_that_nobody_named_is_called_by_the_second() -> None:
    assert re.fullmatch(r"evaluations/20\d{6}-\d{6}", new_folder().as_posix())


def test_a_worker_computes_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums over several have other bits, and workers side by side would share the cores."""
    monkeypatch.setattr(pool, "bench_of", lambda job, seed: "bench")
    monkeypatch.setattr(pool, "do", lambda bench, unit: torch.get_num_threads())
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert pool._do(SimpleNamespace(), SimpleNamespace(seed=1)) == 1  # type: ignore[arg-type, comparison-overlap]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("protocol", "folds", "seeds", "device", "words"),
    [
        (HoldOut.KFOLD, 2, 1, "cpu", "4 clips of 3 subjects, 2 folds, 6 peers, topology ring, 1 seed, 9 units"),
        (
            HoldOut.FRAMES,
            1,
            2,
            "cuda",
            "4 samples of 3 subjects, 1 fold, 6 peers, topology ring, 2 seeds, 9 units, those of a seed at once on "
            "the GPU",
        ),
    ],
)
def test_what_is_to_be_done_is_told_with_its_numbers(
    protocol: HoldOut, folds: int, seeds: int, device: str, words: str
) -> None:
    clips = [SimpleNamespace(subject=subject) for subject in "abac"]

    class Items(SimpleNamespace):
        def __len__(self) -> int:
            return len(self.clips)

    design = SimpleNamespace(
        items=Items(clips=clips),
        split=SimpleNamespace(protocol=protocol, folds=range(folds)),
        request=SimpleNamespace(seeds=seeds),
        contract=SimpleNamespace(peers=SimpleNamespace(count=6), topology=SimpleNamespace(kind="ring")),
        device=SimpleNamespace(type=device),
    )
    assert run._greeting(design, 9) == f"{protocol.words}: {words}"  # type: ignore[arg-type]
