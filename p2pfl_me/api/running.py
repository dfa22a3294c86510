"""One run of a contract by any of the engines, from a notebook or a script."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, assert_never

from p2pfl_me.api.clips import Clips, path_of
from p2pfl_me.api.contracts import load
from p2pfl_me.api.extras import in_notebook
from p2pfl_me.api.result import Result
from p2pfl_me.api.swarms import new_run_folder, sweep_and_report
from p2pfl_me.console.lines import Console
from p2pfl_me.console.news import Listener, RoundNews
from p2pfl_me.contract import Contract
from p2pfl_me.contract.model import CASME2_CLASSES
from p2pfl_me.data.classes import with_classes_of
from p2pfl_me.errors import ContractError
from p2pfl_me.home import home
from p2pfl_me.networks.code import Code, Given
from p2pfl_me.networks.kinds.own import Own
from p2pfl_me.options import RunOptions

Engine = Literal["processes", "simulate", "lockstep"]
ENGINES: tuple[Engine, ...] = ("processes", "simulate", "lockstep")


def run(
    contract: Contract | Path | str,
    *,
    engine: Engine = "processes",
    data: Clips | Path | str | None = None,
    network: Given | None = None,
    trained: Sequence[str] = (),
    folder: Path | str | None = None,
    baselines: bool = False,
    report: bool = False,
    on_round: Listener | None = None,
    quiet: bool = True,
) -> Result:
    """Run all peers of a contract on this machine; what came of it.

    Parameters
    ----------
    contract:
        Of `contract(...)` or `load(...)`, or the path of one.
    engine:
        "processes": real peers, keys, encryption and sockets. "simulate": the same cores on a virtual clock, in this
        process. "lockstep": round by round, quickest. All end with the same bits where nothing is late.
    data:
        Your clips; the built-in drawn faces by default.
    network:
        Your own network: "FILE.py:NAME", or a function or class that gives a `torch.nn.Module`. "processes" needs one
        that lies in a file.
    trained:
        Parts of it to train and send; all that asks for gradients by default.
    folder:
        The run folder; runs/NAME-TIME by default.
    baselines, report:
        Isolated, pooled and FedAvg beside it ("processes" only); folder/report with page and figures.
    on_round:
        Called after each round with its losses and scores; `news.stop()` ends the run.

    Raises
    ------
    P2pmeError
        The contract, the clips or the network cannot be used; what happens to a single peer is in `Result.exit_code`.
    """
    if engine not in ENGINES:
        raise ContractError(f"there is no engine `{engine}`", where="engine", fix=f"choose {', '.join(ENGINES)}")
    if baselines and engine != "processes":
        raise ContractError(f"engine {engine} trains no baselines", where="baselines", fix="take engine processes")
    agreed, path = prepared(contract, data, network, trained)
    where = Path(folder) if folder else new_run_folder(agreed)
    with _bar(agreed, quiet, on_round) as listener:
        console = Console(sys.stdout, quiet=quiet, on_round=listener)
        code = _run(agreed, engine, where, path, baselines, console)
    if report:
        from p2pfl_me.report import write_report

        write_report([where], where / "report")
    return Result(where, code, _code_of(agreed))


def _code_of(contract: Contract) -> Code | None:
    backbone = contract.model.backbone
    return backbone.code if isinstance(backbone, Own) else None


def run_swarm(
    contract: Contract | Path | str,
    *,
    run: Path | str | None = None,
    data: Clips | Path | str | None = None,
    baselines: bool = False,
    report: bool = False,
    quiet: bool = True,
) -> Result:
    """Run all peers of `contract`, or of the one in a file, as real processes: `run` under its first name.

    Raises
    ------
    P2pmeError
        As `run`.
    """
    everything = globals()["run"]
    found: Result = everything(contract, folder=run, data=data, baselines=baselines, report=report, quiet=quiet)
    return found


def prepared(
    contract: Contract | Path | str, data: Clips | Path | str | None, network: Given | None, trained: Sequence[str]
) -> tuple[Contract, Path | None]:
    """The contract with the clips' classes and the user's network, and where the clips lie.

    Raises
    ------
    P2pmeError
        One of them cannot be used.
    """
    if isinstance(contract, str | Path):
        contract = load(contract)
    if not isinstance(contract, Contract):
        raise ContractError(
            f"a {type(contract).__name__} is no contract", where="contract", fix='give contract("ring") or a path'
        )
    path = path_of(data)
    classes = contract.model.classes
    if isinstance(data, Clips) and not contract.model.label_map and classes == CASME2_CLASSES:
        classes = data.classes
    else:
        classes = with_classes_of(contract, path, Console(quiet=True).say).model.classes
    if classes != contract.model.classes:
        from p2pfl_me.learning.own import for_classes

        contract = for_classes(contract, classes)
    if trained and network is None:
        raise ContractError("names parts of no network", where="trained", fix="give the network, too")
    if network is not None:
        from p2pfl_me.learning.own import with_network

        shape = data.x.shape[1:] if isinstance(data, Clips) and data.rows else None
        contract = with_network(contract, network, trained=trained, shape=shape)
    contract.model.backbone.require()
    return contract, path


def _run(contract: Contract, engine: Engine, folder: Path, data: Path | None, baselines: bool, console: Console) -> int:
    options = RunOptions(home=home(), run=folder, data=data, command="p2pfl_me.run")
    if engine == "processes":
        return sweep_and_report(contract, folder, data=data, baselines=baselines, report=False, console=console)
    if engine == "simulate":
        from p2pfl_me.simulation.engine import simulate

        return simulate(contract, options, console)
    if engine == "lockstep":
        from p2pfl_me.simulation.lockstep import run_lockstep

        return run_lockstep(contract, options, console)
    assert_never(engine)


@contextmanager
def _bar(contract: Contract, quiet: bool, on_round: Listener | None) -> Iterator[Listener | None]:
    """In a notebook, a bar of the rounds; the caller's own listener hears of them all the same."""
    if not (quiet and in_notebook()):
        yield on_round
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bars:
        task = bars.add_task(f"{contract.name}: rounds", total=contract.training.rounds)

        def both(news: RoundNews) -> None:
            score = news.mean("uf1")
            words = "" if score is None else f", UF1 {score:.3f}"
            bars.update(task, completed=news.round, description=f"{contract.name}{words}")
            if on_round:
                on_round(news)

        yield both
