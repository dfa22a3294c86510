"""Peer-to-peer gossip learning of facial micro-expressions, with no central server.

For notebooks: `load` a contract, `run_swarm`, read its `Result` (see `p2pfl_me.api`).
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["Result", "__version__", "load", "run_swarm"]


def __getattr__(name: str) -> Any:
    """Import the front door on first use, so that `import p2pfl_me` and the light commands stay quick."""
    if name in {"load", "run_swarm", "Result"}:
        from p2pfl_me import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
