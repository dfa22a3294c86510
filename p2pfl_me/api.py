"""The front door for notebooks: load or change a contract, run a swarm, get results as arrays.

import p2pfl_me
contract = p2pfl_me.load("topologies/ring.yaml", **{"training.rounds": 10})
result = p2pfl_me.run_swarm(contract, run="runs/notebook")
result.scores("uf1").mean(axis=1)          # one value a round
result.confusion                           # of the average of the final models
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.contract import Contract, load_contract
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.errors import ContractError, RunError
from p2pfl_me.message import Vector
from p2pfl_me.networks.code import Given
from p2pfl_me.swarm.console import Console
from p2pfl_me.swarm.sweep import sweep

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies

Array = npt.NDArray[np.float64]
METRICS = ("uf1", "uar", "accuracy", "macro_f1", "weighted_f1", "loss")


def load(path: Path | str, **overrides: Any) -> Contract:
    """The contract at `path`, with `section.key` overrides: `load("ring.yaml", **{"training.rounds": 5})`.

    Raises
    ------
    ContractError
        The contract cannot be read or is invalid, or an override is nothing that a contract may hold.
    """
    return load_contract(path, [f"{key}={_as_yaml(key, value)}" for key, value in overrides.items()])


def _as_yaml(key: str, value: Any) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, np.generic | np.ndarray):
            return value.tolist()
        raise ContractError(
            f"a contract cannot hold a {type(value).__name__}", where=key, fix="give a number, a text, a list or a dict"
        )

    return json.dumps(value, default=plain)


@dataclass(frozen=True)
class Result:
    """A finished or stopped run, read from its folder."""

    run: Path
    exit_code: int = 0

    def scores(self, metric: str = "uf1") -> Array:
        """Scores of each peer's own model after each round, float64 (rounds, peers), NaN where it missed one.

        `metric` is uf1, uar, accuracy, macro_f1 or weighted_f1 on the test clips, or loss, in training.

        Raises
        ------
        RunError
            The run cannot be read, or there is no such metric.
        """
        from p2pfl_me.report.results import score_curves
        from p2pfl_me.report.run import read_run

        if metric not in METRICS:
            raise RunError(f"no metric `{metric}`", where=str(self.run), fix=f"choose {', '.join(METRICS)}")
        return score_curves(read_run(self.run), metric).values

    @property
    def average(self) -> Mapping[str, Any]:
        """Test scores of the average of the final models.

        Raises
        ------
        RunError
            The run was stopped before there was one, or has no test clips.
        """
        path = self.run / "average.json"
        found = json.loads(path.read_text(encoding="utf-8"))["test"] if path.exists() else None
        if found is None:
            raise RunError("this run has no scored average model", where=str(self.run), fix="let it run to its end")
        return dict(found)

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Confusion matrix of the average model, int64 (K, K): rows are the true classes."""
        return np.array(self.average["confusion"], dtype=np.int64)

    def params(self, peer: int) -> Vector:
        """A peer's last model, float32 (P,)."""
        from safetensors import safe_open

        from p2pfl_me.peer.checkpoint import checkpoint_path

        path = checkpoint_path(self.run, peer)
        if not path.exists():
            raise RunError(f"peer {peer} left no checkpoint", where=str(self.run), fix="check the peer's id")
        with safe_open(path, framework="numpy") as file:
            params: Vector = file.get_tensor("params")
        return params


def run_swarm(
    contract: Contract | Path | str,
    *,
    run: Path | str | None = None,
    data: Path | str | None = None,
    baselines: bool = False,
    report: bool = False,
    quiet: bool = True,
) -> Result:
    """Run all peers of `contract`, or of the one in a file, on this machine as `p2pme swarm` does; what came of it.

    Raises
    ------
    P2pmeError
        The contract or the clips cannot be used; what happens to a single peer is in `Result.exit_code`.
    """
    if not isinstance(contract, Contract):
        contract = load(contract)
    folder = Path(run) if run else new_run_folder(contract)
    code = sweep_and_report(
        contract,
        folder,
        data=Path(data) if data else None,
        baselines=baselines,
        report=report,
        console=Console(sys.stdout, quiet=quiet),
    )
    return Result(folder, code)


def new_run_folder(contract: Contract) -> Path:
    """runs/NAME-TIME, below the working directory."""
    return Path("runs") / f"{contract.name}-{datetime.now():%Y%m%d-%H%M%S}"


def sweep_and_report(
    contract: Contract,
    folder: Path,
    *,
    seeds: int = 1,
    data: Path | None = None,
    weights: Path | None = None,
    device: str = "auto",
    baselines: bool = False,
    record: bool = False,
    lies: Lies | None = None,
    report: bool = True,
    network: Given | None = None,
    trained: Sequence[str] = (),
    chosen: bool = False,
    rules: IdentityRules = ASK,
    console: Console | None = None,
) -> int:
    """Run one swarm or several seeds of it in `folder`, then write folder/report; the worst exit code.

    What a stopped swarm has left is reported all the same. `chosen` classes stay, whatever the labels of the clips.
    With `lies` some of the peers lie, and scores are those of the others.
    """
    console = console or Console()
    code, runs = sweep(
        contract,
        folder,
        seeds=seeds,
        data=data,
        weights=weights,
        device=device,
        baselines=baselines,
        record=record,
        lies=lies,
        network=network,
        trained=trained,
        chosen=chosen,
        rules=rules,
        console=console,
    )
    if report and runs:
        from p2pfl_me.report import write_report

        console.say("writing the report")
        console.say(f"report: {write_report(runs, folder / 'report')}")
    else:
        console.say(f"run folder: {folder}")
    return code
