"""One run of a contract by any of the engines, from a notebook or a script."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from p2pfl_me.api.clips import Clips
from p2pfl_me.api.extras import in_notebook
from p2pfl_me.api.given import given_listener, given_path
from p2pfl_me.api.ready import make_ready, rules_from
from p2pfl_me.api.result import Result
from p2pfl_me.api.swarms import new_run_folder, run_seeds, sum_up
from p2pfl_me.console.lines import Console
from p2pfl_me.console.news import Listener, RoundNews
from p2pfl_me.contract import Contract
from p2pfl_me.contract.ready import read_contract
from p2pfl_me.engines import ENGINES, EngineName
from p2pfl_me.errors import ContractError
from p2pfl_me.home import home
from p2pfl_me.networks.code import Code, Given
from p2pfl_me.networks.kinds.own import Own
from p2pfl_me.options import RunOptions


def run(
    contract: Contract | Path | str,
    *,
    engine: EngineName = "processes",
    data: Clips | Path | str | None = None,
    network: Given | None = None,
    trained: Sequence[str] = (),
    folder: Path | str | None = None,
    baselines: bool = False,
    report: bool = False,
    same: Sequence[str] = (),
    different: Sequence[str] = (),
    subjects: Path | str | None = None,
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
    same, different, subjects:
        Who is who where spellings could be one person: ["S1=S01"], or ["*"] for all that are asked about; a CSV of
        dataset, subject and the person meant.
    on_round:
        Called after each round with its losses and scores; `news.stop()` ends the run. So does what it raises, which
        comes out of this call as it is.

    Raises
    ------
    P2pmeError
        The contract, the clips or the network cannot be used; what happens to a single peer is in `Result.exit_code`.
    """
    if engine not in ENGINES:
        raise ContractError(f"there is no engine `{engine}`", where="engine", fix=f"choose {', '.join(ENGINES)}")
    if baselines and not ENGINES[engine].baselines:
        raise ContractError(f"engine {engine} trains no baselines", where="baselines", fix="take engine processes")
    listen = given_listener(on_round)
    rules = rules_from(same, different, subjects)
    ready = make_ready(
        contract_of(contract), data, rules=rules, network=network, trained=trained, say=Console(quiet=True).say
    )
    agreed = ready.contract
    where = new_run_folder(agreed) if folder is None else given_path(folder, "folder")
    options = RunOptions(
        home=home(),
        run=where,
        data=ready.data,
        read=ready.read,
        rules=rules,
        baselines=baselines,
        command="p2pfl_me.run",
    )
    with _bar(agreed, quiet, listen) as listener:
        console = Console(sys.stdout, quiet=quiet, on_round=listener)
        code, runs = run_seeds(agreed, options, console, engine=engine)
    if not quiet or (report and runs):
        sum_up(runs, where, code, console, report=report)
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


def contract_of(contract: Contract | Path | str) -> Contract:
    """The contract, the one in a file, or the ready one of a name.

    Raises
    ------
    ContractError
        It is none.
    """
    if isinstance(contract, str | Path):
        return read_contract(contract)
    if not isinstance(contract, Contract):
        raise ContractError(
            f"a {type(contract).__name__} is no contract", where="contract", fix='give contract("ring") or a path'
        )
    return contract


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
