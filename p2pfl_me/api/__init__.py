"""The front door for notebooks and scripts; the command line goes through it, too.

    import p2pfl_me as p2p

    contract = p2p.contract("ring", peers=5, training__rounds=20, model__backbone="ststnet")
    clips = p2p.Clips.from_arrays(x, y, subjects)
    result = p2p.run(contract, data=clips, engine="lockstep")
    result.scores("uf1").mean(axis=1)        # one value a round
    result.plot()

Everything is typed, nothing is read from global settings, and slips are answered as on the command line: a `P2pmeError`
that says what, where, and what to do.

What is here is imported when it is first used: who starts a swarm would else wait for torch and matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from p2pfl_me.api.clips import Clips
    from p2pfl_me.api.comparing import Comparison, compare
    from p2pfl_me.api.contracts import contract, load
    from p2pfl_me.api.evaluating import Evaluation, evaluate
    from p2pfl_me.api.predicting import predict
    from p2pfl_me.api.result import Result
    from p2pfl_me.api.running import run, run_swarm

__all__ = [
    "Clips",
    "Comparison",
    "Evaluation",
    "Result",
    "compare",
    "contract",
    "evaluate",
    "load",
    "predict",
    "run",
    "run_swarm",
]
_FROM = {
    "Clips": "clips",
    "Comparison": "comparing",
    "Evaluation": "evaluating",
    "Result": "result",
    "compare": "comparing",
    "contract": "contracts",
    "evaluate": "evaluating",
    "load": "contracts",
    "predict": "predicting",
    "run": "running",
    "run_swarm": "running",
}


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FROM[name]}"), name)
