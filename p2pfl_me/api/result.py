"""What came of a run: arrays, a pandas frame, a table and a picture for the notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.api.extras import pandas, rows_said, said_in
from p2pfl_me.api.given import given_number
from p2pfl_me.contract import Contract
from p2pfl_me.counting import many
from p2pfl_me.errors import RunError
from p2pfl_me.exits import Exit
from p2pfl_me.learning.metrics import present_mean
from p2pfl_me.message import Vector
from p2pfl_me.networks.code import Code

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from p2pfl_me.report.run import Run

Array = npt.NDArray[np.float64]
METRICS = ("uf1", "uar", "accuracy", "macro_f1", "weighted_f1", "loss")
TITLES = {"uf1": "UF1", "uar": "UAR", "macro_f1": "macro F1", "weighted_f1": "weighted F1"}
"""Of those that are written in another way where people read them."""
SCORES = (0.0, 1.03)
"""The ends of an axis of scores: none is stretched over it, and a line at 1 is seen."""


def by_round(ax: Axes, metric: str, title: str, warnings: tuple[str, ...]) -> Axes:
    """Axes of curves: whole rounds from 1, scores between 0 and 1, and why they are no measure of recognition."""
    from matplotlib.ticker import MaxNLocator

    ax.set(xlabel="round", ylabel=TITLES.get(metric, metric))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if all(len(np.atleast_1d(line.get_xdata())) < 2 for line in ax.lines):
        ax.set_xlim(0.5, 1.5)  # one round
    if metric != "loss":
        ax.set_ylim(*SCORES)
    ax.set_title("\n".join([*(words.upper() for words in warnings), title]), wrap=True)
    return ax


@dataclass(frozen=True)
class Result:
    """A finished or stopped run, read from its folder.

    `network` is the code of the user's own network, which no folder holds.
    """

    run: Path
    exit_code: int = 0
    network: Code | None = None

    @property
    def stopped(self) -> bool:
        """Whether it was stopped before its end; what it had by then is here all the same."""
        return self.exit_code == Exit.STOPPED

    @property
    def contract(self) -> Contract:
        """What its peers agreed on."""
        return self._read.contract

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the outputs, in the order of `confusion`."""
        return self.contract.model.classes

    @property
    def peers(self) -> tuple[int, ...]:
        """The ids of the columns of `scores`."""
        return tuple(log.peer for log in self._read.peers)

    def scores(self, metric: str = "uf1") -> Array:
        """Scores of each peer's own model after each round, float64 (rounds, peers), NaN where it missed one.

        `metric` is uf1, uar, accuracy, macro_f1 or weighted_f1 on the test clips, or loss, in training.

        Raises
        ------
        RunError
            The run cannot be read, or there is no such metric.
        """
        from p2pfl_me.report.results import score_curves

        if metric not in METRICS:
            raise RunError(f"no metric `{metric}`", where=str(self.run), fix=f"choose {', '.join(METRICS)}")
        return score_curves(self._read, metric).values

    def final(self, metric: str = "uf1") -> dict[int, float]:
        """Each peer's score after the last round where it has one, as reports take it; empty without test clips.

        Raises
        ------
        RunError
            As in `scores`.
        """
        from p2pfl_me.report.arms import Arm
        from p2pfl_me.report.results import final_scores

        if metric not in METRICS:
            raise RunError(f"no metric `{metric}`", where=str(self.run), fix=f"choose {', '.join(METRICS)}")
        return final_scores(self._read, Arm.GOSSIP, metric)

    @property
    def average(self) -> Mapping[str, Any]:
        """Test scores of the average of the final models.

        Raises
        ------
        RunError
            The run was stopped before there was one, or has no test clips.
        """
        from p2pfl_me.run.results import plain, read_average

        found = read_average(self.run)
        if found is None:
            raise RunError("this run has no scored average model", where=str(self.run), fix="let it run to its end")
        return plain(found)

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Confusion matrix of the average model, int64 (K, K): rows are the true classes."""
        return np.array(self.average["confusion"], dtype=np.int64)

    def params(self, peer: int | None = None) -> Vector:
        """A peer's last model, or the average of all, float32 (P,).

        Raises
        ------
        RunError
            There is no such checkpoint.
        """
        from p2pfl_me.learning.run_models import final_params

        which = None if peer is None else given_number(peer, "peer", least=0)
        return final_params(self.run, self.contract, which)

    def to_frame(self) -> DataFrame:
        """One row a round and peer: round, peer, and every metric on the test clips.

        `warnings`, if there are any, are in a column and in `attrs`.

        Raises
        ------
        P2pmeError
            pandas is not installed.
        """
        frames = pandas()
        rows = []
        for log in self._read.peers:
            for each in log.rounds:
                test = each.scores("test")
                scores = {name: test.get(name) if test else None for name in METRICS if name != "loss"}
                rows.append({"round": each.round, "peer": log.peer, "loss": each.loss, **scores})
        frame: DataFrame = frames.DataFrame(rows, columns=["round", "peer", "loss", *METRICS[:-1]])
        return rows_said(frame.sort_values(["round", "peer"], ignore_index=True), self.warnings)

    def confusion_frame(self) -> DataFrame:
        """The average model's confusion matrix with the classes' names: true ones down, given ones across."""
        frame: DataFrame = pandas().DataFrame(self.confusion, index=list(self.classes), columns=list(self.classes))
        return said_in(frame, self.warnings)

    def plot(self, metric: str = "uf1", ax: Axes | None = None) -> Axes:
        """Each peer's curve, thin, and their mean, thick.

        Raises
        ------
        RunError
            As in `scores`.
        """
        import matplotlib.pyplot as plt

        values = self.scores(metric)
        if ax is None:
            _, ax = plt.subplots()
        rounds = np.arange(1, len(values) + 1)
        mark = "." if len(values) == 1 else None  # a line of one point is not seen
        ax.plot(rounds, values, color="0.6", linewidth=0.8, marker=mark)
        mean = present_mean(values.T) if values.size else np.empty(0)
        of_all = f"mean of {values.shape[1]} peers"
        ax.plot(rounds[: len(mean)], mean, color="C0", linewidth=2, marker=mark, label=of_all)
        title = f"{self.contract.name}: {TITLES.get(metric, metric)} of each peer's own model"
        if values.shape[1] > 1:
            ax.legend()
        return by_round(ax, metric, title, self.warnings)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why its scores are no measure of recognition, as drawn faces, or weights that have seen the test clips."""
        return self._read.warnings

    def _repr_html_(self) -> str:
        """A small table for notebooks."""
        contract, scores = self.contract, self.scores("uf1")
        final = list(self.final().values())
        state = "stopped" if self.stopped else "finished" if self.exit_code == 0 else f"ended with {self.exit_code}"
        from p2pfl_me.run.results import read_average

        average = read_average(self.run)
        rows = {
            "run": f"{self.run} ({state})",
            "graph, network": f"{contract.topology.kind}, {contract.model.backbone}, "
            f"{many(contract.peers.count, 'peer')}",
            "rounds": f"{len(scores)} of {contract.training.rounds}",
            "UF1 of the peers": f"{np.mean(final):.3f} (worst {min(final):.3f})" if final else "none",
            "UF1 of the average model": f"{average.uf1:.3f}" if average else "none",
            **({"no measure of recognition": "; ".join(self.warnings)} if self.warnings else {}),
        }
        lines = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in rows.items())
        return f"<table>{lines}</table>"

    @cached_property
    def _read(self) -> Run:
        from p2pfl_me.report.run import read_run

        return read_run(self.run)
