"""Packages that a notebook has and a server need not."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from p2pfl_me.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame


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


def said_in(frame: DataFrame, warnings: Sequence[str]) -> DataFrame:
    """The frame with what must be known of its numbers in its `attrs`, which go with it through pandas."""
    if warnings:
        frame.attrs["warnings"] = list(warnings)
    return frame


def rows_said(frame: DataFrame, warnings: Sequence[str]) -> DataFrame:
    """The same of a frame of rows, each of which says it, too: as in a run's own tables, it outlives a CSV."""
    return said_in(frame.assign(warning="; ".join(warnings)) if warnings else frame, warnings)


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this, which can show a bar that moves."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
