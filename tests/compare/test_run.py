"""Cells: skipped when finished, run again when not, stopped in order; the page, and every figure from its CSV alone."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from p2pfl_me.adversary import parse_lies
from p2pfl_me.compare.cells import claim, clear
from p2pfl_me.compare.grid import make_grid
from p2pfl_me.compare.one import run_cell
from p2pfl_me.compare.request import Request
from p2pfl_me.compare.run import compare
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.engines import ENGINES, Engine
from p2pfl_me.errors import ContractError, DataError, RunError
from p2pfl_me.options import RunOptions
from p2pfl_me.report.figures import figure_from_csv
from p2pfl_me.report.run import read_run
from p2pfl_me.report.style import house_style
from p2pfl_me.report.svg import files_of, png_bytes, svg_bytes
from tests.compare import fakes
from tests.report.fixture import pictures_unsaved
from tests.small import Command, events, wait_for, write_contract, write_vectors


def prepared(folder: Path, patch: pytest.MonkeyPatch) -> Request:
    """Three topologies, two seeds, under an engine that takes no time."""
    patch.setenv("P2PME_HOME", str(folder / "home"))
    for name in ("instant", "stopped_after_two", "failing_line"):
        patch.setitem(ENGINES, name, Engine(getattr(fakes, name), "tests.compare.fakes", in_process=True))
    paths = tuple(
        write_contract(folder / f"{kind}.yaml", 4, topology=f"{{kind: {kind}}}") for kind in ("ring", "mesh", "line")
    )
    data = write_vectors(folder / "vectors.safetensors", range(12))
    return Request(paths, folder / "out", seeds=2, baselines=False, engine="instant", data=data)


@pytest.fixture(autouse=True, scope="module")
def few_pictures() -> Iterator[None]:
    """Pictures are drawn and not saved, but where a test is about them."""
    with pictures_unsaved():
        yield


@pytest.fixture
def request_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    return prepared(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Request]:
    """Done, and its page written; for tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        request = prepared(folder, patch)
        code, said = run(request)
        assert "3 pairs: the smallest p is 0.5, so no difference in score can be shown" in said
        assert code == 0 and "6/6" in said and "left" in said
        yield request


@pytest.fixture
def copy(finished: Request, tmp_path: Path) -> Request:
    """The same, to be damaged."""
    shutil.copytree(finished.out, tmp_path / "copy")
    return replace(finished, out=tmp_path / "copy")


def run(request: Request) -> tuple[int, str]:
    stream = io.StringIO()
    return compare(request, Console(stream)).code, stream.getvalue()


def manifests(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted(out.glob("cells/*/seed-*/manifest.json"))}


@pytest.mark.thorough
def test_a_second_time_runs_nothing_and_writes_the_same_page(finished: Request) -> None:
    before, page = manifests(finished.out), (finished.out / "report.html").read_bytes()
    assert len(before) == 6
    code, said = run(finished)
    assert code == 0 and "6 of 6 cells are finished already" in said
    assert manifests(finished.out) == before
    assert (finished.out / "report.html").read_bytes() == page


@pytest.mark.thorough
def test_just_the_unfinished_cells_are_run_again(copy: Request) -> None:
    before = manifests(copy.out)
    whole, without_scores, *victims = before
    (without_scores.parent / "average.json").write_text("[]")
    damage = {"exit": {"0": 0, "1": -9}, "finished": None, "contract_digest": None, "data": {"digest": "00"}}
    for victim, (key, value) in zip(victims, damage.items(), strict=True):
        victim.write_text(json.dumps({**json.loads(victim.read_text()), key: value}))
    for path in before:
        (path.parent / "left-over").write_text("x")
    code, said = run(copy)
    after = manifests(copy.out)
    assert code == 0 and "1 of 6 cells are finished already" in said
    assert [path for path in before if after[path] == before[path]] == [whole]
    assert [path for path in before if (path.parent / "left-over").exists()] == [whole]


@pytest.mark.thorough
def test_other_clips_make_every_cell_run_again(copy: Request, tmp_path: Path) -> None:
    other = write_vectors(tmp_path / "other.safetensors", range(13))
    assert "finished already" not in run(replace(copy, data=other))[1]


def test_a_stopped_comparison_says_how_to_go_on_and_goes_on(request_: Request) -> None:
    code, said = run(replace(request_, engine="stopped_after_two"))
    assert code == 130 and "same command again" in said
    assert not (request_.out / "report.html").exists()
    assert len(list(request_.out.glob("cells/*/seed-*/average.json"))) == 2
    engine = ENGINES["instant"]
    ENGINES["stopped_after_two"] = engine
    code, said = run(replace(request_, engine="stopped_after_two"))
    assert code == 0 and "2 of 6 cells are finished already" in said


@pytest.mark.thorough
def test_a_failed_cell_is_told_and_the_page_is_on_the_others(request_: Request) -> None:
    code, said = run(replace(request_, engine="failing_line"))
    assert code == 1 and "2 of 6 cells failed" in said
    words = (request_.out / "report.md").read_text()
    assert "ring · mesh" in words and "line" not in words.splitlines()[0]


@pytest.mark.thorough
def test_several_jobs_leave_the_same_cells(finished: Request, tmp_path: Path) -> None:
    code, said = run(replace(finished, jobs=2, out=tmp_path / "other"))
    assert code == 0, said
    assert (tmp_path / "other" / "scores.csv").read_bytes() == (finished.out / "scores.csv").read_bytes()


@pytest.mark.thorough
def test_every_number_of_peers_has_its_part_of_the_page(request_: Request) -> None:
    code, said = run(replace(request_, contracts=request_.contracts[:2], peers=(4, 6)))
    assert code == 0 and "8/8" in said and "mesh, as the contract says, 6 peers, seed 1" in said
    settings = [f"as the contract says, {count} peers" for count in (4, 6)]
    words = (request_.out / "report.md").read_text()
    assert [line for line in words.splitlines() if line.startswith("## Clips dealt")] == [
        f"## Clips dealt: {setting}" for setting in settings
    ]
    with (request_.out / "scores.csv").open() as file:
        assert list(dict.fromkeys(row["clips_dealt"] for row in csv.DictReader(file))) == settings


def test_clips_that_cannot_be_dealt_are_refused_before_anything_runs(request_: Request) -> None:
    with pytest.raises(DataError, match="cannot be dealt"):
        run(replace(request_, peers=(40,)))
    assert not manifests(request_.out)


def test_a_folder_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="not empty"):
        claim(tmp_path, {})
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / ".comparison.json.abcd1234.draft.json").write_text("{")
    claim(tmp_path / "killed", {})
    assert (tmp_path / "thesis.tex").exists()
    clear(tmp_path / "not there")


@pytest.mark.thorough
def test_every_figure_is_drawn_again_from_its_csv_to_the_same_bytes(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2pfl_me.report.write.files_of", files_of)
    run(replace(request_, varied=("training.batch_size=8,16",)))
    pages = sorted(request_.out.glob("*.png"))
    names = [page.stem for page in pages]
    assert names == [
        "consensus-distance",
        "frontier",
        "mixing-mb",
        "mixing-rounds",
        "score-mb",
        "score-per-mb",
        "score-rounds",
        "score-seconds",
    ]
    for page in pages:
        numbers = page.with_suffix(".csv").read_text()
        with house_style():
            assert png_bytes(figure_from_csv(page.stem, numbers)) == page.read_bytes()
            assert svg_bytes(figure_from_csv(page.stem, numbers)) == page.with_suffix(".svg").read_bytes()


def test_two_seeds_compared_beside_the_prediction_and_never_called_better(finished: Request) -> None:
    words = (finished.out / "report.md").read_text()
    assert "cannot tell the set-ups apart" in words
    assert "is better than" not in words
    assert "takes 7 seeds or more" in words  # 2^(1 - 7) <= 0.05 / 3
    ring = next(line for line in words.splitlines() if line.startswith("| ring | 2 |"))
    predicted_to_measured = [cell.strip() for cell in ring.strip("|").split("|")][4:7]
    # Metropolis-Hastings on a ring of four: 1/3 twice, -1/3; fakes leave 0.4.
    assert predicted_to_measured == ["0.33", "0.33", "0.40"]


@pytest.mark.thorough
def test_with_seeds_enough_it_says_better_where_it_holds_and_only_there(request_: Request) -> None:
    # The fake scores differ by a constant within a seed, so each pair's p is the least there can be.
    run(replace(request_, seeds=8))
    with (request_.out / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["supported"] for row in rows} == {"yes"}
    words = (request_.out / "report.md").read_text()
    assert "mesh is better than ring by 0.120" in words and "ring is better than mesh" not in words


@pytest.mark.thorough
def test_cost_to_the_target_is_counted_or_said_not_to_be_reached(request_: Request) -> None:
    run(replace(request_, target=0.5))
    lines = (request_.out / "report.md").read_text().splitlines()
    assert "| mesh | 3 | 4.50 | 18.0 | 2 of 2 |" in lines  # three rounds of 1.5 s and 6 MB
    assert any(line.startswith("| line | not reached |") for line in lines)


@pytest.mark.few(1)
@pytest.mark.parametrize("in_process", [True, False])
@pytest.mark.parametrize("baselines", [True, False])
def test_features_are_made_where_it_is_seen_and_what_a_user_should_know_of_the_clips_is_told_once(
    request_: Request, monkeypatch: pytest.MonkeyPatch, baselines: bool, in_process: bool
) -> None:
    """Before any cell, for each seed; neither every cell nor the baselines of every seed say it again."""
    told: list[bool] = []
    engine = ENGINES["instant"]

    def run_(contract: Contract, options: RunOptions, console: Console) -> int:
        assert len(told) == 2
        return engine.run(contract, options, console)

    def no_baselines(contract: object, folder: Path, *_: object, tells: bool) -> None:
        told.append(tells)
        folder.joinpath("baselines.json").write_text('{"isolated": {}}')

    monkeypatch.setattr("p2pfl_me.compare.run.run_baselines", no_baselines)
    filling = "fill_here" if in_process else "prepare"
    monkeypatch.setattr(f"p2pfl_me.compare.run.{filling}", lambda *_, tells: told.append(tells))
    monkeypatch.setitem(ENGINES, "instant", replace(engine, run=run_, in_process=in_process))
    code, said = run(replace(request_, baselines=baselines))
    assert code == 0, said
    assert told == [True, False]


def test_a_cell_does_not_tell_of_its_clips(request_: Request) -> None:
    told: list[bool] = []

    def engine(contract: object, options: RunOptions, console: Console) -> int:
        told.append(options.tells)
        return 0

    group = make_grid(request_).groups[0]
    assert run_cell(request_, Engine(engine, "", in_process=True), request_.out, (group, 1)) == 0
    assert told == [False]


@pytest.mark.processes
def test_real_processes_with_baselines_shared_by_all_topologies(request_: Request) -> None:
    request = replace(request_, contracts=request_.contracts[:2], seeds=1, baselines=True, engine="processes")
    code, said = run(request)
    assert code == 0, said
    assert said.count("baselines 1/1") == 1
    lent = [path.read_bytes() for path in request.out.glob("cells/*/seed-1/baselines.json")]
    assert lent == [shared_baselines(request).read_bytes()] * 2
    assert set(json.loads(lent[0])) == {"isolated", "pooled", "fedavg", "steps"}
    words = (request.out / "report.md").read_text()
    assert "Isolated peers" in words and "FedAvg with a server" in words and "Pooled training" in words


@pytest.mark.thorough
@pytest.mark.processes
def test_shared_baselines_are_trained_once_or_again_where_a_kill_has_left_half_a_file(request_: Request) -> None:
    request = replace(request_, contracts=request_.contracts[:2], seeds=1, baselines=True, engine="processes")
    assert run(request)[0] == 0
    shared = shared_baselines(request)
    lent, stamp = shared.read_bytes(), shared.stat().st_mtime_ns
    shutil.rmtree(request.out / "cells" / "mesh")
    code, said = run(request)
    assert code == 0 and "1 of 2 cells are finished already" in said
    assert shared.stat().st_mtime_ns == stamp
    shared.write_text('{"isolated": ')  # as a kill in the middle of writing leaves it
    code, said = run(request)
    assert code == 0 and "baselines 1/1" in said
    assert [path.read_bytes() for path in request.out.glob("cells/*/seed-1/baselines.json")] == [lent] * 2


def shared_baselines(request: Request) -> Path:
    return next(request.out.glob("shared/*/seed-1/baselines.json"))


@pytest.mark.thorough
@pytest.mark.processes
def test_ctrl_c_leaves_readable_cells_and_exit_code_130(request_: Request, tmp_path: Path) -> None:
    contracts = [str(path) for path in request_.contracts[:2]]
    options = ["--data", str(request_.data), "--rounds", "100000", "--no-baselines", "--out", str(request_.out)]
    command = Command(["compare", *contracts, *options], tmp_path / "home")
    cell = request_.out / "cells" / "ring" / "seed-1"
    try:
        wait_for(lambda: all(events(cell, peer, "round") for peer in range(4)), "all peers in round 1")
        command.interrupt()
        code, output = command.finish()
    finally:
        if command.process.poll() is None:
            command.kill()
    assert code == 130, output
    assert "same command again" in output and "Traceback" not in output
    assert read_run(cell).peers[0].rounds


@pytest.mark.thorough
def test_liars_are_in_no_figure_and_what_they_cost_is_told(request_: Request) -> None:
    lies = (parse_lies("sign_flip", 1), parse_lies("{kind: noise, times: 3}", 2))
    request = replace(request_, contracts=request_.contracts[:2], lies=lies)
    code, said = run(request)
    assert code == 0 and "12/12" in said
    table = [
        line.split("] ", 1)[1]
        for line in said.splitlines()
        if "nobody lies" in line or "] ring  " in line or "] mesh  " in line
    ]
    assert "1 liar: sign_flip" in table[0] and "2 liars: noise (times 3.0)" in table[0]
    assert len(table) == 3
    for line in table[1:]:
        name, calm, one, cost, two, other = line.split()
        # Who lies is drawn from the seed, and peers differ: the cost is that of the same peers, seed by seed.
        assert (cost, other) == ("0.100", "0.100") and float(calm) > float(one) > 0.3 and float(two) < 0.9, name
    for seed in (1, 2):
        for cell, each in zip(("ring--1-liar-sign_flip", "ring--2-liars-noise-times-3.0"), lies, strict=True):
            found = read_run(request.out / "cells" / f"{cell}--instant" / f"seed-{seed}")
            liars = each.liars(found.contract)
            assert {log.peer for log in found.peers} == {0, 1, 2, 3} - liars
            assert set(found.manifest.liars) == liars and not found.silent
    page = (request.out / "report.html").read_text()
    page = page.replace("&#39;", "'")
    assert "One peer lied, to see how the others stand it (attack sign_flip): peer " in page
    assert "2 peers lied, to see how the others stand it (attack noise (times 3.0))" in page
    assert "honest peers' own models" in page
    assert "0.988" not in page and "0.987" not in page
    code, said = run(request)
    assert code == 0 and "12 of 12 cells are finished already" in said


def test_lockstep_has_no_liars(request_: Request) -> None:
    with pytest.raises(ContractError, match="lockstep sends no messages"):
        run(replace(request_, engine="lockstep", lies=(parse_lies("zero", 1),)))
