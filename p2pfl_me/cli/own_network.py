"""The options by which commands take a user's own network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def own_network(command: F) -> F:
    """`--network` and `--trained`."""
    command = click.option(
        "--trained", metavar="PART", multiple=True, help="Train and send only this part of it: fc, block4. Repeatable."
    )(command)
    return click.option("--network", metavar="FILE.py:NAME", help="Your own network: a function that gives a module.")(
        command
    )


def own_network_of_run(command: F) -> F:
    """`--network` alone: what is trained of it stands in the run's contract."""
    return click.option(
        "--network", metavar="FILE.py:NAME", help="Your own network, where the run's contract states one."
    )(command)


def require_network(network: str | None, trained: tuple[str, ...]) -> None:
    """Refuse a part of nothing."""
    if trained and not network:
        raise click.UsageError(
            "--trained names a part of --network FILE.py:NAME; a contract's network has model.trainable"
        )
