"""Options and words that several commands share, so that one grammar holds for all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cluster.place import place_of

LONGEST = 1000
"""Characters of a sentence in a list of commands."""
Function = TypeVar("Function", bound=Callable[..., Any])


def examples(*commands: str) -> str:
    """The block of examples that ends a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def out_option(help: str) -> Callable[[Function], Function]:
    """`-o`, `--out`: the folder that the command writes; `--run` is one that it reads, of a run that goes on."""
    return click.option("-o", "--out", metavar="DIR", type=click.Path(path_type=Path), help=help)


def data_option(help: str, metavar: str = "PATH") -> Callable[[Function], Function]:
    """`--data`: one manifest or folder; of two that are given none is dropped in silence."""
    kind = click.Path(path_type=Path)
    return click.option("--data", metavar=metavar, type=kind, multiple=True, callback=_one_folder, help=help)


def _one_folder(_: click.Context, option: click.Parameter, paths: tuple[Path, ...]) -> Path | None:
    if len(paths) > 1:
        raise click.BadParameter(
            "given twice; data sets that lie side by side in one folder are taken together: name that"
        )
    return paths[0] if paths else None


def overriding(help: str, rounds: str = "Of training (default: the contract's).") -> Callable[[Function], Function]:
    """`--set K=V`, and `--rounds N`, which is short for `--set training.rounds=N`. The command gets `overrides`."""

    def decorate(command: Function) -> Function:
        @wraps(command)
        def run(*args: Any, rounds: int | None, overrides: tuple[str, ...], **options: Any) -> Any:
            more = () if rounds is None else (f"training.rounds={rounds}",)
            return command(*args, overrides=(*overrides, *more), **options)

        added: Any = click.option("--rounds", metavar="N", type=Whole(1), help=rounds)(run)
        return click.option("--set", "overrides", metavar="K=V", multiple=True, help=help)(added)  # type: ignore[no-any-return]

    return decorate


class Commands(click.Group):
    """A group whose help says the whole first sentence of each command, where click cuts it after 45 characters."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(name, self.get_command(context, name)) for name in self.list_commands(context)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(limit=LONGEST)) for name, each in found if each])


def own_network(command: Function) -> Function:
    """`--network` and `--trained`: a user's own network."""
    command = click.option(
        "--trained", metavar="PART", multiple=True, help="Train and send only this part of it: fc, block4. Repeatable."
    )(command)
    return click.option("--network", metavar="FILE.py:NAME", help="Your own network: a function that gives a module.")(
        command
    )


def own_network_of_run(command: Function) -> Function:
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


def place_options(send: str = "") -> Callable[[Function], Function]:
    """`--on`: where units of work are done. The command gets `place`; it has `--send`, with `send` as its help, where
    inputs can travel there."""

    def decorate(command: Function) -> Function:
        @wraps(command)
        def run(*args: Any, on: str, send: bool = False, **options: Any) -> Any:
            return command(*args, place=place_of(on, send=send), **options)

        where = "local, or a Ray cluster: ray, auto, HOST:PORT (docs/scale-out.md)."
        option = click.option("--on", metavar="PLACE", default="local", show_default=True, help=where)
        added: Any = option(run)
        return click.option("--send", is_flag=True, help=send)(added) if send else added  # type: ignore[no-any-return]

    return decorate


def stop_at_once() -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP end this command where it stands; a command that is refused leaves no handler."""
    from p2pfl_me.exits import Exit, stop_signals

    for number in stop_signals():
        before = signal.signal(number, lambda *_: os._exit(Exit.STOPPED))
        click.get_current_context().call_on_close(partial(signal.signal, number, before))
