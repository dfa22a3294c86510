"""Isolated, gossip and pooled on held-out subjects, from a notebook."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from p2pfl_me.api.clips import Clips
from p2pfl_me.api.extras import pandas, rows_said
from p2pfl_me.api.given import given_number, given_path
from p2pfl_me.api.ready import make_ready, rules_from
from p2pfl_me.api.result import SCORES, TITLES
from p2pfl_me.api.running import contract_of
from p2pfl_me.cluster.place import HERE, Place, place_of, require_no_jobs
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.data.identity_rules import IdentityRules
from p2pfl_me.errors import ContractError, DataError
from p2pfl_me.evaluate.design import Request
from p2pfl_me.evaluate.folder import new_folder
from p2pfl_me.evaluate.holdout import FOLDS, HoldOut
from p2pfl_me.evaluate.ready import ready_contract
from p2pfl_me.evaluate.results import Results
from p2pfl_me.evaluate.run import evaluate as run_evaluation
from p2pfl_me.home import home
from p2pfl_me.machine import cores
from p2pfl_me.networks.code import Given
from p2pfl_me.report.arms import Arm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

Metric = Literal["uf1", "uar"]
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation found; `folder` holds its pages and the answers that everything is computed from."""

    folder: Path
    results: Results = field(repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the outputs, in the order of `confusion`."""
        return self.results.classes

    @property
    def arms(self) -> tuple[str, ...]:
        """Who was asked: isolated, gossip, average, pooled."""
        return tuple(arm.value for arm in self.results.arms)

    def score(self, arm: str, metric: Metric = "uf1", dataset: str = "") -> tuple[float, float, float] | None:
        """(mean over seeds and models, lower and upper end of its 95 % interval over subjects); None: not asked.

        The ends are NaN where the clips are of one subject.

        Raises
        ------
        DataError
            There is no such arm or data set.
        """
        found = self.results.score(self._arm(arm), metric, self._dataset(dataset))
        if found is None:
            return None
        return (found.mean, *((found.interval.low, found.interval.high) if found.interval else (np.nan, np.nan)))

    def confusion(self, arm: str) -> npt.NDArray[np.float64]:
        """Confusion matrix, float64 (K, K), the mean over seeds and models: rows are the true classes.

        Raises
        ------
        DataError
            There is no such arm.
        """
        return self.results.confusion(self._arm(arm))

    def to_frame(self) -> DataFrame:
        """One row an arm and data set ("" is all of them): UF1 and UAR with their intervals.

        Raises
        ------
        P2pmeError
            pandas is not installed.
        """
        rows = []
        for arm in self.arms:
            for dataset in ("", *self.results.datasets):
                row: dict[str, object] = {"arm": arm, "dataset": dataset}
                for metric in ("uf1", "uar"):
                    mean, low, high = self.score(arm, metric, dataset) or (float("nan"),) * 3
                    row |= {metric: mean, f"{metric}_low": low, f"{metric}_high": high}
                rows.append(row)
        frame: DataFrame = pandas().DataFrame(rows)
        return rows_said(frame, self.results.design.warnings)

    def plot(self, metric: Metric = "uf1", ax: Axes | None = None) -> Axes:
        """Every arm's score with its interval."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        for place, arm in enumerate(self.arms):
            if found := self.score(arm, metric):
                mean, low, high = found
                ax.errorbar([mean], [place], xerr=[[mean - low], [high - mean]], fmt="o", color="C0", capsize=3)
        title = f"{TITLES[metric]}, 95 % interval over subjects"
        ax.set(yticks=range(len(self.arms)), yticklabels=self.arms, xlabel=title, xlim=SCORES)
        ax.invert_yaxis()
        if warnings := self.results.design.warnings:
            ax.set_title("; ".join(warnings).upper(), wrap=True)
        return ax

    def _repr_html_(self) -> str:
        """A small table for notebooks, with what may be said of it."""
        from p2pfl_me.evaluate.document import verdict
        from p2pfl_me.report.write import PAGE

        lines = ["<tr><th></th><th>UF1</th><th>95 % interval</th><th>UAR</th></tr>"]
        for arm in self.arms:
            uf1, uar = self.score(arm, "uf1"), self.score(arm, "uar")
            ends = f"{uf1[1]:.3f} to {uf1[2]:.3f}" if uf1 and uf1[1] == uf1[1] else "-"  # NaN is not itself
            cells = (f"{uf1[0]:.3f}", ends) if uf1 else ("-", "-")
            lines.append(
                f"<tr><th>{escape(arm)}</th><td>{cells[0]}</td><td>{cells[1]}</td>"
                f"<td>{f'{uar[0]:.3f}' if uar else '-'}</td></tr>"
            )
        said = [*self.results.design.warnings, verdict(self.results), f"page: {self.folder / PAGE}"]
        lines += [f'<tr><td colspan=4 style="text-align:left">{escape(words)}</td></tr>' for words in said]
        return f"<table>{''.join(lines)}</table>"

    def _arm(self, name: str) -> Arm:
        if name not in self.arms:
            raise DataError(f"there is no arm `{name}`", where=str(self.folder), fix=f"choose {', '.join(self.arms)}")
        return Arm(name)

    def _dataset(self, name: str) -> str:
        if name and name not in self.results.datasets:
            known = ", ".join(self.results.datasets)
            raise DataError(f"there is no data set `{name}`", where=str(self.folder), fix=f"choose {known}")
        return name


def evaluate(
    contract: Contract | Path | str | None = None,
    *,
    data: Clips | Path | str | None = None,
    protocol: str = "loso",
    peers: int | Literal["auto", "dataset"] = "auto",
    seeds: int = 3,
    folds: int = FOLDS,
    network: Given | None = None,
    trained: Sequence[str] = (),
    same: Sequence[str] = (),
    different: Sequence[str] = (),
    subjects: Path | str | None = None,
    target: float | None = None,
    folder: Path | str | None = None,
    jobs: int | None = None,
    on: str = "local",
    send: bool = False,
    device: str = "auto",
    quiet: bool = True,
) -> Evaluation:
    """Train isolated peers, gossip and one pooled model from scratch in every fold; a fold holds subjects out.

    Parameters
    ----------
    contract:
        The settings; by default the contract that `p2pme evaluate` starts from.
    protocol:
        "loso" (one subject a fold), "kfold", "lodo" (one data set a fold), or another of `p2pme evaluate`.
    peers:
        "dataset": one a data set; a number, to whom the subjects are dealt; "auto": "dataset" where there are several
        that leave each other company, else 10, or fewer where there are too few subjects.
    same, different, subjects:
        Who is who where spellings could be one person, as in `run`.
    target:
        A UF1: gossip peers are asked after every round, and `results.to_target()` says when they had it.
    folder:
        Where finished folds are kept, so that a stopped evaluation goes on; evaluations/TIME by default.
    jobs:
        Processes; one a core by default. One is right for a network that lies in no file.
    on, send:
        "local", or a Ray cluster, as `p2pme evaluate --on` takes it; and whether features go to its nodes.
    device:
        "auto" trains all models of a seed side by side on a GPU where there is one and that is written for it; "cpu",
        "cuda".

    Raises
    ------
    P2pmeError
        The contract, the clips or the network cannot be used, or training diverged.
    KeyboardInterrupt
        It was stopped; the same call with the same folder goes on.
    """
    if protocol not in list(HoldOut):
        raise ContractError(f"there is no protocol `{protocol}`", where="protocol", fix=f"choose {', '.join(HoldOut)}")
    if device not in DEVICES:
        raise ContractError(f"there is no device `{device}`", where="device", fix=f"choose {', '.join(DEVICES)}")
    found = evaluation(
        ready_contract(another_network=network is not None) if contract is None else contract_of(contract),
        Console(sys.stdout, quiet=quiet),
        data=data,
        protocol=HoldOut(protocol),
        peers=str(peers),
        seeds=given_number(seeds, "seeds"),
        folds=given_number(folds, "folds", least=2),
        network=network,
        trained=trained,
        rules=rules_from(same, different, subjects),
        folder=None if folder is None else given_path(folder, "folder"),
        jobs=None if jobs is None else given_number(jobs, "jobs"),
        place=place_of(on, send=send),
        device=device,
        target=target,
    )
    if found is None:
        raise KeyboardInterrupt
    return found


def evaluation(
    contract: Contract,
    console: Console,
    *,
    data: Clips | Path | str | None,
    protocol: HoldOut,
    peers: str,
    seeds: int,
    folds: int,
    network: Given | None,
    trained: Sequence[str],
    rules: IdentityRules,
    folder: Path | None,
    jobs: int | None,
    place: Place = HERE,
    device: str = "auto",
    weights: Path | None = None,
    chosen: bool = False,
    subjects_leak: bool = False,
    target: float | None = None,
) -> Evaluation | None:
    """What `evaluate` and `p2pme evaluate` do; None when stopped.

    Raises
    ------
    P2pmeError
        As `evaluate`.
    """
    require_no_jobs(place, jobs)
    ready = make_ready(contract, data, rules=rules, network=network, trained=trained, chosen=chosen, say=console.say)
    request = Request(
        contract=ready.contract,
        protocol=protocol,
        peers=peers,
        out=folder or new_folder(),
        home=home(),
        data=ready.data,
        weights=weights,
        seeds=seeds,
        folds=folds,
        jobs=jobs or cores(),
        place=place,
        device=device,
        subjects_leak=subjects_leak,
        rules=rules,
        target=target,
        read=ready.read,
    )
    results = run_evaluation(request, console)
    return None if results is None else Evaluation(request.out, results)
