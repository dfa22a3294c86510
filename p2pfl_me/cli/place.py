"""`--on` and `--send`: where units of work are done, and whether inputs travel there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from p2pfl_me.cluster.place import place_of

Function = TypeVar("Function", bound=Callable[..., Any])


def place_options(send: str = "") -> Callable[[Function], Function]:
    """The command gets `place`; it has `--send` where it can send something, with `send` as its help."""

    def decorate(command: Function) -> Function:
        @wraps(command)
        def run(*args: Any, on: str, send: bool = False, **options: Any) -> Any:
            return command(*args, place=place_of(on, send=send), **options)

        where = "local, or a Ray cluster: ray, auto, HOST:PORT (docs/scale-out.md)."
        option = click.option("--on", metavar="PLACE", default="local", show_default=True, help=where)
        added: Any = option(run)
        return click.option("--send", is_flag=True, help=send)(added) if send else added  # type: ignore[no-any-return]

    return decorate
