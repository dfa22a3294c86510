"""Several contracts on the same clips and seeds, from a notebook."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from p2pfl_me.api.clips import Clips, path_of
from p2pfl_me.api.extras import pandas, said_in
from p2pfl_me.api.given import given_number, given_path
from p2pfl_me.api.ready import for_arrays, rules_from
from p2pfl_me.api.result import TITLES, Result, by_round
from p2pfl_me.api.running import contract_of
from p2pfl_me.cluster.place import place_of, require_no_jobs
from p2pfl_me.compare.page import cell_folder
from p2pfl_me.compare.request import Draft, Request
from p2pfl_me.compare.run import compare as run_comparison
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.engines import ENGINES, EngineName
from p2pfl_me.errors import ContractError, RunError
from p2pfl_me.exits import Exit
from p2pfl_me.learning.metrics import present_mean
from p2pfl_me.run.latest import dated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


@dataclass(frozen=True)
class Comparison:
    """Finished runs by contract, one a seed; `folder` holds the page."""

    folder: Path
    runs: Mapping[str, tuple[Result, ...]] = field(repr=False)

    def final(self, metric: str = "uf1") -> dict[str, list[float]]:
        """The mean over the peers, each after the last round where it has a score, one value a seed."""
        return {
            name: [float(np.mean(list(final.values()))) for each in runs if (final := each.final(metric))]
            for name, runs in self.runs.items()
        }

    def to_frame(self) -> DataFrame:
        """One row a round, peer, seed and contract, with every metric on the test clips.

        Raises
        ------
        P2pmeError
            pandas is not installed.
        """
        frames = [
            each.to_frame().assign(contract=name, seed=each.contract.seed)
            for name, runs in self.runs.items()
            for each in runs
        ]
        joined: DataFrame = pandas().concat(frames, ignore_index=True)
        if "warning" in joined:
            joined = joined.fillna({"warning": ""})  # of runs that have none beside others
        return said_in(joined, self.warnings)  # joining keeps what all frames say alone

    def plot(self, metric: str = "uf1", ax: Axes | None = None) -> Axes:
        """Each contract's mean over peers and seeds, by round."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        for number, (name, runs) in enumerate(self.runs.items()):
            curves = [present_mean(scores.T) for each in runs if np.isfinite(scores := each.scores(metric)).any()]
            shortest = min(map(len, curves), default=0)
            mean = present_mean([curve[:shortest] for curve in curves]) if curves else np.empty(0)
            mark = "." if len(mean) == 1 else None  # a line of one point is not seen
            dashes = ("-", "--", "-.", ":")[number % 4]  # told apart in grey, and seen where one lies on another
            ax.plot(np.arange(1, len(mean) + 1), mean, linestyle=dashes, marker=mark, label=name)
        ax.legend()
        return by_round(ax, metric, f"{TITLES.get(metric, metric)}, mean over peers and seeds", self.warnings)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the scores are no measure of recognition, in any of the runs."""
        return tuple(dict.fromkeys(words for runs in self.runs.values() for each in runs for words in each.warnings))

    @property
    def verdict(self) -> str:
        """What may be said of the differences, as the page and `p2pme compare` say it."""
        from p2pfl_me.report.claims import verdict
        from p2pfl_me.report.methods import Method, Setting
        from p2pfl_me.report.run import read_run

        methods = (Method(name, tuple(read_run(each.run) for each in runs)) for name, runs in self.runs.items())
        return verdict(Setting("", tuple(methods)))

    def _repr_html_(self) -> str:
        """A small table for notebooks, with what may be said of it."""
        from p2pfl_me.report.write import PAGE

        lines = ["<tr><th></th><th>UF1, mean of the peers' own models</th><th>seeds</th></tr>"]
        for name, values in self.final().items():
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            score = f"{np.mean(values):.3f}{spread}" if values else "-"
            lines.append(f"<tr><th>{escape(name)}</th><td>{score}</td><td>{len(values)}</td></tr>")
        said = [*self.warnings, self.verdict, f"page: {self.folder / PAGE}"]
        lines += [f'<tr><td colspan=3 style="text-align:left">{escape(words)}</td></tr>' for words in said]
        return f"<table>{''.join(lines)}</table>"


def compare(
    contracts: Mapping[str, Contract] | Sequence[Contract],
    *,
    data: Clips | Path | str | None = None,
    engine: EngineName = "lockstep",
    seeds: int = 3,
    baselines: bool = False,
    same: Sequence[str] = (),
    different: Sequence[str] = (),
    subjects: Path | str | None = None,
    folder: Path | str | None = None,
    jobs: int | None = None,
    on: str = "local",
    quiet: bool = True,
) -> Comparison:
    """Run every contract under every seed on the same clips.

    Parameters
    ----------
    contracts:
        By name, or several whose own names differ.
    same, different, subjects:
        Who is who where spellings could be one person, as in `run`.
    folder:
        Where finished runs are kept, so that a stopped comparison goes on; comparisons/TIME by default.
    jobs, on:
        Runs at once; or a Ray cluster that does them, as `p2pme compare --on` takes it.

    Raises
    ------
    P2pmeError
        A contract or the clips cannot be used, or a run failed.
    KeyboardInterrupt
        It was stopped; the same call with the same folder goes on.
    """
    place = place_of(on)
    require_no_jobs(place, jobs)
    if not isinstance(contracts, Mapping | Sequence) or isinstance(contracts, str):
        what = f"a {type(contracts).__name__} is no set of contracts"
        raise ContractError(what, where="contracts", fix='give several: {"ring": one, "mesh": other}')
    named = dict(contracts) if isinstance(contracts, Mapping) else {contract_of(each).name: each for each in contracts}
    if not named:
        raise ContractError("nothing to compare", where="contracts", fix='give several: {"ring": one, "mesh": other}')
    if len(named) < len(contracts):
        raise ContractError("contracts need names that differ", where="contracts", fix="give them in a dict, by name")
    if slip := next((name for name in named if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", str(name))), None):
        raise ContractError(f"`{slip}` is no name of a contract", where="contracts", fix="take letters, digits, ._-")
    if engine not in ENGINES:
        raise ContractError(f"there is no engine `{engine}`", where="engine", fix=f"choose {', '.join(ENGINES)}")
    request = Request(
        tuple(Draft(str(name), for_arrays(contract_of(each), data)) for name, each in named.items()),
        dated(Path("comparisons")) if folder is None else given_path(folder, "folder"),
        seeds=given_number(seeds, "seeds"),
        baselines=baselines,
        engine=engine,
        data=path_of(data),
        rules=rules_from(same, different, subjects),
        jobs=1 if jobs is None else given_number(jobs, "jobs"),
        place=place,
    )
    found = run_comparison(request, Console(sys.stdout, quiet=quiet))
    if found.code == Exit.STOPPED:
        raise KeyboardInterrupt
    if found.code:
        raise RunError("a run failed", where=str(found.out), fix="look into its cells; the same call runs them again")
    runs: dict[str, tuple[Result, ...]] = {}
    for group, seed in found.done:
        runs[group.name] = (*runs.get(group.name, ()), Result(cell_folder(found.out, group, seed)))
    return Comparison(found.out, runs)
