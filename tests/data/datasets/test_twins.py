"""Every twin loads, checks, splits and trains; every planted quirk and fault is reported with its row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.data.check import check_manifest
from p2pfl_me.data.clip import Fault, Quirk
from p2pfl_me.data.look import Images
from p2pfl_me.data.source import deal, prepare
from p2pfl_me.data.twins.known import TWINS
from p2pfl_me.data.twins.take import TwinSpec
from p2pfl_me.data.twins.write import Twin, write_twin
from p2pfl_me.errors import DataError
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.samples import samples_of
from p2pfl_me.learning.trainer import make_trainer

NAMES = list(TWINS)
BASE = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\n"
TRAINING = "training: {rounds: 1, local_epochs: 1}\ndata: {test_fraction: 0.25}\n"


def contract(label_map: str) -> Contract:
    return contract_from_yaml(BASE + f"model: {{label_map: {label_map}, input: flow}}\n" + TRAINING)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One seeded backbone for all."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.few(1)
@pytest.mark.parametrize("name", NAMES)
def test_a_twin_has_no_problem_and_each_of_its_quirks_is_told(name: str, twins: dict[str, Twin]) -> None:
    parts = [twins[name].folder / "SMIC_all_cropped" / camera for camera in ("HS", "VIS", "NIR")]
    reports = [check_manifest(part, None) for part in (parts if name == "smic" else [twins[name].folder])]
    assert all(report.problems == () for report in reports)
    told = {(remark.kind, remark.row) for report in reports for remark in report.remarks}
    assert {(planted.kind, planted.row) for planted in twins[name].planted} <= told
    flagged = sum(planted.kind is Quirk.LABELS for planted in twins[name].planted)
    assert sum(report.clips for report in reports) == twins[name].clips - flagged


@pytest.mark.few(1)
@pytest.mark.parametrize("name", NAMES)
def test_every_planted_fault_is_told_with_its_row_and_nothing_else_is(name: str, faulty: Callable[[str], Twin]) -> None:
    report = check_manifest(faulty(name).folder, None)
    faults = {(planted.kind, planted.row) for planted in faulty(name).planted if isinstance(planted.kind, Fault)}
    assert len(faults) >= 5
    assert {(problem.kind, problem.row) for problem in report.problems} == faults
    told = {(remark.kind, remark.row) for remark in report.remarks}
    assert {(each.kind, each.row) for each in faulty(name).planted if isinstance(each.kind, Quirk)} <= told


@pytest.mark.few(2)
@pytest.mark.parametrize("name", NAMES)
def test_faults_in_rows_are_found_without_opening_an_image(name: str, faulty: Callable[[str], Twin]) -> None:
    blind = {Fault.UNREADABLE, Fault.DUPLICATE}
    rows = {each.row for each in faulty(name).planted if isinstance(each.kind, Fault) and each.kind not in blind}
    report = check_manifest(faulty(name).folder, None, Images.NONE)
    assert rows <= {problem.row for problem in report.problems}


@pytest.mark.few(2)
@pytest.mark.parametrize("name", NAMES)
def test_a_faulty_twin_is_refused_with_its_rows(name: str, faulty: Callable[[str], Twin], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--leave-out") as caught:
        prepare(contract("megc3"), faulty(name).folder, tmp_path)
    row = next(each.row for each in faulty(name).planted if each.kind in {Fault.FRAMES, Fault.CELL})
    assert f"{row}: " in str(caught.value)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", NAMES)
def test_a_twin_splits_and_trains(name: str, twins: dict[str, Twin], cache: Path) -> None:
    rule = contract("megc3")
    manifest = prepare(rule, twins[name].folder, cache)
    held_out = {clip.subject for clip in manifest.part("test")}
    assert held_out and not held_out & {clip.subject for clip in manifest.part("train")}
    shards = deal(rule, manifest)
    assert all(shards) and sum(map(len, shards)) == len(manifest.part("train"))
    samples = samples_of(rule, [*manifest.part("train")[:6], *manifest.part("test")[:2]], cache=cache)
    trainer = make_trainer(rule, 0, samples, "cpu")
    start = initial_params(rule, cache=cache)
    trained = trainer.train(start, 0)
    assert 0 < trained.loss < 10 and (trained.params != start).any()
    scores = trainer.evaluate(trained.params, "test")
    assert scores is not None and 0 <= scores.uf1 <= 1


def test_a_twin_is_a_function_of_its_seed(tmp_path: Path) -> None:
    spec = TwinSpec(subjects=2, clips=3, height=64)
    one, two = (write_twin(TWINS["smic"], tmp_path / name, spec, "smic").folder for name in "ab")
    files = sorted(path.relative_to(one) for path in one.rglob("*.bmp"))
    assert files and all((one / file).read_bytes() == (two / file).read_bytes() for file in files)
    other = write_twin(TWINS["smic"], tmp_path / "c", TwinSpec(subjects=2, clips=3, height=64, seed=2), "smic").folder
    assert {path.read_bytes() for path in other.rglob("*.bmp")}.isdisjoint({(one / f).read_bytes() for f in files})


def test_a_twin_too_small_for_its_quirks_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--subjects and --clips"):
        write_twin(TWINS["casme2"], tmp_path / "t", TwinSpec(subjects=1, clips=3), "casme2")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "film").touch()
    with pytest.raises(DataError, match="no empty folder"):
        write_twin(TWINS["casme2"], tmp_path / "full", TwinSpec(), "casme2")
