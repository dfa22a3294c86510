"""`--on`: what it takes and refuses, and that the work which nodes do gives what this machine gives (without Ray)."""

from __future__ import annotations

import io
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from p2pfl_me.cluster import on_ray, same
from p2pfl_me.cluster.place import HERE, Place, place_of, require_no_jobs
from p2pfl_me.cluster.processes import Processes
from p2pfl_me.compare import elsewhere as cells_elsewhere
from p2pfl_me.compare.grid import make_grid
from p2pfl_me.compare.page import cell_folder
from p2pfl_me.compare.request import Request
from p2pfl_me.compare.run import compare
from p2pfl_me.compare.shared import deal_once
from p2pfl_me.console.lines import Console
from p2pfl_me.errors import ContractError, DataError, PeerError
from p2pfl_me.evaluate import elsewhere, pool
from p2pfl_me.evaluate.design import make_design
from p2pfl_me.evaluate.run import evaluate
from p2pfl_me.exits import stopped_as_by_ctrl_c
from p2pfl_me.home import home
from tests.evaluate.making import request as make_request
from tests.evaluate.making import run as run_evaluation
from tests.small import write_contract, write_vectors


def test_a_place_is_read_from_its_word_and_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert place_of("local") == HERE and HERE.here
    assert place_of("ray") == place_of("auto") == Place("auto")
    assert place_of("10.0.0.1:6379", send=True) == Place("10.0.0.1:6379", send=True)
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    assert place_of("ray") == Place("ray://head:10001")
    monkeypatch.setenv("RAY_ADDRESS", "nowhere")
    with pytest.raises(ContractError, match=r"RAY_ADDRESS: `nowhere` is no place"):
        place_of("ray")
    with pytest.raises(ContractError, match=r"--on: `slurm` is no place"):
        place_of("slurm")
    with pytest.raises(ContractError, match=r"--send: inputs are sent to a cluster only"):
        place_of("local", send=True)
    with pytest.raises(ContractError, match="--jobs 2 counts processes of this machine"):
        require_no_jobs(Place("auto"), 2)
    require_no_jobs(HERE, 2)


def test_without_ray_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before clips are read, features made or baselines trained, which take hours where the data are large."""
    monkeypatch.setitem(sys.modules, "ray", None)
    console = Console(said := io.StringIO())
    with pytest.raises(PeerError, match=r"Ray is not installed\n.*pip install 'p2pfl_me\[ray\]'"):
        evaluate(make_request(tmp_path, place=Place("auto")), console)
    assert not said.getvalue()
    contracts, data = (write_contract(tmp_path / "ring.yaml", 4),), write_vectors(tmp_path / "v.safetensors", range(8))
    with pytest.raises(PeerError, match="Ray is not installed"):
        compare(Request(contracts, tmp_path / "out", engine="lockstep", data=data, place=Place("auto")), console)
    assert "dealing" in said.getvalue() and "baselines" not in said.getvalue()


class TakingSignals:
    """As Ray's: whoever joins a cluster is ended by SIGTERM from then on, with the signal's number as its exit code."""

    def init(self, **asked: object) -> None:
        self._before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))

    def is_initialized(self) -> bool:
        return False

    def nodes(self) -> list[dict[str, object]]:
        raise DataError("joined") if signal.getsignal(signal.SIGTERM) is self._before else SystemExit(15)

    def shutdown(self) -> None:
        pass


def test_a_signal_stops_a_command_beside_a_cluster_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", TakingSignals())
    with stopped_as_by_ctrl_c(), pytest.raises(DataError, match="joined"):
        run_evaluation(make_request(tmp_path, place=Place("auto")))


def test_cells_of_real_processes_are_refused_with_the_reason(tmp_path: Path) -> None:
    contracts = (write_contract(tmp_path / "ring.yaml", 4),)
    with pytest.raises(ContractError, match=r"--on: cells of `--engine processes` are .*\n.*--engine lockstep"):
        make_grid(Request(contracts, tmp_path / "out", place=Place("auto")))


def test_a_node_with_another_program_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    same.require_same(same.program())
    other = tuple((name, "1.0" if name == "torch" else version) for name, version in same.program())
    found = on_ray._done(other, sum, (1, 2))
    assert isinstance(found, on_ray._Refused)
    assert "this node has torch" in str(found.error) and "under 1.0: other bits" in str(found.error)


@pytest.mark.thorough
def test_nodes_give_the_local_answers_from_their_own_clips_and_from_what_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home of a node"))
    design = make_design(make_request(tmp_path, peers="3", seeds=2), tmp_path)
    units, here = design.units(), Processes(1, "")
    local = {unit: outcome.guesses for unit, outcome in pool.outcomes(design, units)}
    errand = elsewhere._errand(design, (1, 2))
    own = here.do(elsewhere._on_own_clips, lambda unit: (errand,), units)
    assert {unit: outcome.guesses for unit, outcome in own} == local
    shared = elsewhere._sent(pool.job_of(design))
    sent = here.do(elsewhere._on_what_was_sent, shared, units)
    assert {unit: outcome.guesses for unit, outcome in sent} == local
    assert len({id(shared(unit)[0]) for unit in units}) == 1, "two seeds share vectors, which go to a node once"
    assert str(tmp_path) not in repr(shared(units[0])[0].clips)  # type: ignore[attr-defined]


def test_a_node_with_other_clips_or_features_or_none_is_refused_by_name(tmp_path: Path) -> None:
    design = make_design(make_request(tmp_path), tmp_path)
    unit, errand = design.units()[0], elsewhere._errand(design, (1,))
    with pytest.raises(DataError, match=r"node .* has other clips there"):
        elsewhere._on_own_clips(replace(errand, clips="00"), unit)
    with pytest.raises(DataError, match=r"its processor makes other features of them\n.*--send"):
        elsewhere._own_bench.cache_clear()
        elsewhere._on_own_clips(replace(errand, features={1: "00"}), unit)
    assert errand.job.request.data is not None
    errand.job.request.data.unlink()
    elsewhere._own_clips.cache_clear()
    elsewhere._own_bench.cache_clear()
    with pytest.raises(DataError, match=r"vectors.safetensors: node .* has no clips there\n.*--send"):
        elsewhere._on_own_clips(errand, unit)


def test_a_cell_comes_back_whole_with_the_command_that_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    data = write_vectors(tmp_path / "vectors.safetensors", range(8))
    contracts = (write_contract(tmp_path / "ring.yaml", 4),)
    request = Request(contracts, tmp_path / "out", engine="lockstep", data=data)
    (group,) = make_grid(request).groups
    digest = deal_once(group.of_seed(1), data, None, home(), tmp_path / "dealt").digest
    back = cells_elsewhere._run(request, "p2pme compare ring", cells_elsewhere.Errand((group, 1), digest))
    run = cell_folder(request.out, group, 1)
    assert back.code == 0 and not run.exists(), "the command alone writes"
    cells_elsewhere._put(request.out, run, back.files)
    assert '"p2pme compare ring"' in (run / "manifest.json").read_text()
    assert {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()} == set(back.files)
    with pytest.raises(DataError, match=r"node .* has other clips there"):
        cells_elsewhere._run(request, "", cells_elsewhere.Errand((group, 1), "00"))
