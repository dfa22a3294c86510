"""What runs a cell: real processes, a simulated network, or lockstep. One line in ENGINES adds another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from p2pfl_me.errors import ContractError, PeerError
from p2pfl_me.machine import cores

if TYPE_CHECKING:
    from p2pfl_me.console.lines import Console
    from p2pfl_me.contract import Contract
    from p2pfl_me.options import RunOptions


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong in the network and with its peers under `--stress`.

    `loss`: share of messages lost. `straggler`: how many times as long peer 0 takes. `churn`: share of the peers that
    go away and come back.
    """

    loss: float = 0.0
    straggler: float = 1.0
    churn: float = 0.0


Launch = Callable[["Contract", "RunOptions", "Console"], int]
"""Run one contract into `options.run`, in the usual format of a run folder; the exit code, 130 when stopped."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to run a cell.

    `faulty` runs it under faults, None where it can't: then `calm` says why. `honest` says why nobody can lie there,
    empty where peers can. `require` refuses the contracts that
    it cannot run, with the file they came from, before anything starts. `in_process`: it opens no ports, so that
    several cells may run at once.
    """

    run: Launch
    faulty: Callable[[Faults], Launch] | None = None
    in_process: bool = False
    calm: str = ""
    honest: str = ""
    require: Callable[[Contract, str], None] | None = None


def _processes(contract: Contract, options: RunOptions, console: Console) -> int:
    from p2pfl_me.swarm.launcher import launch

    return launch(contract, options, console)


def _simulate(contract: Contract, options: RunOptions, console: Console) -> int:
    from p2pfl_me.simulation.engine import simulate

    return simulate(contract, options, console)


def _simulate_under(faults: Faults) -> Launch:
    from p2pfl_me.compare.fault_model import fault_model_of

    def run(contract: Contract, options: RunOptions, console: Console) -> int:
        from p2pfl_me.simulation.engine import simulate

        return simulate(contract, options, console, faults=fault_model_of(faults, contract))

    return run


def _batched(contract: Contract, options: RunOptions, console: Console) -> int:
    from p2pfl_me.simulation.lockstep import run_batched

    return run_batched(contract, options, console)


def _require_lockstep(contract: Contract, where: str) -> None:

    from p2pfl_me.simulation.batched import require_memory_for
    from p2pfl_me.simulation.lockstep_fit import require_lockstep
    from p2pfl_me.topology import schedule_of

    require_lockstep(contract, where)
    try:
        require_memory_for(contract, schedule_of(contract), cores())
    except PeerError as error:
        raise ContractError(error.what, where=where, fix=error.fix) from error


def _require_memory(engine: str, contract: Contract, where: str) -> None:
    from p2pfl_me.compare.memory import require_memory

    require_memory(contract, engine, where)


ENGINES: dict[str, Engine] = {
    "processes": Engine(
        _processes, calm="real processes have a real network", require=partial(_require_memory, "processes")
    ),
    "simulate": Engine(_simulate, _simulate_under, in_process=True, require=partial(_require_memory, "simulate")),
    "batched": Engine(
        _batched,
        in_process=True,
        calm="lockstep has no network",
        honest="lockstep sends no messages to lie in",
        require=_require_lockstep,
    ),
}
"""By the name that `--engine` takes; the first is the default. Each imports what it needs when it runs."""
DEFAULT = "processes"
