"""Peer-to-peer gossip learning of facial micro-expressions, with no central server.

For notebooks: `contract("ring")`, `run(contract, data=Clips.from_arrays(x, y, subjects))`, `evaluate`, `compare` and
`predict` (docs/python.md).
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from p2pfl_me.api import (
        Clips,
        Comparison,
        Evaluation,
        Result,
        compare,
        contract,
        evaluate,
        load,
        predict,
        run,
        run_swarm,
    )
    from p2pfl_me.console.news import RoundNews
    from p2pfl_me.contract import Contract
    from p2pfl_me.errors import P2pmeError

__all__ = [
    "Clips",
    "Comparison",
    "Contract",
    "Evaluation",
    "P2pmeError",
    "Result",
    "RoundNews",
    "__version__",
    "compare",
    "contract",
    "evaluate",
    "load",
    "predict",
    "run",
    "run_swarm",
]
_ELSEWHERE = {
    "Contract": "p2pfl_me.contract",
    "P2pmeError": "p2pfl_me.errors",
    "RoundNews": "p2pfl_me.console.news",
}


def __getattr__(name: str) -> Any:
    """Import the front door on first use, so that `import p2pfl_me` and the light commands stay quick."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE.get(name, "p2pfl_me.api")), name)


class _Room(ModuleType):
    """A room that bears the name of one of the front door's functions, and can be called like it."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return getattr(import_module("p2pfl_me.api"), self.__name__.rpartition(".")[2])(*arguments, **named)


class _House(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        if name in __all__ and isinstance(value, ModuleType):
            value.__class__ = _Room
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _House
