"""The options with which a user says who is who, for every command that reads clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def identity_options(command: Command) -> Command:
    """--same, --different and --subjects, which `command` takes as `rules`."""

    @click.option(
        "--same",
        metavar="A=B",
        multiple=True,
        is_flag=False,
        flag_value="*",
        help="Names of one person, or data set. Alone, at the end: all that are asked about.",
    )
    @click.option(
        "--different",
        metavar="A=B",
        multiple=True,
        is_flag=False,
        flag_value="*",
        help="Names of two, which only look alike. Alone, at the end: all.",
    )
    @click.option(
        "--subjects", metavar="FILE", type=click.Path(path_type=Path), help="A CSV: dataset, subject, person meant."
    )
    @wraps(command)
    def asking(*args: Any, same: Sequence[str], different: Sequence[str], subjects: Path | None, **more: Any) -> Any:
        from p2pfl_me.data.identity_rules import rules_of

        return command(*args, rules=rules_of(same, different, subjects), **more)

    return asking  # type: ignore[return-value]
