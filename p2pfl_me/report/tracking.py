"""A run in the tools that people keep their other runs in: TensorBoard's event files, an MLflow tracking store.

Both get the same numbers: for each peer and round UF1, UAR, accuracy and loss, the bytes sent so far; at the end the
average model's scores. Rounds count from 1.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from p2pfl_me.errors import P2pmeError, RunError
from p2pfl_me.files import refusing
from p2pfl_me.report.origin import network_of
from p2pfl_me.report.results import METRICS
from p2pfl_me.report.run import Run

MOST_AT_ONCE = 500
"""Numbers that MLflow takes in one go: half of its limit."""


class Tool(StrEnum):
    """Where numbers can be taken."""

    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"


@dataclass(frozen=True, slots=True)
class Point:
    """One number: whose (`peer-K` or `average`), its name, its round from 1."""

    whose: str
    name: str
    round: int
    value: float


def points(run: Run) -> Iterator[Point]:
    """Every number of a run that changes with the rounds, and the average model's scores after the last."""
    last = 0
    for log in run.peers:
        for each in log.rounds:
            last = max(last, each.round)
            test = each.scores("test")
            values: dict[str, float | None] = {name: test.get(name) if test else None for name in METRICS}
            for name, value in {**values, "loss": each.loss, "bytes_sent": each.bytes_sent}.items():
                if value is not None:
                    yield Point(f"peer-{log.peer}", name, each.round, float(value))
    for name in METRICS:
        if run.average and (score := run.average.get(name)) is not None:
            yield Point("average", name, last, score)


def export_runs(runs: Sequence[Run], tool: Tool, out: Path) -> str:
    """Hand the runs to `tool`: into the folder `out`, or where MLFLOW_TRACKING_URI says; in words, where they are.

    Raises
    ------
    P2pmeError
        The tool's package is not installed.
    RunError
        `out` cannot be written, or the tracking server refuses.
    """
    match tool:
        case Tool.TENSORBOARD:
            return _to_tensorboard(runs, out)
        case Tool.MLFLOW:
            return _to_mlflow(runs, out)
        case _:
            assert_never(tool)


def facts(run: Run) -> Mapping[str, str]:
    """What tells a run from others."""
    contract = run.contract
    return {
        "name": contract.name,
        "seed": str(contract.seed),
        "graph": contract.topology.kind,
        "protocol": contract.gossip.protocol.kind,
        "network": network_of(run),
        "peers": str(contract.peers.count),
        "rounds": str(contract.training.rounds),
        "warnings": "; ".join(run.warnings),
    }


def _to_tensorboard(runs: Sequence[Run], out: Path) -> str:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise P2pmeError("TensorBoard's files need tensorboardX", fix="pip install 'p2pfl_me[tensorboard]'") from error
    for run in runs:
        writers: dict[str, SummaryWriter] = {}
        with refusing(RunError, out, "free some space, or name another folder with --out"):
            for point in points(run):
                if point.whose not in writers:
                    writers[point.whose] = SummaryWriter(str(out / _label(run) / point.whose))
                writers[point.whose].add_scalar(point.name, point.value, point.round)
            for writer in writers.values():
                writer.add_text("run", "\n".join(f"- {key}: {value}" for key, value in facts(run).items()))
                writer.close()
    return f"{out} (tensorboard --logdir {out})"


def _to_mlflow(runs: Sequence[Run], out: Path) -> str:
    try:
        import sqlalchemy  # noqa: F401 - what the default store needs
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise P2pmeError(f"MLflow needs {error.name}", fix="pip install 'p2pfl_me[mlflow]'") from error
    where = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(out / 'mlflow.db').absolute()}"
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    with refusing(RunError, out, "free some space, or name another folder with --out"):
        out.mkdir(parents=True, exist_ok=True)
    try:
        client = MlflowClient(where)
        found = client.get_experiment_by_name("p2pfl_me")
        experiment = found.experiment_id if found else client.create_experiment("p2pfl_me")
        now = int(1000 * time.time())
        for run in runs:
            known = facts(run)
            made = client.create_run(experiment, run_name=_label(run)).info.run_id
            metrics = [Metric(f"{point.name}/{point.whose}", point.value, now, point.round) for point in points(run)]
            for first in range(0, len(metrics), MOST_AT_ONCE):
                client.log_batch(made, metrics=metrics[first : first + MOST_AT_ONCE])
            client.log_batch(
                made,
                params=[Param(key, value) for key, value in known.items() if key != "warnings"],
                tags=[RunTag("warnings", known["warnings"])] if known["warnings"] else [],
            )
            client.set_terminated(made)
    except MlflowException as error:
        fix = "see to the server, or unset MLFLOW_TRACKING_URI"
        raise RunError(f"MLflow refuses: {error}", where=where, fix=fix) from error
    return where


def _label(run: Run) -> str:
    """As the run's folder is called; a run of several seeds has the seed in its name."""
    return f"{run.folder.parent.name}-{run.folder.name}" if run.folder.name.startswith("seed-") else run.folder.name
