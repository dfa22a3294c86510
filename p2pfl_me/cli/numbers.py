"""Numbers on the command line, in the plain digits that a contract wants: click takes `1_0`, `١٢`, `inf` and `nan`."""

from __future__ import annotations

from typing import Any

import click

from p2pfl_me.digits import number, whole

PLAIN = "is not a number in plain digits."


class Whole(click.IntRange):
    """A whole number, as 12 or -3."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, str) and whole(value) is None:
            self.fail(f"{value!r} {PLAIN}", param, ctx)
        return int(super().convert(value, param, ctx))


class Number(click.FloatRange):
    """A number that is finite, as 0.5 or 1e-3."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, str) and number(value) is None:
            self.fail(f"{value!r} {PLAIN}", param, ctx)
        return float(super().convert(value, param, ctx))


def wholes(text: str | None, least: int, most: int | None = None) -> tuple[int, ...]:
    """`8` or `8,16`: numbers from `least` to `most`, each once; none of no text.

    Raises
    ------
    click.BadParameter
        It is something else.
    """
    if text is None:
        return ()
    found = [whole(word.strip()) for word in text.split(",")]
    taken = [each for each in found if each is not None and each >= least and (most is None or each <= most)]
    if len(taken) < len(found):
        bounds = f"from {least}" if most is None else f"from {least} to {most}"
        shown = f"{least},{least + 1}" if most is None else f"{4 * least},{8 * least}"
        raise click.BadParameter(f"`{text}` is not a number {bounds}, or several with commas, as {shown}")
    if len(set(taken)) < len(taken):
        raise click.BadParameter(f"`{text}` names a number twice")
    return tuple(taken)
