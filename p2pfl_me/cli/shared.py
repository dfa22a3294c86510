"""Options and words that several commands share, so that one grammar holds for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


def examples(*commands: str) -> str:
    """The block of examples that ends a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def out_option(help: str) -> Callable[[Function], Function]:
    """`-o`, `--out`: the folder that the command writes. `--run` is its older name, still understood."""
    return click.option(
        "-o", "--out", "--run", "out", metavar="DIR", type=click.Path(path_type=Path), help=help, cls=_Out
    )


class _Out(click.Option):
    """Help shows `-o, --out` alone."""

    def get_help_record(self, context: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(context)
        return record and (record[0].replace(", --run", ""), record[1])


def with_rounds(overrides: tuple[str, ...], rounds: int | None) -> tuple[str, ...]:
    """`--rounds N` is short for `--set training.rounds=N`."""
    return overrides if rounds is None else (*overrides, f"training.rounds={rounds}")


class FiniteRange(click.FloatRange):
    """A `click.FloatRange` that refuses `nan`, which is neither below nor above."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not a number.", param, ctx)
        return number
