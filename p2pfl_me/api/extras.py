"""Packages that a notebook has and a server need not."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from p2pfl_me.errors import DataError


def pandas() -> Any:
    """The package.

    Raises
    ------
    DataError
        It is not installed.
    """
    try:
        return importlib.import_module("pandas")
    except ImportError as error:
        raise DataError("a frame needs pandas", fix="pip install 'p2pfl_me[notebook]'") from error


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this, which can show a bar that moves."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
