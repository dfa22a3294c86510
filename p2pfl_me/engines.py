"""The three ways to run a contract's peers: real processes, a simulated network, lockstep. A line in ENGINES adds one.

All leave a run folder in the same format, and end with the same weights to the bit where nothing is late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from p2pfl_me.machine import cores

if TYPE_CHECKING:
    from p2pfl_me.console.lines import Console
    from p2pfl_me.contract import Contract
    from p2pfl_me.options import RunOptions
    from p2pfl_me.simulation.fitted_faults import Faults

EngineName = Literal["processes", "simulate", "lockstep"]
Launch = Callable[["Contract", "RunOptions", "Console"], int]
"""Run one contract into `options.run`, in the usual format of a run folder; the exit code, 130 when stopped."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to run a contract's peers; `module` is what processes import that do.

    `faulty` runs it under faults, None where it can't: then `calm` says why. `honest` says why nobody can lie there,
    empty where peers can. `require` refuses the contracts that it cannot run, with the file they came from, before
    anything starts. `in_process`: it opens no ports, so that several runs may go on at once; of one that does, `free`
    refuses a contract whose ports are taken now. `baselines`: it trains them itself, where a run asks for them.
    """

    run: Launch
    module: str
    faulty: Callable[[Faults], Launch] | None = None
    in_process: bool = False
    baselines: bool = False
    calm: str = ""
    honest: str = ""
    require: Callable[[Contract, str], None] | None = None
    free: Callable[[Contract], None] | None = None


def _processes(contract: Contract, options: RunOptions, console: Console) -> int:
    from p2pfl_me.swarm.launcher import launch

    return launch(contract, options, console)


def _simulate(contract: Contract, options: RunOptions, console: Console) -> int:
    from p2pfl_me.simulation.engine import simulate

    return simulate(contract, options, console)


def _simulate_under(faults: Faults) -> Launch:
    def run(contract: Contract, options: RunOptions, console: Console) -> int:
        from p2pfl_me.simulation.engine import simulate
        from p2pfl_me.simulation.fitted_faults import fault_model_of

        return simulate(contract, options, console, faults=fault_model_of(faults, contract))

    return run


def _lockstep(contract: Contract, options: RunOptions, console: Console) -> int:
    from p2pfl_me.simulation.lockstep import run_lockstep

    return run_lockstep(contract, options, console)


def _require_processes(contract: Contract, where: str) -> None:
    from p2pfl_me.swarm.memory import require_memory

    require_memory(contract, where, IN_A_COMPARISON)


def _ports_free(contract: Contract) -> None:
    from p2pfl_me.swarm.ports import require_ports

    require_ports(contract)


def _require_simulation(contract: Contract, where: str) -> None:
    from p2pfl_me.simulation.memory import require_memory

    require_memory(contract, where, IN_A_COMPARISON)


def _require_lockstep(contract: Contract, where: str) -> None:
    from p2pfl_me.simulation.lockstep_fit import require_lockstep
    from p2pfl_me.simulation.lockstep_rounds import require_memory_for
    from p2pfl_me.topology import schedule_of

    require_lockstep(contract, where)
    require_memory_for(contract, schedule_of(contract), cores(), where)


IN_A_COMPARISON = "take --peers {fit} or fewer, or --engine lockstep where the protocol has rounds"
ENGINES: dict[str, Engine] = {
    "processes": Engine(
        _processes,
        "p2pfl_me.swarm.children",
        baselines=True,
        calm="real processes have a real network",
        require=_require_processes,
        free=_ports_free,
    ),
    "simulate": Engine(
        _simulate, "p2pfl_me.simulation.engine", _simulate_under, in_process=True, require=_require_simulation
    ),
    "lockstep": Engine(
        _lockstep,
        "p2pfl_me.simulation.lockstep",
        in_process=True,
        calm="lockstep has no network",
        honest="lockstep sends no messages to lie in",
        require=_require_lockstep,
    ),
}
"""By the name that `--engine` takes; the first is the default. Each imports what it needs when it runs."""
DEFAULT = "processes"
