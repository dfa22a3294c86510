"""A run in TensorBoard and MLflow: every number that they hold is the run folder's, read back by their own readers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from p2pfl_me.errors import P2pmeError
from p2pfl_me.report.run import Run, read_run
from p2pfl_me.report.tracking import Tool, export_runs, points
from tests.report.fixture import Recipe, write_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    write_run(tmp_path / "ring-1", Recipe(count=3, rounds=4))
    return read_run(tmp_path / "ring-1")


def test_every_round_of_every_peer_and_the_average_is_there(run: Run) -> None:
    told = list(points(run))
    assert {point.whose for point in told} == {"peer-0", "peer-1", "peer-2", "average"}
    for log in run.peers:
        for each in log.rounds:
            scores = each.scores("test")
            assert scores is not None
            mine = {
                point.name: point.value
                for point in told
                if (point.whose, point.round) == (f"peer-{log.peer}", each.round)
            }
            assert mine == {
                "uf1": scores.uf1, "uar": scores.uar, "accuracy": scores.accuracy,
                "loss": each.loss, "bytes_sent": each.bytes_sent,
            }  # fmt: skip


def test_tensorboards_files_hold_them(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="pip install 'p2pfl_me[tensorboard]'")
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter  # noqa: F401 - the format's own package

    where = export_runs([run], Tool.TENSORBOARD, tmp_path / "tb")
    assert str(tmp_path / "tb") in where
    found = set()
    for path in (tmp_path / "tb").rglob("events.*"):
        data, at = path.read_bytes(), 0
        while at < len(data):  # a record: length (8), its check (4), the event, its check (4)
            size = int.from_bytes(data[at : at + 8], "little")
            event = Event.FromString(data[at + 12 : at + 12 + size])
            at += 16 + size
            found |= {
                (path.parent.name, value.tag, event.step, round(value.simple_value, 5))
                for value in event.summary.value
                if value.HasField("simple_value")
            }
    assert found == {(each.whose, each.name, each.round, round(_single(each.value), 5)) for each in points(run)}


def _single(value: float) -> float:
    """As float32 has it."""
    import numpy as np

    return float(np.float32(value))


@pytest.mark.thorough
def test_mlflows_store_holds_them(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = pytest.importorskip("mlflow.tracking", reason="pip install 'p2pfl_me[mlflow]'")
    pytest.importorskip("sqlalchemy", reason="pip install 'p2pfl_me[mlflow]'")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    where = export_runs([run], Tool.MLFLOW, tmp_path / "ml")
    client = tracking.MlflowClient(where)
    experiment = client.get_experiment_by_name("p2pfl_me")
    (kept,) = client.search_runs([experiment.experiment_id])
    assert kept.data.params["graph"] == "ring" and kept.info.status == "FINISHED"
    history = client.get_metric_history(kept.info.run_id, "uf1/peer-1")
    assert [(each.step, each.value) for each in history] == [
        (point.round, pytest.approx(point.value))
        for point in points(run)
        if (point.whose, point.name) == ("peer-1", "uf1")
    ]


@pytest.mark.few(1)
@pytest.mark.parametrize("tool", list(Tool))
def test_without_its_package_the_line_that_installs_it_is_told(tool: Tool, run: Run, tmp_path: Path) -> None:
    lacking = "import sys; sys.modules.update(dict.fromkeys(['tensorboardX', 'sqlalchemy', 'mlflow'])); "
    command = lacking + "from p2pfl_me.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "report", str(run.folder), "--export", tool.value, "-o", str(tmp_path / "x")],
        env={**os.environ}, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == P2pmeError.exit_code and f"p2pfl_me[{tool.value}]" in done.stderr
    assert not (tmp_path / "x").exists()
