"""What callers from Python give, looked at before anything begins: a slip there is answered as on the command line."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from p2pfl_me.console.news import Listener
from p2pfl_me.errors import ContractError


def given_path(value: object, where: str) -> Path:
    """The path that a text or path-like object names.

    Raises
    ------
    ContractError
        It is neither.
    """
    if isinstance(value, str | PathLike):
        return Path(value)
    raise ContractError(f"a {type(value).__name__} is no path", where=where, fix="give a text or a pathlib.Path")


def given_number(value: object, where: str, least: int = 1) -> int:
    """A whole number, numpy's included, from `least` on.

    Raises
    ------
    ContractError
        It is none.
    """
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= least:
        return int(value)
    what = f"`{value}` is no number of {where}" if where.endswith("s") else f"`{value}` is no {where}"
    raise ContractError(what, where=where, fix=f"give a whole number from {least} on")


def given_texts(values: object, where: str, such_as: str) -> tuple[str, ...]:
    """Several texts; `such_as` is one for the hint.

    Raises
    ------
    ContractError
        It is one text, or holds something else.
    """
    several = f'give several texts: {where}=["{such_as}"]'
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray):
        shown = f"`{values}` is one text" if isinstance(values, str) else f"a {type(values).__name__} is no list"
        raise ContractError(shown, where=where, fix=several)
    if strange := [each for each in values if not isinstance(each, str)]:
        raise ContractError(f"`{strange[0]}` is no text", where=where, fix=several)
    return tuple(map(str, values))


def given_listener(listener: object) -> Listener | None:
    """What is called after each round; what it raises then is its own, and ends the run.

    Raises
    ------
    ContractError
        It cannot be called with the news of a round.
    """
    fix = "give a function of one argument, the news of a round: def listen(news)"
    if listener is None:
        return None
    if not callable(listener):
        raise ContractError(f"a {type(listener).__name__} cannot be called", where="on_round", fix=fix)
    try:
        signature = inspect.signature(listener)
    except (TypeError, ValueError):  # some of C's have none
        return listener
    try:
        signature.bind(None)
    except TypeError as error:
        raise ContractError(f"does not take the news of a round: {error}", where="on_round", fix=fix) from error
    return listener
